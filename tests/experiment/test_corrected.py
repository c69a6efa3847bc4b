"""`compare --votes` and `show --votes`: the win rate corrected by people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.stats.ppi import TurnScores, corrected_win_rate
from tests import records
from tests.records import fastchat_pair, write_rows

N = 12


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    return str(write_rows(path, *rows))


def judgment(question: int, winner: str, a: str = "mine", b: str = "y") -> dict[str, Any]:
    return fastchat_pair(question, winner, model_1=a, model_2=b)


def vote(question: int, winner: str, voter: str = "author_1") -> dict[str, Any]:
    return records.vote(question, winner, voter, model_a="y", model_b="x")


@pytest.fixture
def judged(tmp_path: Path) -> str:
    """The judge: mine wins 8 of 12 turns, ties 1, loses 3."""
    winners = ["model_1"] * 8 + ["tie"] + ["model_2"] * 3
    rows = [judgment(81 + i, winner) for i, winner in enumerate(winners)]
    return lines(tmp_path / "gpt-4_pair.jsonl", rows)


@pytest.fixture
def votes(tmp_path: Path) -> str:
    """People on the first six and the last: two on question 81, who differ. x is mine."""
    rows = [vote(81, "model_b"), vote(81, "model_a", "author_2")]
    rows += [vote(82 + i, said) for i, said in enumerate(["model_b"] * 3 + ["model_a", "tie"])]
    rows += [vote(92, "model_a"), vote(120, "model_a"), {**vote(81, "model_a"), "model_b": "z"}]
    return lines(tmp_path / "human.jsonl", rows)


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.run(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_show_corrects_the_win_rate_by_votes(
    judged: str, votes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(["show", judged, "--votes", votes, "--as", "mine=x", "--json"], capsys)
    (row,) = json.loads(out)["comparisons"]
    judge = [1.0] * 8 + [0.5] + [0.0] * 3
    people = [0.5, 1.0, 1.0, 1.0, 0.0, 0.5, *[None] * 5, 0.0]
    turns: dict[str, list[TurnScores]] = {
        str(i): [(score, said)] for i, (score, said) in enumerate(zip(judge, people, strict=True))
    }
    expected = corrected_win_rate(turns)
    found = row["corrected"]
    assert row["win_rate"] == 8.5 / 12
    assert found["people_win_rate"] == 4 / 7
    assert found["win_rate"] == pytest.approx(expected.win_rate.value)
    assert found["interval"] == pytest.approx(list(expected.win_rate.interval or ()))
    assert found["judge_weight"] == pytest.approx(expected.weight)
    assert (found["n_votes"], found["n_questions"], found["n_turns"]) == (8, 7, 7)


def test_the_table_has_the_corrected_rate_beneath_the_raw_one(
    judged: str, votes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["show", judged, "--votes", votes, "--as", "mine=x"]
    out = shown(asked, capsys)
    raw, corrected = (
        next(line.split() for line in out.split("\n") if line.startswith(name))
        for name in ("all ", "by votes ")
    )
    assert raw[:2] == ["all", "12"]
    assert corrected[:3] == ["by", "votes", "7"]
    assert "votes alone 57.1% [" in " ".join(out.split())
    assert max(map(len, out.split("\n"))) <= 80
    assert "| by votes | 7 |" in shown([*asked, "--markdown"], capsys)
    assert "by votes & 7 &" in shown([*asked, "--latex"], capsys)
    assert "by votes" not in shown(["show", judged], capsys)


def test_in_a_round_robin_only_the_pairs_with_votes_are_corrected(
    tmp_path: Path, votes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [judgment(81 + i, "model_1", "x", other) for i in range(N) for other in ("y", "w")]
    path = lines(tmp_path / "three_pair.jsonl", rows)
    out = shown(["show", path, "--votes", votes, "--json"], capsys)
    corrected = {row["b"]: row["corrected"] for row in json.loads(out)["comparisons"]}
    assert corrected["y"]["n_votes"] == 8
    assert corrected["w"] is None
    assert "  by votes" in shown(["show", path, "--votes", votes], capsys)


def test_votes_on_no_pair_here_are_refused_with_what_they_hold(
    judged: str, votes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["show", judged, "--votes", votes]) == 2
    error = capsys.readouterr().err
    assert "no vote on mine : y" in error
    assert "x : y (9), y : z (1)" in error
    assert "--as" in error


def test_votes_on_other_questions_are_refused(
    judged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "v.jsonl", [vote(140, "tie")])
    assert cli.run(["show", judged, "--votes", path, "--as", "mine=x"]) == 2
    assert "question `140`" in capsys.readouterr().err


def recorded(tmp_path: Path) -> list[str]:
    """Arguments that compare two recorded files by the rules judge."""
    questions = [
        {
            "question_id": 81 + i,
            "category": "writing",
            "turns": ["Write."],
            "principles": ["It is pleasant when the last sentence asks something."],
        }
        for i in range(N)
    ]
    files = [lines(tmp_path / "q.jsonl", questions)]
    for model, text in (("x", "A hall?"), ("y", "A hall.")):
        rows = [{"prompt_id": str(81 + i), "model": model, "turns": [text]} for i in range(N)]
        files.append(lines(tmp_path / f"{model}.jsonl", rows))
    return ["compare", *files[1:], "--prompts", files[0], "--judge", "rules", "-q"]


def test_compare_refuses_votes_that_do_not_fit_before_anything_is_spent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = lines(tmp_path / "v.jsonl", [{**vote(81, "tie"), "model_b": "z"}])
    assert cli.run([*recorded(tmp_path), "--votes", path]) == 2
    assert "no vote on x : y; it holds y : z (1)" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_compare_keeps_the_corrected_rate_in_the_run(
    tmp_path: Path,
    votes: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = recorded(tmp_path)
    row = json.loads(shown([*asked, "--votes", votes, "--json"], capsys))["comparisons"][0]
    assert row["corrected"]["n_votes"] == 8
    assert json.loads(shown(["show", "--json"], capsys))["comparisons"][0] == row
    plain = json.loads(shown([*asked, "--json"], capsys))["comparisons"][0]
    assert plain == {**row, "corrected": None}
    again = json.loads(shown(["show", "--votes", votes, "--json"], capsys))["comparisons"][0]
    assert again == row
    # Votes decide figures of the run, so the one without them has a folder of its own.
    _, file = sorted((tmp_path / "runs").glob("*/comparison.json"))
    of_file = json.loads(shown(["show", str(file), "--votes", votes, "--json"], capsys))
    assert of_file["comparisons"][0] == row
    assert row["corrected"]["n_other_answers"] is None
    out = shown(["agreement", "--votes", votes], capsys)
    assert "writing" in out
    assert "8 votes, 7 questions" in out


def conversation(answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]


def test_votes_on_other_answers_than_the_ones_judged_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [vote(81 + i, "model_b") for i in range(6)]
    for i, row in enumerate(rows[:5]):  # model_a of the votes is y
        row["conversation_a"] = conversation("A hall. " if i < 3 else "Another hall.")
        row["conversation_b"] = conversation("A hall?")
    votes = lines(tmp_path / "v.jsonl", rows)
    out = shown([*recorded(tmp_path), "--votes", votes], capsys)
    assert "2 of these votes are on other answers than the ones" in out
    found = json.loads(shown(["show", "--votes", votes, "--json"], capsys))["comparisons"][0]
    assert found["corrected"]["n_other_answers"] == 2


def test_a_finding_that_votes_do_not_bear_out_is_called_chance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = lines(tmp_path / "j.jsonl", [judgment(81 + i, "model_1", "x") for i in range(40)])
    even = [vote(81 + i, ("model_a", "model_b")[i % 2]) for i in range(40)]
    out = shown(["show", judge, "--votes", lines(tmp_path / "v.jsonl", even)], capsys)
    assert out.startswith("x is better than y, by the judge\n")
    assert "corrected by people's votes: 50.0% [" in out
    assert "which may be chance" in out
    against = [vote(81 + i, "model_a") for i in range(40)]
    out = shown(["show", judge, "--votes", lines(tmp_path / "v.jsonl", against)], capsys)
    assert "], y ahead" in out
