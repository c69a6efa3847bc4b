"""A verdict that is a probability: read from tokens, from any server, and counted as one."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log
from pathlib import Path
from statistics import fmean

import pytest

from sami_eval import cli
from sami_eval.core.calls import Reply, Request, Sampling, TokenLogps
from sami_eval.core.types import Model, Winner
from sami_eval.experiment.tallies import compare
from sami_eval.judge import read_in_words, read_judge, read_reply
from sami_eval.judge.rendering import neutralise
from sami_eval.judge.requests import reply_key
from sami_eval.ledger.store import Ledger
from sami_eval.server import dialect, wire
from tests.cli.test_cli import folder
from tests.judge.test_judge import DPO, PROMPTS, SAMI, _environment, ask, ledger, plain
from tests.loopback_judge import Behaviour, LoopbackJudge, completion, error, p_first
from tests.tiny_llama import save_base

__all__ = ["_environment", "folder", "ledger"]

CHOICE = read_judge("choice")
# Strengths are 9, 7, 2 against 5 in turn, a point is 0.1 nats.
OF_SAMI = {0: 1 / (1 + 2.718281828**-0.4), 1: 1 / (1 + 2.718281828**-0.2), 2: 0.425557483}


def token(text: str, **likeliest: float) -> TokenLogps:
    """A token with the probabilities of what could have stood there; `_A` is " A"."""
    return TokenLogps(text, tuple((t.replace("_", " "), log(p)) for t, p in likeliest.items()))


def said(*tokens: TokenLogps, finished: bool | None = None) -> Reply:
    text = "".join(one.text for one in tokens)
    return Reply(text, finished=finished, token_logps=tokens)


@pytest.mark.parametrize(
    ("likeliest", "score", "winner"),
    [
        ({"A": 0.6, "B": 0.2}, 0.75, "a"),
        ({"A": 0.1, "B": 0.3}, 0.25, "b"),
        ({"A": 0.4, "B": 0.4}, 0.5, "tie"),
        ({"A": 0.3, "_A": 0.2, "a": 0.1, "B": 0.1, "_b": 0.1}, 0.75, "a"),
        ({"A": 0.9}, 1.0, "a"),  # B is not even among the likeliest
        ({"The": 0.9, "B": 0.01, "A": 0.03}, 0.75, "a"),
    ],
)
def test_the_verdict_is_the_probability_of_a_against_b(
    likeliest: dict[str, float], score: float, winner: Winner
) -> None:
    reading = read_reply(said(token("A", **likeliest)), CHOICE)
    assert reading.score == pytest.approx(score)
    assert (reading.winner, reading.reason) == (winner, None)


@pytest.mark.parametrize("likeliest", [{"The": 0.8, "I": 0.1}, {"The": 0.9, "A": 4e-4, "B": 4e-4}])
def test_a_token_that_is_hardly_a_verdict_is_unparsed(likeliest: dict[str, float]) -> None:
    reading = read_reply(said(token("The", **likeliest), finished=False), CHOICE)
    assert (reading.winner, reading.score, reading.reason) == (None, None, "no verdict token")


def test_verdicts_that_differ_in_case_alone_are_kept_apart() -> None:
    judge = replace(CHOICE, tokens={"a": ("m",), "b": ("M",)})
    assert read_reply(said(token("m", m=0.6, M=0.2)), judge).score == pytest.approx(0.75)


def test_a_judge_that_explains_itself_is_read_where_its_verdict_stands() -> None:
    patterns = {"a": (r"\[\[A\]\]",), "b": (r"\[\[B\]\]",)}
    judge = replace(CHOICE, patterns=patterns, max_tokens=100)
    tokens = [token(t, **{t.strip("_ ") or "x": 0.9}) for t in ("A", " says", " [[A]]?", " No: [[")]
    tokens += [token("B", A=0.1, B=0.3), token("]]", A=0.9)]
    assert read_reply(said(*tokens), judge).score == pytest.approx(0.25)
    assert read_reply(said(*tokens[:2], finished=False), judge).reason == "truncated"
    assert read_reply(said(*tokens, token(" But", A=0.9), finished=False), judge).reason == (
        "truncated"
    )
    assert read_reply(said(token("<think>"), *tokens), judge).reason == "empty"
    thought = [token("<think>"), *tokens, token("</think>")]
    assert read_reply(said(*thought, token("[["), *tokens[4:]), judge).score == pytest.approx(0.25)


def test_thoughts_and_ends_that_are_tokens_and_no_text_are_passed_over() -> None:
    judge = replace(CHOICE, max_tokens=100)
    last = token(" A", A=0.6, B=0.2)
    tokens = (token("It is"), token(" B", B=0.9), token("<|final|>"), last, token("<|end|>"))
    assert read_reply(Reply(" A", token_logps=tokens), judge).score == pytest.approx(0.75)
    # In-process engines strip the text, and single tokens lose spaces that the text has.
    bare = replace(last, text="A")
    assert read_reply(Reply("\nA", token_logps=(token("."), bare)), judge).score == (
        pytest.approx(0.75)
    )


@pytest.mark.parametrize(
    ("text", "winner"),
    [("A", "a"), (" b", "b"), ("B.", "b"), ("**A**", "a"), ("A good one", None), ("C", None)],
)
def test_words_are_read_where_there_are_no_probabilities(text: str, winner: str | None) -> None:
    reading = read_reply(Reply(text, finished=False), CHOICE)
    assert (reading.winner, reading.score) == (winner, None)
    # One token is always cut: that is no failure.
    assert reading.reason == (None if winner else "no verdict")


@pytest.mark.parametrize("text", ["A", "B)", "A or B: a BAD example", "Answer A."])
def test_letters_in_an_answer_stay_whole(text: str) -> None:
    assert neutralise(text, CHOICE, CHOICE.templates["one"]) == text
    searching = replace(CHOICE, patterns={"a": (r"\bA\b", r"\[\[A\]\]"), "b": (r"B",)})
    assert neutralise(f"{text} [[A]]", searching, "") == f"{text} [ [A]]"


def test_the_average_rule_gives_the_known_mean(ledger: Ledger) -> None:
    with LoopbackJudge() as server:
        verdicts = ask(server, ledger, CHOICE)
    for v in verdicts:
        assert v.score == pytest.approx(OF_SAMI[int(v.prompt_id) % 3])
    total = compare(PROMPTS, SAMI, DPO, verdicts, rule="average").total
    known = fmean(OF_SAMI[int(p.id) % 3] for p in PROMPTS)
    assert total.win_rate == pytest.approx(known)
    assert total.interval is not None
    assert total.interval[0] < known < total.interval[1]
    # 7 + 7 prompts of 20 are won, in both turns: the letters alone.
    assert compare(PROMPTS, SAMI, DPO, verdicts).total.win_rate == 28 / 40
    assert {c.body["max_tokens"] for c in server.calls} == {1}
    assert {(c.body["logprobs"], c.body["top_logprobs"]) for c in server.calls} == {(True, 20)}


def test_a_favoured_position_evens_out_over_both_orders(ledger: Ledger) -> None:
    behaviour = Behaviour(nats_for_first=1.0)
    with LoopbackJudge(behaviour) as server:
        verdicts = ask(server, ledger, CHOICE)
        asked = [c.body["messages"] for c in server.calls]
    scores = {(v.prompt_id, v.turn, v.first): v.score for v in verdicts}
    # Logistic: shown first 1/(1+e^-(x+1)), shown second 1/(1+e^-(x-1)).
    assert scores["0", 0, "a"] == pytest.approx(1 / (1 + 2.718281828**-1.4))
    assert scores["0", 0, "b"] == pytest.approx(1 / (1 + 2.718281828**0.6))
    assert len({p_first(messages, behaviour) for messages in asked}) == 6
    total = compare(PROMPTS, SAMI, DPO, verdicts, rule="average").total
    assert total.first_position_rate.value == 1.0  # the first is the likelier one every time
    assert compare(PROMPTS, SAMI, DPO, verdicts).total.ties == 40
    assert total.win_rate == pytest.approx(fmean(s for s in scores.values() if s is not None))


def test_the_comparison_turned_round_has_the_other_probabilities(ledger: Ledger) -> None:
    with LoopbackJudge() as server:
        one = ask(server, ledger, CHOICE)
        other = ask(server, ledger, CHOICE, (DPO, SAMI))
    assert server.n_calls == 80
    rates = [
        compare(PROMPTS, *pair, verdicts, rule="average").total.win_rate or 0
        for pair, verdicts in (((SAMI, DPO), one), ((DPO, SAMI), other))
    ]
    assert sum(rates) == pytest.approx(1)


def test_a_rerun_asks_nothing_and_new_tokens_cost_nothing(ledger: Ledger) -> None:
    swapped = replace(CHOICE, tokens={"a": ("B",), "b": ("A",)})
    with LoopbackJudge() as server:
        first = ask(server, ledger, CHOICE)
        again = ask(server, ledger, CHOICE)
        turned = ask(server, ledger, swapped)
    assert server.n_calls == 80
    assert plain(again) == first
    assert all(v.from_ledger for v in again)
    sums = [(a.score or 0) + (b.score or 0) for a, b in zip(first, turned, strict=True)]
    assert sums == pytest.approx([1.0] * 80)


def test_asking_for_probabilities_is_part_of_the_key() -> None:
    model, messages = Model("j", "j", engine="openai"), (("user", "hi"),)
    bare = Request(model, messages, (), Sampling(max_tokens=1))
    keys = {reply_key(replace(bare, top_logprobs=n)) for n in (0, 5, 20)}
    assert len(keys) == 3
    sets = {
        reply_key(replace(bare, top_logprobs=5), d)
        for d in dialect.earlier(replace(bare, top_logprobs=5))
    }
    assert len(sets - keys) == 7  # max_tokens, temperature, logprobs: every choice but none


def refusal(status: int, said: str, param: str | None) -> Behaviour:
    body = error(said, None, param, "invalid_request_error")
    return Behaviour(script=lambda asked: (status, {}, body) if "logprobs" in asked else None)


REFUSALS = [
    refusal(400, "Unsupported parameter: 'logprobs'", "logprobs"),
    refusal(403, "You are not allowed to request logprobs from this model", None),
    refusal(422, "Logprobs is not enabled for this model", None),
    Behaviour(logprobs=0),
]


@pytest.mark.parametrize("behaviour", REFUSALS, ids=["400", "403", "422", "ignored"])
def test_a_server_without_probabilities_is_read_in_words(
    ledger: Ledger, behaviour: Behaviour
) -> None:
    with LoopbackJudge(behaviour) as server:
        verdicts = ask(server, ledger, CHOICE, concurrency=1)
        n_calls = server.n_calls
        again = ask(server, ledger, CHOICE)
    assert n_calls == server.n_calls == (80 if behaviour.logprobs == 0 else 81)
    assert plain(again) == verdicts
    assert {v.score for v in verdicts} == {None}
    assert all(v.winner == ("b" if int(v.prompt_id) % 3 == 2 else "a") for v in verdicts)
    assert read_in_words(CHOICE, verdicts) == 80
    assert compare(PROMPTS, SAMI, DPO, verdicts, rule="average").total.win_rate == 28 / 40


@pytest.mark.parametrize(
    "logprobs",
    [
        7,
        {"content": None},
        {"content": [{"token": "A", "logprob": -0.1}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]},
        {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": "x"}]}]},
        {"tokens": ["A"], "token_logprobs": [-0.1]},
    ],
)
def test_a_field_that_tells_nothing_is_as_good_as_none(ledger: Ledger, logprobs: object) -> None:
    reply = completion("A", "length", logprobs)
    with LoopbackJudge(Behaviour(script=lambda _: (200, {}, reply))) as server:
        verdicts = ask(server, ledger, CHOICE)
    assert {(v.winner == v.first, v.score, v.reason) for v in verdicts} == {(True, None, None)}


def test_the_token_that_was_said_counts_where_the_likeliest_leave_it_out() -> None:
    rows = [{"token": "B", "logprob": log(0.2)}, {"token": "x", "logprob": log(0.1)}]
    row = {"token": "A", "logprob": log(0.6), "top_logprobs": rows}
    reply = wire.read_completion(completion("A", "length", {"content": [row]}).decode())
    assert read_reply(reply, CHOICE).score == pytest.approx(0.75)


RUN = ["compare", "strong.jsonl", "weak.jsonl", "--prompts", "q.jsonl", "--judge", "choice"]


def run(server: LoopbackJudge, *more: str) -> int:
    return cli.run([*RUN, "--judge-model", "openai:loopback", "--base-url", server.url, *more])


def test_the_command_averages_probabilities_and_exports_agree(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        assert run(server, "--rule", "average", "--json") == 0
        assert run(server, "--json") == 0
    assert server.n_calls == 80  # the rule changes what is made of the replies
    printed = capsys.readouterr()
    average, _, conservative = printed.out.partition("\n}\n")
    row = json.loads(average + "}")["comparisons"][0]
    # Strengths 9 and 1: 0.8 nats in both orders.
    assert row["win_rate"] == pytest.approx(1 / (1 + 2.718281828**-0.8))
    assert (row["wins"], row["ties"], row["losses"]) == (40, 0, 0)
    assert json.loads(conservative)["comparisons"][0]["win_rate"] == 1.0
    assert "log-prob" not in printed.err
    with LoopbackJudge(port=server.port) as server:
        assert run(server, "--rule", "average") == 0
    assert server.n_calls == 0
    assert "orders averaged" in capsys.readouterr().out
    runs = sorted(Path("runs").iterdir(), key=lambda path: len(path.name))
    assert cli.run(["show", str(runs[0]), "--csv", "s.csv"]) == 0
    scores = [float(line.split(",")[-1]) for line in Path("s.csv").read_text().splitlines()[1:]]
    assert fmean(scores) == pytest.approx(row["win_rate"])


def test_reading_words_instead_is_said_once_for_all_pairs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.jsonl").write_text(Path("weak.jsonl").read_text().replace("weak", "other"))
    body = error("Unsupported parameter: 'logprobs'", "unsupported_parameter", "logprobs")
    refuses = Behaviour(script=lambda asked: (400, {}, body) if "logprobs" in asked else None)
    with LoopbackJudge(refuses) as server:
        assert run(server, "other.jsonl", "--out", "run") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "prob" in line]
    assert said == [
        "judge `choice`: 240 of 240 judgments came without log-probabilities: "
        "what it says is the verdict"
    ]


BRIEF = """
name = "brief"
kind = "pairwise"
logprobs = true
templates.one = "{question} {answer_a} {answer_b}"
templates.two = "{question_1} {question_2} {answer_a_1} {answer_a_2} {answer_b_1} {answer_b_2}"
tokens.a = ["m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"]
tokens.b = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
"""


def test_a_judge_in_this_process_tells_its_probabilities(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_base(folder / "tiny")
    Path("brief.toml").write_text(BRIEF)
    asked = ["--judge", "./brief.toml", "--judge-model", "hf:tiny", "--limit", "3"]
    asked += ["--out", "run", "--max-unparsed", "1"]
    told = []
    for _ in range(2):  # the second time from the ledger
        assert cli.run([*RUN[:-2], *asked]) == 0
        assert "log-prob" not in capsys.readouterr().err
        rows = map(json.loads, Path("run/verdicts.jsonl").read_text().splitlines())
        told.append([(row["winner"], row["score"], row["reason"]) for row in rows])
    assert told[0] == told[1]
    assert len({score for _, score, _ in told[0] if score is not None}) > 1
    assert {reason for _, score, reason in told[0] if score is None} <= {"no verdict token"}
