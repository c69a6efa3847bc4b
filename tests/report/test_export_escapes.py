"""Names of others in exports: no formula, no markup, no command."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sami_eval import cli
from tests.records import write_rows

NAME = '=HYPERLINK("http://127.0.0.1","x")|<b>*[y](z)*'
IDS = {"-1+1|cmd": "@SUM(A1)", "-5": "+1", "＝1": "[x] <img src=x>", "81": "a_b_ \\input{x} $1$"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    questions = [
        {"id": one, "category": category, "turns": [f"Question {one}?"]}
        for one, category in IDS.items()
    ]
    write_rows("q.jsonl", *questions)
    for file, name in (("x", NAME), ("y", "[y]\\\\")):
        rows = [
            {"question_id": one, "model_id": name, "choices": [{"turns": [f"{name} of {one}"]}]}
            for one in IDS
        ]
        write_rows(f"{file}.jsonl", *rows)
    files = ["x.jsonl", "y.jsonl", "--prompts", "q.jsonl"]
    assert cli.run(["compare", *files, "--judge", "rules", "--out", "run", "-q"]) == 0
    return "run"


def test_no_cell_of_a_csv_is_a_formula(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["show", run, "--csv", "run.csv"]) == 0
    with Path("run.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert {row[0] for row in rows} == {f"'{NAME}"}
    assert [row[4] for row in rows] == ["'-1+1|cmd", "-5", "'＝1", "81"]
    assert {row[5][:2] for row in rows} == {"'@", "+1", "[x", "a_"}


def test_no_name_is_markup_in_markdown(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.run(["show", run, "--markdown"]) == 0
    said = capsys.readouterr().out
    header, marks, *rows = [line for line in said.splitlines() if line.startswith("|")]
    assert r'=HYPERLINK("http://127.0.0.1","x")\|\<b>\*\[y\](z)\*' in header
    # A bar that no backslash escapes parts two cells: every row has as many as the second.
    assert {row.replace(r"\|", "").count("|") for row in (header, *rows)} == {marks.count("|")}
    assert r"\[x\] \<img src=x>" in said


def test_no_name_is_a_command_in_latex(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.run(["show", run, "--latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = "\n".join(line for line in lines if not line.startswith("%"))
    assert r"\input" not in said
    assert r"\textbackslash{}input\{x\} \$1\$" in said
    assert "{[}x{]}" in said
