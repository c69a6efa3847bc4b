"""Every field of questions and answers, spoilt in every way: one clear error, exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.records import write_rows

QUESTION: dict[str, Any] = {
    "question_id": 81,
    "category": "writing",
    "turns": ["Write.", "Shorter."],
    "reference": ["a", "b"],
    "principles": ["Be brief."],
    "required_temperature": 0.5,
}
OURS: dict[str, Any] = {
    "prompt_id": "81",
    "model": "m",
    "turns": ["x", "y"],
    "token_ids": [[1], [2]],
    "sample": 0,
    "finished": [True, True],
    "n_tokens": [1, 1],
}
FASTCHAT: dict[str, Any] = {
    "question_id": 81,
    "model_id": "m",
    "choices": [{"index": 0, "turns": ["x", "y"]}],
}
# What is no good value of a field; null is a missing optional field, so it is no error there.
NO_TEXT: list[object] = [None, "", " ", "a\nb", "\x1b[31m", True, [], {"x": 1}, 1.5]
NO_TEXTS: list[object] = ["x", 3, {"x": 1}, [3], [None], [["x"]]]
NO_COUNT: list[object] = [-1, 1.5, "1", True, [0]]
BAD_QUESTION: dict[str, list[object]] = {
    "question_id": NO_TEXT,
    "category": [*NO_TEXT[1:], 3],
    "turns": [*NO_TEXTS, None, [], [""], ["x", " "]],
    "reference": [*NO_TEXTS, ["a", "b", "c"]],
    "principles": NO_TEXTS,
    "required_temperature": [-0.1, 2.1, "hot", True, [0.5], float("nan"), float("inf")],
}
BAD_OURS: dict[str, list[object]] = {
    "prompt_id": NO_TEXT,
    "model": NO_TEXT,
    "turns": [*NO_TEXTS, None, []],
    "token_ids": ["x", [[1]], [["x"], [1]], [[-1], [1]], [[True], [1]], [1, 2], {"x": 1}],
    "sample": [*NO_COUNT, None],
    "finished": ["x", [True], [1, 0], ["x", "y"], {"x": 1}],
    "n_tokens": ["x", [1], [1, -1], [1, "x"], [1, True], {"x": 1}],
}
BAD_FASTCHAT: dict[str, list[object]] = {
    "question_id": NO_TEXT,
    "model_id": NO_TEXT,
    "choices": [None, [], "x", ["x"], [{}], [{"turns": "x"}], [{"turns": [1]}], [{"turns": []}]],
}
TABLES = [("q.jsonl", QUESTION, BAD_QUESTION), ("a.jsonl", OURS, BAD_OURS)]
TABLES += [("a.jsonl", FASTCHAT, BAD_FASTCHAT)]
CASES = [
    (name, good, field, bad)
    for name, good, table in TABLES
    for field, several in table.items()
    for bad in several
]


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    write_rows("q.jsonl", QUESTION)
    write_rows("a.jsonl", OURS)
    write_rows("b.jsonl", {**OURS, "model": "other"})
    return folder


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What `compare` says when it refuses the files."""
    asked = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"]
    assert cli.run(asked) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "hint: " in captured.err
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(("name", "good", "field", "bad"), CASES)
def test_a_spoilt_field_is_named_with_its_file_and_line(
    name: str,
    good: dict[str, Any],
    field: str,
    bad: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = {**good, **{key: 80 for key in ("question_id", "prompt_id") if key in good}}
    if "prompt_id" in other:
        other["prompt_id"] = "80"
    write_rows(name, other, {**good, field: bad})
    error = refused(capsys)
    assert f"{name}:2" in error
    assert f"`{field}`" in error or "`turns`" in error


@pytest.mark.parametrize(
    ("name", "good", "field"),
    [
        *(("q.jsonl", QUESTION, field) for field in ("question_id", "turns")),
        *(("a.jsonl", OURS, field) for field in ("prompt_id", "model", "turns")),
        *(("a.jsonl", FASTCHAT, field) for field in ("question_id", "model_id")),
    ],
)
def test_a_missing_field_is_named_with_its_file_and_line(
    name: str, good: dict[str, Any], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(name, {key: value for key, value in good.items() if key != field})
    error = refused(capsys)
    assert f"{name}:1" in error
    assert f"`{field}`" in error


@pytest.mark.parametrize("name", ["q.jsonl", "a.jsonl"])
@pytest.mark.parametrize(
    "content",
    [b'{"question_id": 81', b"[]\n", b"null\n", b'{"x": "\xff"}\n', b"", b"\n\n", b"[" * 100_000],
)
def test_a_broken_file_is_named(
    name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(content)
    assert name in refused(capsys)


@pytest.mark.parametrize("name", ["q.jsonl", "a.jsonl"])
def test_a_line_given_twice_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads(Path(name).read_text())
    write_rows(name, row, row)
    assert f"{name}:2" in refused(capsys)


def test_answers_to_other_questions_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows("a.jsonl", {**OURS, "prompt_id": "99"})
    error = refused(capsys)
    assert "answers 0 of 1 questions" in error
    assert "`81`" in error


def test_brackets_and_colons_of_a_name_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_rows("q.jsonl", {**QUESTION, "category": "[b]x", "principles": None})
    write_rows("a.jsonl", {**OURS, "model": "tied[/]"})
    write_rows("b.jsonl", {**OURS, "model": ":smile:"})
    asked = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"]
    assert cli.run([*asked, "--out", "run"]) == 0
    for command in (["show", "run"], ["ls", "runs"]):
        shown = capsys.readouterr().out
        assert "tied[/]" in shown
        assert cli.run(command) == 0
    assert cli.run(["show", "run"]) == 0
    shown = capsys.readouterr().out
    assert ":smile:" in shown
    assert "[b]x" in shown
