"""Why a judgment has no verdict: every reason, from a server's answer to the list a user reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.ledger.store import Ledger
from sami_eval.server import wire
from tests.cli.test_cli import folder, judged
from tests.judge.test_judge import PROMPTS, SINGLE, _environment, ask, ledger
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, error

__all__ = ["_environment", "folder", "ledger"]

OK: Mapping[str, str] = {}
FEW = PROMPTS[:4]


def says(text: str | None, ending: str = "stop", **message: object) -> Answer:
    body = json.loads(completion("", ending))
    body["choices"][0]["message"] |= {"content": text, **message}
    return 200, OK, json.dumps(body).encode()


def refuses(status: int, said: str, code: str | None = None) -> Answer:
    return status, OK, error(said, code)


CUT_IN_THOUGHT = says("<think>[[A]]", "length")
REASONS: list[tuple[Answer, str]] = [
    (says("Both are good."), "no verdict"),
    (says("I would say [[D]]"), "no verdict"),
    (says("One might say [[A]], but", "length"), "truncated"),
    (says("", "length"), "truncated"),  # all of it thought, none of it said
    (CUT_IN_THOUGHT, "truncated"),
    (says("I'm sorry, but I can't help with that."), "refused"),
    (says(None, refusal="I can't help with that."), "refused"),
    (says("", refusal="No."), "refused"),
    (says(""), "empty"),
    (says(None), "empty"),
    (says("<think>[[A]]</think>"), "empty"),
    (says(None, reasoning_content="It is [[A]]"), "empty"),
    (says(None, "content_filter"), "content filter"),
    (says("", "content_filter"), "content filter"),
    (says("half [[A]]", "content_filter"), "content filter"),
    (refuses(400, "The response was filtered", "content_filter"), "content filter"),
    (refuses(400, "violates our content management policy"), "content filter"),
    (refuses(400, "too much", "context_length_exceeded"), "too long for the judge"),
    (refuses(400, "This model's maximum context length is 256 tokens"), "too long for the judge"),
    (refuses(400, "prompt is too long: 9000 tokens > 8192 maximum"), "too long for the judge"),
    (refuses(400, "the request exceeds the available context size"), "too long for the judge"),
    (
        refuses(400, "The input token count (9000) exceeds the maximum number of tokens allowed"),
        "too long for the judge",
    ),
    (refuses(422, "`inputs` tokens + `max_new_tokens` must be <= 4096"), "too long for the judge"),
    (refuses(413, "request entity too large"), "too long for the judge"),
]


@pytest.mark.parametrize(("answer", "reason"), REASONS)
def test_every_reason_reaches_the_verdict(ledger: Ledger, answer: Answer, reason: str) -> None:
    with LoopbackJudge(Behaviour(script=lambda _: answer)) as server:
        verdicts = ask(server, ledger, prompts=FEW)
        n_calls = server.n_calls
        ask(server, ledger, prompts=FEW)
    assert {(v.winner, v.reason) for v in verdicts} == {(None, reason)}
    assert server.n_calls == n_calls  # final: not asked again
    # What was cut before it was seen to think has had more room, in vain.
    assert 17 <= n_calls <= 32 if answer == CUT_IN_THOUGHT else n_calls == 16


def test_too_long_is_stored_in_the_words_it_always_was() -> None:
    assert wire.TOO_LONG == "too long for the model"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refuses(500, "stumbled"), "API failure: 500: stumbled"),
        (refuses(429, "slow down"), "API failure: 429: slow down"),
        ((200, OK, b"<html>"), "API failure: not a completion: '<html>'"),
        ((200, OK, error("overloaded")), "API failure: an error inside a reply: overloaded"),
        (refuses(400, "something else"), "API failure: 400: something else"),
    ],
)
def test_what_the_server_never_answered_is_asked_again(
    ledger: Ledger, answer: Answer, reason: str
) -> None:
    with LoopbackJudge(Behaviour(script=lambda _: answer)) as server:
        verdicts = ask(server, ledger, prompts=FEW, max_retries=1, give_up_after=10**6)
        n_calls = server.n_calls
        ask(server, ledger, prompts=FEW, max_retries=1, give_up_after=10**6)
    assert all(v.winner is None and str(v.reason).startswith(reason) for v in verdicts)
    assert server.n_calls == 2 * n_calls


@pytest.mark.parametrize(
    ("text", "reason"),
    [("It is fine.", "no rating"), ("[[11]]", "rating outside 1-10"), ("", "empty")],
)
def test_a_rating_that_is_none_has_its_reason(ledger: Ledger, text: str, reason: str) -> None:
    with LoopbackJudge(Behaviour(script=lambda _: says(text))) as server:
        verdicts = ask(server, ledger, SINGLE, prompts=FEW)
    assert {(v.winner, v.score, v.reason) for v in verdicts} == {(None, None, reason)}


def test_words_that_come_in_parts_are_read(ledger: Ledger) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "[[A]]"}]}
    parts: Any = [thought, {"type": "text", "text": "It is "}, {"type": "text", "text": "[[B]]"}]
    with LoopbackJudge(Behaviour(script=lambda _: says(parts))) as server:
        verdicts = ask(server, ledger)
    assert all(v.winner is not None and v.winner != v.first for v in verdicts)


def test_every_reason_is_listed_and_asked_again_when_told_to(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distinct = dict(reversed([(reason, answer) for answer, reason in REASONS]))
    turns = iter(range(10**6))

    def spoils(body: dict[str, Any]) -> Answer | None:
        return dict(enumerate(distinct.values())).get(next(turns))

    with LoopbackJudge(Behaviour(script=spoils)) as server:
        assert judged(server, "--out", "run", "--concurrency", "1") == 1
        n = len(distinct)
        assert f"{n} of 80 judgments have no verdict" in capsys.readouterr().err
        assert cli.run(["show", "run", "--unparsed"]) == 0
        listed = capsys.readouterr().out
        for reason in ("no verdict", "truncated", "refused", "empty", "content filter", "too long"):
            assert reason in listed
        assert f"{n} judgments without a verdict" in listed
        assert judged(server, "--out", "run", "--retry-unparsed") == 0
    assert server.n_calls == 80 + n
