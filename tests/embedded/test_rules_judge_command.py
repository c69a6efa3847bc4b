"""The rules judge on answers of strangers: no memory, no time, no crash, through the command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sami_eval import cli
from tests import SHARED
from tests.records import write_rows

SHARED = SHARED
CASES = SHARED / "cases" / "answers_code.jsonl"
QUESTIONS = SHARED / "data" / "mt_bench" / "question.jsonl"
REFERENCES = SHARED / "data" / "mt_bench" / "reference_answer_gpt-4.jsonl"
RIGHT = "def bump(x):\n    return x + 7"
LIMITED = (
    "import resource, sys; from sami_eval.cli import run; "
    "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); "
    "resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); sys.exit(run(sys.argv[1:]))"
)
BODIES = [
    "'a' * (1000*1000*1000)",
    "x * 1000 * 1000 * 1000 * 1000 * 1000",
    "(x * 1000 * 1000 * 1000) + 'b' * 1000 * 1000",
    "len('a' * 1000 * 1000 * 1000 * 1000)",
    "'%999999999d' % x",
    "f'{x:999999999d}'",
    "int(1e308*10)",
    "int(1e308 * 10 - 1e308 * 10)",
    "int('9' * 1000 * 5)",
    "9**9**9",
    "x ** x ** x ** x",
    "1 << 1000 << 1000",
    "x >> -1",
    "-" * 64 + "x",
    "-" * 200_000 + "x",
    "(" * 100_000 + "x" + ")" * 100_000,
    "[" * 5_000 + "x" + "]" * 5_000,
    "[[x] * 1000] * 1000",
    "x" + " + x" * 100_000,
    "not " * 50_000 + "x",
    "(lambda f: f(f))(lambda f: f(f))",
    "bump(x)",
    "'\\d' + x is x",
    "max(x, key=x)",
    "max(*x)",
    "len(len)",
    "x if x else x if x else x",
    "0x" + "f" * 100_000,
    "1e999999999",
    "x @ x",
    "[y for y in range(10**9)]",
    "\x00",
]


def write(path: Path, rows: list[dict[str, object]]) -> str:
    return str(write_rows(path, *rows))


def records(folder: Path, name: str, answers: list[str]) -> str:
    rows: list[dict[str, object]] = [
        {"question_id": i, "model_id": name, "choices": [{"turns": [text]}]}
        for i, text in enumerate(answers)
    ]
    return write(folder / f"{name}.jsonl", rows)


def command(folder: Path, category: str, reference: str, answers: list[str]) -> list[str]:
    """Strangers' answers beside right ones, judged by the rules."""
    questions: list[dict[str, object]] = [
        {"id": i, "category": category, "turns": [f"Write it, {i}."], "reference": [reference]}
        for i in range(len(answers))
    ]
    prompts = write(folder / "q.jsonl", questions)
    files = [
        records(folder, "theirs", answers),
        records(folder, "ours", [reference] * len(answers)),
    ]
    asked = ["compare", *files, "--prompts", prompts, "--judge", "rules", "--json"]
    return [*asked, "--out", str(folder / "run")]


def losses(folder: Path, category: str, reference: str, answers: list[str]) -> int:
    words = command(folder, category, reference, answers)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, "bug" in done.stderr) == (0, False), done.stderr[-500:]
    assert time.monotonic() - start < 60
    return int(json.loads(done.stdout)["comparisons"][0]["losses"])


def test_no_code_of_an_answer_costs_memory_time_or_a_crash(tmp_path: Path) -> None:
    answers = [f"def bump(x):\n    return {body}\n" for body in BODIES]
    assert losses(tmp_path, "coding", RIGHT, answers) == len(answers)


@pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")
def test_the_cases_are_wrong_and_nothing_more(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    assert losses(tmp_path, "coding", RIGHT, [row["text"] for row in rows]) == len(rows)


def test_code_that_is_right_in_other_words_still_is(tmp_path: Path) -> None:
    same = ["7 + x", "x - -7", "x + 3 + 4", "+x + int('7')", "(x + 7 if x > 0 else 7 + x)"]
    answers = [f"def bump(y):\n    return {body.replace('x', 'y')}" for body in same]
    assert losses(tmp_path, "coding", RIGHT, answers) == 0


@pytest.mark.parametrize("text", ["9" * 100_000, "1" * 5_000 + " + 1 = 2", "1 " * 100, "٣"])
def test_no_number_of_an_answer_costs_time_or_a_crash(tmp_path: Path, text: str) -> None:
    assert losses(tmp_path, "math", "18", [text]) == 1


@pytest.mark.skipif(not QUESTIONS.is_file(), reason="MT-Bench is not here")
def test_mtbenchs_references_in_prose_do_not_break_the_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    for name, text in (("x", "It is 18."), ("y", RIGHT)):
        write(
            tmp_path / f"{name}.jsonl",
            [
                {
                    "question_id": question["question_id"],
                    "model_id": name,
                    "choices": [{"turns": [text, text]}],
                }
                for question in questions
            ],
        )
    files = [str(tmp_path / "x.jsonl"), str(tmp_path / "y.jsonl"), "--prompts", str(QUESTIONS)]
    asked = ["compare", *files, "--references", str(REFERENCES), "--judge", "rules", "--json"]
    assert cli.run([*asked, "--out", str(tmp_path / "run")]) == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    # No program can hold an answer against prose: nobody is right or wrong.
    assert (row["wins"], row["ties"], row["losses"]) == (0, 160, 0)
