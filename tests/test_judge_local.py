"""Judges in this process: a tiny random model's nonsense is unparsed, never a verdict."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sami_eval import cli
from tests.tiny_llama import save_base

ANSWERS = {81: "is short", 82: "goes on and on. " * 40}  # the second beyond 256 tokens of context
BRIEF = """
name = "brief"
kind = "pairwise"
max_tokens = 8

[templates]
one = "{question} {answer_a} {answer_b}"
two = "{question_1} {question_2} {answer_a_1} {answer_a_2} {answer_b_1} {answer_b_2}"

[patterns]
a = ['\\[\\[A\\]\\]']
b = ['\\[\\[B\\]\\]']
tie = ['\\[\\[C\\]\\]']
"""


def write(path: str, rows: list[dict[str, object]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    asked = {"category": "writing", "turns": ["Write a line."]}
    write("q.jsonl", [{"question_id": number, **asked} for number in ANSWERS])
    for model in ("x", "y"):
        rows = [
            {"question_id": n, "model_id": model, "choices": [{"turns": [f"{model} {text}"]}]}
            for n, text in ANSWERS.items()
        ]
        write(f"{model}.jsonl", list(rows))
    Path("brief.toml").write_text(BRIEF)
    save_base(tmp_path / "tiny")
    return tmp_path


def compare(*more: str) -> int:
    judge = ["--judge", "./brief.toml", "--judge-model", "hf:tiny"]
    records = ["x.jsonl", "y.jsonl", "--prompts", "q.jsonl"]
    return cli.run(["compare", *records, *judge, "--json", *more])


def test_nonsense_and_what_is_too_long_are_unparsed_with_reasons(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--out", "run") == 1
    printed = capsys.readouterr()
    assert "4 of 4 judgments have no verdict" in printed.err
    document = json.loads(printed.out)
    assert (document["judge_model"], document["cost_usd"]) == (str(Path("tiny")), 0.0)
    lines = Path("run", "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = Counter(json.loads(line)["reason"] for line in lines)
    assert reasons["too long for the judge"] == 2
    assert set(reasons) <= {"too long for the judge", "truncated", "no verdict", "empty"}


def test_a_rerun_takes_the_replies_from_the_ledger(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (json.loads(_printed(capsys)) for _ in range(2))
    assert (first["calls"]["from_ledger"], second["calls"]["from_ledger"]) == (0, 4)
    assert first["comparisons"] == second["comparisons"]


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    assert compare() == 1
    return capsys.readouterr().out


@pytest.mark.parametrize("spec", ["hf:x.jsonl", "hf:", "vllm:"])
def test_what_is_no_local_model_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], spec: str
) -> None:
    assert compare("--judge-model", spec) == 2
    assert f"`{spec}`" in capsys.readouterr().err
