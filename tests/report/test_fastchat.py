"""What FastChat's own summary makes of our ratings, and what we make of its files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Verdict
from sami_eval.experiment.comparison_rows import comparison_row
from sami_eval.experiment.imports import read_verdict_file
from sami_eval.experiment.tallies import compare
from sami_eval.judge import BETWEEN, IDENTICAL
from sami_eval.report import fastchat
from sami_eval.report.comparison_exports import json_lines
from tests import ROOT
from tests.cli.test_cli import folder
from tests.documents import document
from tests.loopback_judge import LoopbackJudge
from tests.records import write_rows

__all__ = ["folder"]

PROMPTS = [Prompt(str(i), "writing", ("?", "?")) for i in (81, 82, 83)]
FIGURES = ("wins", "ties", "losses", "win_rate", "interval", "p_value", "unparsed", "n_verdicts")
Ratings = tuple[float | None, float | None] | None


def rated(question: str, turn: int, ratings: Ratings, *names: str, repeat: int = 0) -> Verdict:
    """A single-answer judge's verdict; None is a pair of identical answers."""
    a, b = names or ("sami", "dpo")
    start = (question, turn, "single", a, b, "a", repeat)
    if ratings is None:
        return Verdict(*start, "tie", text=IDENTICAL)  # type: ignore[arg-type]
    x, y = ratings
    text = f"{a}: {x}{BETWEEN}{b}: {y}"
    if x is None or y is None:
        return Verdict(*start, None, None, "no rating", text, ratings=ratings)  # type: ignore[arg-type]
    winner = "a" if x > y else "b" if x < y else "tie"
    return Verdict(*start, winner, x - y, None, text, ratings=ratings)  # type: ignore[arg-type]


RATINGS: tuple[Ratings, ...] = ((8, 6), (7.5, 7), (5, 5), (3, 9), (None, 4), None)


def judgments(repeats: int = 1) -> list[Verdict]:
    places = [(prompt.id, turn) for prompt in PROMPTS for turn in (0, 1)]
    return [
        rated(question, turn, ratings, repeat=repeat)
        for (question, turn), ratings in zip(places, RATINGS, strict=True)
        for repeat in range(repeats)
    ]


def mean_scores(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], float]:
    """FastChat's published summary: the mean rating of a model in a turn, without scores of -1."""
    scores: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in rows:
        if row["score"] != -1:
            scores[row["model"], row["turn"]].append(row["score"])
    return {place: fmean(several) for place, several in scores.items()}


@pytest.mark.parametrize("repeats", [1, 3])
def test_fastchats_summary_finds_the_mean_ratings(repeats: int) -> None:
    rows = fastchat.singles(document(), judgments(repeats))
    assert len(rows) == 12 * repeats  # a line an answer and turn
    # Turn 1: 8, 5 and no rating; 6, 5 and 4. Turn 2: 7.5, 3 and identical; 7 and 9.
    assert mean_scores(rows) == {
        ("sami", 1): 6.5,
        ("sami", 2): 5.25,
        ("dpo", 1): 5.0,
        ("dpo", 2): 8.0,
    }


def test_a_line_has_fastchats_fields_and_its_own_words() -> None:
    first, second = fastchat.singles(document(), judgments())[:2]
    assert set(first) == {
        *("question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp")
    }
    assert (first["question_id"], first["turn"]) == (81, 1)
    assert (first["judgment"], second["judgment"]) == ("sami: 8", "dpo: 6")


def test_an_answer_met_in_several_pairs_is_one_line_with_its_rating() -> None:
    verdicts = [
        rated("81", 0, None, "x", "y"),
        rated("81", 0, (7, 5), "x", "z"),
        rated("81", 0, (7, 5), "y", "z"),
    ]
    rows = fastchat.singles(document(), verdicts)
    assert [(row["model"], row["score"]) for row in rows] == [("x", 7), ("y", 7), ("z", 5)]


def test_a_judge_that_compares_has_no_ratings_to_export() -> None:
    verdict = Verdict("81", 0, "quality", "sami", "dpo", "a", 0, "a", score=0.9)
    assert fastchat.singles(document(), [verdict, rated("82", 0, None)]) == []


@pytest.mark.parametrize("repeats", [1, 3])
def test_ratings_are_read_back_with_the_same_figures(tmp_path: Path, repeats: int) -> None:
    verdicts = judgments(repeats)
    row = comparison_row(compare(PROMPTS, [], [], verdicts))
    path = tmp_path / "gpt-4_single.jsonl"
    path.write_text(json_lines(fastchat.singles(document(row), verdicts)))
    again = read_verdict_file(path)["comparisons"][0]
    assert {key: again[key] for key in FIGURES} == {key: row[key] for key in FIGURES}  # type: ignore[literal-required]
    assert (again["wins"], again["ties"], again["losses"]) == (2, 2, 1)
    assert again["unparsed"] == repeats
    # Each answer was alone: there is no first position.
    assert again["first_position_rate"] is row["first_position_rate"] is None


LINE = {"question_id": 81, "model": "x", "judge": ["m", "single-v1"], "score": 7, "turn": 1}


def test_a_file_of_fastchats_own_compares_every_two_models(tmp_path: Path) -> None:
    lines = [
        {**LINE, "model": model, "question_id": question, "score": score}
        for question, scores in ((81, (7, 5, -1)), (82, (3, 3, 9)))
        for model, score in zip("xyz", scores, strict=True)
    ]
    found = read_verdict_file(write_rows(tmp_path / "f_single.jsonl", *lines))
    counts = {
        (row["a"], row["b"]): (row["wins"], row["ties"], row["losses"], row["unparsed"])
        for row in found["comparisons"]
    }
    assert counts == {("x", "y"): (1, 1, 0, 0), ("x", "z"): (0, 0, 1, 1), ("y", "z"): (0, 0, 1, 1)}


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        ({"question_id": None}, "`question_id` is `None`", 2),
        ({"question_id": True}, "`question_id` is `True`", 2),
        ({"model": ""}, "`model` is `''`", 2),
        ({"model": 3}, "`model` is `3`", 2),
        ({"turn": 0}, "`turn` is `0`", 2),
        ({"turn": 10**6}, "`turn` is `1000000`", 2),
        ({"turn": "1"}, "`turn` is `'1'`", 2),
        ({"score": None}, "`score` is `None`", 2),
        ({"score": "7"}, "`score` is `'7'`", 2),
        ({"score": True}, "`score` is `True`", 2),
        ({"score": float("nan")}, "`score` is `nan`", 2),
        ({"repeat": -1}, "`repeat` is `-1`", 2),
        ({}, "`x` is rated twice for question `81`, turn 1", 2),
        ({"question_id": 82}, "all ratings are of `x`", 2),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, change: dict[str, object], said: str, line: int
) -> None:
    path = write_rows(tmp_path / "f_single.jsonl", LINE, {**LINE, **change})
    with pytest.raises(UsageError) as caught:
        read_verdict_file(path)
    assert said in caught.value.message
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.hint


def test_a_score_off_the_scale_is_unparsed(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "f_single.jsonl", LINE, {**LINE, "model": "y", "score": 11})
    assert read_verdict_file(path)["comparisons"][0]["unparsed"] == 1


def compared(server: LoopbackJudge, judge: str, *more: str) -> int:
    asked = ["compare", "strong.jsonl", "weak.jsonl", "--prompts", "q.jsonl", "--judge", judge]
    at = ["--judge-model", "openai:loopback", "--base-url", server.url, "-q", "--out", "run"]
    return cli.run([*asked, *at, *more])


def lines_of(name: str) -> list[dict[str, Any]]:
    return list(map(json.loads, Path("fc/model_judgment", name).read_text().splitlines()))


def test_the_command_exports_ratings_with_what_the_judge_was_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        assert compared(server, "single", "--json") == 0
    ours = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert cli.run(["show", "run", "--fastchat", "fc"]) == 0
    rows = lines_of("loopback_single.jsonl")
    assert mean_scores(rows) == {(m, t): s for m, s in (("strong", 9), ("weak", 1)) for t in (1, 2)}
    sent = {call.body["messages"][-1]["content"] for call in server.calls}
    assert {row["user_prompt"] for row in rows} == sent
    for name in ("single", "pair"):
        capsys.readouterr()
        assert cli.run(["show", f"fc/model_judgment/loopback_{name}.jsonl", "--json"]) == 0
        again = json.loads(capsys.readouterr().out)["comparisons"][0]
        for key in ("wins", "ties", "losses", "win_rate", "interval", "p_value"):
            assert again[key] == ours[key]


def test_pairs_are_exported_with_what_the_judge_was_asked(folder: Path) -> None:
    Path("judges").mkdir()
    own = Path("judges/own.toml")
    bundled = ROOT / "judges" / "quality.toml"
    own.write_text(bundled.read_text().replace('name = "quality"', 'name = "own"'))
    with LoopbackJudge() as server:
        assert compared(server, "own", "--json") == 0
    assert cli.run(["show", "run", "--fastchat", "fc"]) == 0
    rows = lines_of("loopback_pair.jsonl")
    sent = {call.body["messages"][-1]["content"] for call in server.calls}
    assert {row[f"{game}_user_prompt"] for row in rows for game in ("g1", "g2")} == sent
    assert "strong" in rows[0]["g1_user_prompt"].partition("<<<answer B>>>")[0]
    # A judge that asks something else by now did not ask that.
    own.write_text(own.read_text().replace("Be impartial.", "Be fair."))
    assert cli.run(["show", "run", "--fastchat", "fc"]) == 0
    assert {row["g1_user_prompt"] for row in lines_of("loopback_pair.jsonl")} == {""}


@pytest.mark.parametrize(("score", "code"), [("1" + "0" * 400, 1), ("1e400", 2), ("-1", 1)])
def test_a_rating_of_any_size_is_no_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], score: str, code: int
) -> None:
    row = '{"question_id": 81, "model": "%s", "turn": 1, "judgment": "", "score": %s}\n'
    path = tmp_path / "judged_single.jsonl"
    path.write_text(row % ("x", "8") + row % ("y", score))
    assert cli.run(["show", str(path)]) == code  # shown, and then said to be no verdict
    error = capsys.readouterr().err
    assert "bug in" not in error
    assert ("error: none of 1 judgments has a verdict" in error) is (code == 1)
