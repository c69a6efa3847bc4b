"""The way to a server: what the environment says of it, and who is asked in the end."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from sami_eval.core.calls import Reply
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.server import connection, endpoint
from sami_eval.server.client import ClientSettings, complete_all
from tests.loopback_judge import LoopbackJudge
from tests.server.test_client import comparisons

WAYS = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


def ask(url: str, model: Model | None = None, **settings: int) -> list[Reply]:
    replies: list[Reply] = []
    asked = ClientSettings(url, backoff_s=0.001, **settings)  # type: ignore[arg-type]
    every = [replace(one, model=model or one.model) for one in comparisons(1)]
    complete_all(every, asked, lambda _, reply: replies.append(reply), silent())
    return replies


def test_who_pays_and_what_a_gateway_wants_is_read_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    more = "X-Team: judges\nX-Trace:on:off\nAuthorization: Basic gw"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", more)
    with LoopbackJudge() as server:
        assert ask(server.url)[0].text
        named = replace(comparisons(1)[0].model, base_url=server.url, key_variable="OUR_KEY")
        monkeypatch.setenv("OUR_KEY", "another-key")
        assert ask(server.url, named)[0].text
    assert server.calls[0].headers["authorization"] == "Basic gw"
    wanted = {"openai-organization": "org-1", "openai-project": "proj-2", "x-team": "judges"}
    sent, elsewhere = (call.headers for call in server.calls)
    assert elsewhere["authorization"] == "Bearer another-key"
    assert not {"openai-organization", "openai-project", "x-team"} & elsewhere.keys()
    assert wanted | {"x-trace": "on:off"} == {name: sent[name] for name in (*wanted, "x-trace")}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_CUSTOM_HEADERS", "X Team: judges"),
        ("OPENAI_CUSTOM_HEADERS", "judges"),
        ("OPENAI_CUSTOM_HEADERS", "X-Team: a\x01b"),
        ("OPENAI_CUSTOM_HEADERS", "Content-Length: 31"),
        ("OPENAI_ORG_ID", "org\n1"),
        ("ALL_PROXY", "socks5://me:secret@127.0.0.1:9"),
        ("http_proxy", "me:secret@127.0.0.1:port"),
    ],
)
def test_what_no_header_can_be_is_wrong_usage_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for way in WAYS:
        monkeypatch.delenv(way, raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=f"(?i){variable}") as caught:
        ask("http://judge.invalid/v1" if "PROXY" in variable.upper() else "http://127.0.0.1:9/v1")
    assert value not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_is_the_way_to_every_other_machine(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for way in WAYS:
        monkeypatch.delenv(way, raising=False)
    with LoopbackJudge() as server:
        place = server.url.removesuffix("/v1")
        for way in (place, place.removeprefix("http://")):
            monkeypatch.setenv(name, way)
            assert ask("http://judge.invalid/v1")[0].text
            assert server.calls[-1].path == "http://judge.invalid/v1/chat/completions"
        monkeypatch.setenv("no_proxy", "judge.invalid:81")
        for port, spared in ((80, False), (81, True)):
            reply = ask(f"http://judge.invalid:{port}/v1", max_retries=0)[0]
            assert ("connection failed" in str(reply.failure)) == spared


def test_a_certificate_that_is_not_trusted_is_said_in_its_own_words() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert "certificate verify failed" in endpoint.unreached(untrusted)


@pytest.mark.parametrize("charset", [None, "idna", "undefined", "no-such", "latin-1"])
def test_a_charset_that_no_text_is_in_is_no_bug(charset: str | None) -> None:
    letter = "\N{LATIN SMALL LETTER A WITH DIAERESIS}"
    said = letter.encode("latin-1" if charset == "latin-1" else "utf-8")
    assert connection.decoded(said, charset) == letter
