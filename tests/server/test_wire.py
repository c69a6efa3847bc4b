"""Bodies, waits and secrets, as an OpenAI-compatible server writes them."""

from __future__ import annotations

import json

import pytest

from sami_eval.core.types import Usage
from sami_eval.server import waits, wire
from sami_eval.server.refusals import read_refusal


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after": "120ms"}, 0.12),
        ({"retry-after": "1m30.5s"}, 90.5),
        ({"retry-after": "26 seconds"}, 26.0),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "1700000030", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 30.0),
        ({"retry-after": "1700000030000", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 30.0),
        ({}, 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float) -> None:
    assert waits.retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "Rate limit. Please try again in 1m2.5s."}}, 62.5),
        ({"error": {"message": "Please retry in 34.07s."}}, 34.07),
        ({"error": {"message": "please try again after 1 seconds"}}, 1.0),
        ([{"error": {"message": "quota", "details": [{"retryDelay": "34s"}]}}], 34.0),
        ({"error": "loading", "estimated_time": 20.5}, 20.5),
        ({"error": {"message": "please try again in a while"}}, 0.0),
    ],
)
def test_a_wait_is_read_from_the_words_of_a_refusal(body: object, seconds: float) -> None:
    refusal = read_refusal(429, json.dumps(body))
    assert waits.asked_s({}, refusal) == seconds
    assert waits.asked_s({"retry-after": "7"}, refusal) == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6.5s"}, 6.5),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}, 7.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 60.0),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6.5s"}, 0.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
                "date": "Tue, 14 Nov 2023 22:13:20 GMT",
            },
            10.0,
        ),
    ],
)
def test_what_is_used_up_says_when_it_is_there_again(
    headers: dict[str, str], seconds: float
) -> None:
    assert waits.asked_s(headers, read_refusal(429, '{"error": "slow down"}')) == seconds


def test_a_stream_that_nobody_asked_for_is_one_answer_where_it_has_its_end() -> None:
    parts = [{"role": "assistant", "content": ""}, {"content": "It is [["}, {"content": "A]]"}]
    events = [{"choices": [{"delta": delta, "finish_reason": None}]} for delta in parts]
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}

    def sent(*rows: object) -> str:
        lines = "".join(f"event: message\ndata: {json.dumps(row)}\n\n" for row in rows)
        return lines + "data: [DONE]\n\n"

    reply = wire.read_completion(sent(*events, last, usage))
    assert (reply.text, reply.finished, reply.usage) == ("It is [[A]]", True, Usage(5, 3))
    with pytest.raises(wire.MalformedError):
        wire.read_completion(sent(*events))
    with pytest.raises(wire.RefusedError, match="died"):
        wire.read_completion(sent(*events, {"error": {"message": "died"}}))


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
