"""`--against NAME`: each contender with one baseline, nothing else asked, the sign kept."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.stats.tests import holm
from tests.loopback_judge import LoopbackJudge
from tests.records import write_records

NAMES = ("strong", "middle", "alike", "weak")
JUDGE = ("--prompts", "q.jsonl", "--judge", "quality", "--judge-model", "openai:loopback", "-q")
JOB = ("compare", *(f"{name}.jsonl" for name in NAMES), *JUDGE)
N_CALLS = 40  # 10 questions x 2 turns x 2 orders, of one pair


@pytest.fixture
def folder(folder: Path) -> Path:
    """Four records, two of them as strong as each other in other words."""
    write_records(folder, 10, strong=9, middle=5, alike=5, weak=1)
    return folder


def compared(
    capsys: pytest.CaptureFixture[str], server: LoopbackJudge, *flags: str
) -> dict[str, Any]:
    assert cli.run([*JOB, *flags, "--json", "--base-url", server.url]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_each_contender_meets_the_baseline_and_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        document = compared(capsys, server, "--against", "middle")
        assert server.n_calls == 3 * N_CALLS
    pairs = [(row["a"], row["b"]) for row in document["comparisons"]]
    assert pairs == [("strong", "middle"), ("alike", "middle"), ("weak", "middle")]
    assert (document["against"], document["ranking"]) == ("middle", [])
    assert [row["win_rate"] for row in document["comparisons"]] == [1.0, 0.5, 0.0]
    raw = [row["p_value"] for row in document["comparisons"]]
    assert [row["p_adjusted"] for row in document["comparisons"]] == holm(raw)


def test_a_round_robin_afterwards_asks_only_for_the_other_pairs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        compared(capsys, server, "--against", "middle")
        document = compared(capsys, server)
        assert server.n_calls == 6 * N_CALLS
    assert document["against"] is None
    assert len(document["ranking"]) == 4


def test_the_dry_run_counts_the_comparisons_with_the_baseline_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        job = [*JOB, "--base-url", server.url, "--dry-run", "--json"]
        assert cli.run([*job, "--against", "middle"]) == 0
        few = json.loads(capsys.readouterr().out)
        assert cli.run(job) == 0
        all_of_them = json.loads(capsys.readouterr().out)
    assert [row["judges"][0]["calls"] for row in (few, all_of_them)] == [3 * N_CALLS, 6 * N_CALLS]


def test_better_and_worse_stand_in_every_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        compared(capsys, server, "--against", "middle.jsonl")  # as it was typed
    words = {"strong": "better", "alike": "undecided", "weak": "worse"}
    for form, between in (("--markdown", " | "), ("--latex", " & ")):
        assert cli.run(["show", form]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if between in line]
        for name, word in words.items():
            (line,) = [line for line in lines if line.strip("| ").startswith(f"{name} ")]
            assert line.strip("|\\ ").split(between)[-1] == word
    assert cli.run(["show", "--csv", "out.csv"]) == 0
    capsys.readouterr()
    with Path("out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = {row["a"]: row["score"] for row in rows if row["b"] == "middle"}
    assert scores == {"strong": "1.0", "alike": "0.5", "weak": "0.0"}
    assert cli.run(["show"]) == 0
    screen = capsys.readouterr().out
    assert [line.split()[-1] for line in screen.splitlines() if line.startswith("weak  ")][-1] == (
        "worse"
    )
    assert (
        "strong is better than middle in quality; weak is worse than middle"
        in screen.splitlines()[0]
    )
    assert max(map(len, screen.splitlines())) <= 80
    assert cli.run(["show", "--html"]) == 0
    page = next(folder.rglob("report.html")).read_text("utf-8")
    assert "1 of 3 better than middle, 1 worse" in page
    assert "Each against middle" in page
    assert "Ranking" not in page
    capsys.readouterr()
    assert cli.run(["ls", "runs"]) == 0
    assert "1 of 3 better than middle, 1 worse" in capsys.readouterr().out


def test_two_contenders_keep_the_sign_of_the_one_that_is_not_the_baseline(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        pair = ["compare", "strong.jsonl", "weak.jsonl", *JUDGE, "--base-url", server.url]
        assert cli.run([*pair, "--against", "strong"]) == 0
    assert "win rate of weak 0.0% [" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "hint"),
    [("midle", "did you mean `middle`?"), ("zzz", "contenders: strong, middle, alike, weak")],
)
def test_a_name_that_is_no_contender_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    assert cli.run([*JOB, "--against", name]) == 2
    said = capsys.readouterr().err
    assert f"`--against {name}`: no contender `{name}`" in said
    assert hint in said
    assert "Traceback" not in said
