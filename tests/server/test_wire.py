"""Bodies, waits and secrets, as an OpenAI-compatible server writes them."""

from __future__ import annotations

import pytest

from sami_eval.server import wire


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({}, 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float) -> None:
    assert wire.retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"choices": []}', '{"choices": [{"message": null}]}', "<html>"],
)
def test_a_body_that_is_no_completion_is_malformed(text: str) -> None:
    with pytest.raises(wire.MalformedError):
        wire.read_completion(text)


@pytest.mark.parametrize(
    "text",
    [
        "sent with Bearer abcdefgh123",
        "key sk-proj-Abc123_def is wrong",
        "my-token-77 was refused",
        "http://me:hunter2@host/v1",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    shown = wire.without_secret(text, "my-token-77")
    assert "***" in shown
    assert not any(s in shown for s in ("abcdefgh123", "Abc123", "my-token-77", "hunter2"))
