"""A judge and a constitution that were just written are used at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import write_rows

ROWS = [{"question_id": i, "category": "writing", "turns": [f"Say {i}.", "Again."]} for i in (1, 2)]
JOB = ["compare", "strong.jsonl", "weak.jsonl", "--prompts", "q.jsonl", "-q", "--json"]


@pytest.fixture
def folder(folder: Path) -> Path:
    write_rows("q.jsonl", *ROWS)
    for model, strength in (("strong", 9), ("weak", 1)):
        text = f"{model} strength {strength}{'?' * (strength > 1)}"
        answers = [{"prompt_id": str(i), "model": model, "turns": [text, text]} for i in (1, 2)]
        write_rows(f"{model}.jsonl", *answers)
    return folder


def wins(capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    (row,) = json.loads(capsys.readouterr().out)["comparisons"]
    return row["wins"], row["n_turns"]


def test_a_new_judge_judges_both_turns_in_both_orders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["judge", "new", "strict"]) == 0
    with LoopbackJudge(Behaviour()) as server:
        asked = ["--judge", "strict", "--judge-model", "openai:x", "--base-url", server.url]
        assert cli.run([*JOB, *asked]) == 0
        assert len(server.calls) == 8
    assert wins(capsys) == (4, 4)


def test_a_new_constitution_is_found_by_its_name_and_checked_by_a_program(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["constitution", "new", "mine"]) == 0
    assert cli.run([*JOB, "--constitutions", "mine"]) == 0
    assert wins(capsys) == (4, 4)  # both are brief, and one alone ends with a question


@pytest.mark.parametrize(
    ("name", "command"), [("mine_pairwise", "compare base base"), ("mine_passk", "passk base")]
)
def test_a_new_task_is_asked_by_its_name(
    name: str, command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["task", "new", name]) == 0
    by_model = ["--judge-model", "openai:x", "--base-url", "http://127.0.0.1:1/v1"]
    more = by_model if name == "mine_pairwise" else []
    assert cli.run([*command.split(), "--task", "mine", *more, "--dry-run", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row.get("n_questions", row.get("n_problems")) == 2
    text = (folder / "tasks" / f"{name}.yaml").read_text()
    assert "$schema=../.sami-eval/schemas/task.json" in text
    assert cli.run(["task", "new", name]) == 2
    assert cli.run(["task", "new", "mine"]) == 2
    assert "task new mine_pairwise, or mine_passk" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["judge", "constitution"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("../x", "no name for a"), ("x.toml", "no name for a"), ("", "`name` is empty")],
)
def test_a_bad_name_is_refused(
    what: str, name: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([what, "new", name]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("what", "ours"), [("judge", "quality"), ("constitution", "verifiable")])
def test_what_is_there_is_not_replaced(
    what: str, ours: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([what, "new", ours]) == 2
    assert f"{what} `{ours}` comes with sami-eval" in capsys.readouterr().err
    assert cli.run([what, "new", "mine"]) == 0
    path = folder / f"{what}s" / "mine.toml"
    path.write_text("changed")
    assert cli.run([what, "new", "mine"]) == 2
    assert path.read_text() == "changed"
    assert cli.run([what, "new", "mine", "--force"]) == 0
    assert path.read_text() != "changed"
