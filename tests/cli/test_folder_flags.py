"""Any flag may stand in `sami-eval.toml`: what decides is said, and what is typed wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.config import FILE_NAME
from sami_eval.core.config_keys import COMMANDS
from tests.records import write_rows

JOB = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl"]
WRITE_FILES = {
    "init",
    "schema",
    "judge new",
    "constitution new",
    "task new",
}  # a broken file is in nobody's way there


@pytest.fixture
def folder(folder: Path) -> Path:
    write_rows("q.jsonl", {"question_id": 1, "category": "writing", "turns": ["Write."]})
    for model in "ab":
        write_rows(f"{model}.jsonl", {"prompt_id": "1", "model": model, "turns": [f"{model}."]})
    return folder


def asked(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[dict[str, Any], str]:
    """The settings of a comparison, and what was said."""
    assert cli.run([*JOB, *more]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out)["settings"], captured.err


def test_every_command_that_works_has_a_table() -> None:
    assert set(cli.commands()) == {*COMMANDS} | WRITE_FILES


def test_flags_of_the_file_decide_and_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[compare]\njudge = "rules"\nrule = "average"\nrepeats = 2\njson = true\nquiet = true\n'
    Path(FILE_NAME).write_text(text)
    settings, said = asked(capsys)
    assert (settings["rule"], settings["repeats"]) == ("average", 2)
    assert f"from {FILE_NAME}: judge rules (line 2), rule average (line 3)" in said
    Path("run.toml").write_text("repeats = 3\n")
    settings, said = asked(capsys, "--config", "run.toml")
    assert settings["repeats"] == 3
    assert "repeats" not in said
    settings, said = asked(capsys, "--config", "run.toml", "--repeats", "1", "--rule", "average")
    assert settings["repeats"] == 1
    assert f"from {FILE_NAME}: judge rules (line 2), json yes (line 5)" in said


def test_a_switch_of_the_file_is_taken_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE_NAME).write_text('[compare]\njudge = "rules"\njson = true\ndry-run = true\n')
    assert cli.run([*JOB]) == 0
    assert "cost_usd" in json.loads(capsys.readouterr().out)
    assert not Path("runs").exists()
    assert cli.run([*JOB, "--no-json", "--no-dry-run", "-q"]) == 0
    assert capsys.readouterr().out.lstrip()[0] != "{"
    assert Path("runs").exists()


def test_a_command_with_flags_of_its_own_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE_NAME).write_text("[power]\nwin-rate = 0.6\njson = true\n")
    assert cli.run(["power"]) == 0
    assert json.loads(capsys.readouterr().out)["win_rate"] == 0.6
    Path("run.toml").write_text("questions = 80\njson = false\n")
    assert cli.run(["power", "--config", "run.toml"]) == 0
    assert "80 questions find" in capsys.readouterr().out


def test_a_default_of_all_commands_is_said_where_it_decides(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE_NAME).write_text('task = "mtbench"\njudge = "rules"\n')
    _, said = asked(capsys, "--json", "-q")
    assert f"from {FILE_NAME}: judge rules (line 2)" in said
    assert "task" not in said  # the questions are a file's
    _, said = asked(capsys, "--json", "-q", "--judge", "rules")
    assert "judge" not in said


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[compare]\nrepeats = 0", 2, "`repeats` is `0`; it is a whole number, at least 1"),
        ("[compare]\njugde = 'rules'", 2, "compare has no setting `jugde`"),
        ("[compair]\nrepeats = 1", 1, "unknown key `compair`"),
        ("compare = 3", 1, "`compare` is `3`, not a table"),
        ("[reproduce.mtbnch]\nseed = 1", 1, "unknown key `reproduce.mtbnch`"),
        ("[reproduce]\nseed = 1", 2, "unknown key `reproduce.seed`"),
        # A key of the environment is for an address that was typed.
        ("[compare]\nbase-url = 'http://127.0.0.1:9/v1'", 2, "`base-url` stands at the top"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    text: str, line: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE_NAME).write_text(text)
    assert cli.run([*JOB, "--judge", "rules"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert f"{FILE_NAME}:{line}" in error
    assert not Path("runs").exists()
