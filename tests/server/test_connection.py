"""The way to a server: what the environment says of it, and who is asked in the end."""

from __future__ import annotations

import ssl

import pytest

from sami_eval.core.calls import Reply
from sami_eval.core.progress import silent
from sami_eval.server import endpoint
from sami_eval.server.client import ClientSettings, complete_all
from tests.loopback_judge import LoopbackJudge
from tests.server.test_client import comparisons

WAYS = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


def ask(url: str, **settings: int) -> list[Reply]:
    replies: list[Reply] = []
    asked = ClientSettings(url, backoff_s=0.001, **settings)  # type: ignore[arg-type]
    complete_all(comparisons(1), asked, lambda _, reply: replies.append(reply), silent())
    return replies


def test_who_pays_and_what_a_gateway_wants_is_read_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: judges\nX-Trace:on:off")
    with LoopbackJudge() as server:
        assert ask(server.url)[0].text
    wanted = {"openai-organization": "org-1", "openai-project": "proj-2", "x-team": "judges"}
    sent = server.calls[0].headers
    assert wanted | {"x-trace": "on:off"} == {name: sent[name] for name in (*wanted, "x-trace")}


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_is_the_way_to_every_other_machine(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for way in WAYS:
        monkeypatch.delenv(way, raising=False)
    with LoopbackJudge() as server:
        monkeypatch.setenv(name, server.url.removesuffix("/v1"))
        assert ask("http://judge.invalid/v1")[0].text
        assert server.calls[0].path == "http://judge.invalid/v1/chat/completions"
        monkeypatch.setenv("no_proxy", "judge.invalid")
        assert "connection failed" in str(ask("http://judge.invalid/v1", max_retries=0)[0].failure)


def test_a_certificate_that_is_not_trusted_is_said_in_its_own_words() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert "certificate verify failed" in endpoint.unreached(untrusted)
