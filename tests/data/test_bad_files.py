"""Every field of every file beside questions and answers, spoilt in every way: one clear error."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.records import write_rows
from tests.spoilt import File, Way, text_of
from tests.spoilt_files import FILES, PAPER, QUESTION

# FastChat's, the paper's and GSM8K's.
OF_OTHERS = ("r.jsonl", "jp.jsonl", "p.json", "pairs.jsonl", "x_vs_y_verdicts.json", "g.jsonl")
FIELDS = [(file, way) for file in FILES for way in file.spoilt]


def name_of(value: object) -> str:
    if isinstance(value, File):
        return value.name
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)[:30]


def changed(row: Any, way: Way, change: Callable[[Any, Any], None]) -> Any:
    row = copy.deepcopy(row)
    place = row
    for step in way[:-1]:
        place = place[step]
    change(place, way[-1])
    return row


def with_value(row: Any, way: Way, value: object) -> Any:
    return changed(row, way, lambda place, name: place.__setitem__(name, value))


def without(row: Any, way: Way) -> Any:
    return changed(row, way, lambda place, name: place.__delitem__(name))


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    write_rows("q.jsonl", QUESTION)
    for model in "ab":
        row = {"prompt_id": "81", "model": model, "turns": [f"{model}: 2", "4"]}
        write_rows(f"{model}.jsonl", row)
    Path("p2.json").write_text(json.dumps(PAPER))
    return folder


def refused(file: File, capsys: pytest.CaptureFixture[str], anywhere: bool = False) -> str:
    """What the command says when it refuses the file, which it names with a line."""
    assert cli.run(file.command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("error: ") == 1
    assert captured.err.partition("hint: ")[2].strip()
    assert "Traceback" not in captured.err
    assert file.name + ("" if anywhere else ":") in captured.err
    return captured.err


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_good_file_is_read(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file.name).write_text(text_of(file, file.rows[0]))
    assert cli.run(file.command) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("file", "way"), FIELDS, ids=name_of)
def test_a_spoilt_field_is_named_with_its_file_and_line(
    file: File, way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    for bad in file.spoilt[way]:
        Path(file.name).write_text(text_of(file, with_value(file.rows[0], way, bad)))
        refused(file, capsys)


# A list without one of its places is a shorter list.
NAMED = [(file, way) for file, way in FIELDS if not isinstance(way[-1], int)]
TWICE = [(file, way) for file, way in NAMED if not file.name.endswith(".toml") or len(way) > 1]
OURS = [file for file in FILES if file.name not in OF_OTHERS]
NEEDED = [file for file in FILES if file.name != "sami-eval.toml"]  # no file says nothing as well
# One object; two contrasts on one prompt are two contrasts.
OF_ROWS = [file for file in FILES if not file.name.endswith((".json", "contrasts.jsonl"))]


@pytest.mark.parametrize(("file", "way"), NAMED, ids=name_of)
def test_a_missing_field_is_named_with_its_file_and_line(
    file: File, way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file.name).write_text(text_of(file, without(file.rows[0], way)))
    if way in file.optional:
        assert cli.run(file.command) == 0, capsys.readouterr().err
    else:
        refused(file, capsys, anywhere=file.name.endswith(".toml"))


@pytest.mark.parametrize(("file", "way"), TWICE, ids=name_of)
def test_a_field_given_twice_is_named_with_its_file_and_line(
    file: File, way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    name = way[-1]
    text = text_of(file, file.rows[0])
    field = f'"{name}": ' if file.name.endswith(("json", "jsonl")) else f'"{name}" = '
    twice = f'{field}"x", ' if ": " in field else f'{field}"x"\n'
    if field not in text:
        assert f"[{'.'.join(map(str, way))}]" in text
        field, twice = text, f"[{'.'.join(map(str, way))}]\n"
    Path(file.name).write_text(text.replace(field, twice + field, 1))
    refused(file, capsys)


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_an_unknown_field_of_a_strict_file_is_named(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    way: Way = ("principle", 0, "mood") if file.name == "c.toml" else ("mood",)
    Path(file.name).write_text(text_of(file, with_value(file.rows[0], way, "good")))
    assert "`mood`" in refused(file, capsys)


@pytest.mark.parametrize("file", FILES, ids=name_of)
@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[",
        b"[1",
        b"x",
        b'{"x": "\xff"}',
        b"\xff\xfe{",
        b"[" * 100_000,
        b'{"x": ' + b"9" * 5000 + b"}",
        b"\x00",
        b'"x"',
        b"3",
        b"null",
    ],
)
def test_a_broken_file_is_named(
    file: File, broken: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file.name).write_bytes(broken)
    refused(file, capsys, anywhere=True)


@pytest.mark.parametrize("file", NEEDED, ids=name_of)
def test_an_empty_file_a_folder_and_no_file_are_named(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(file.name)
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        path.write_bytes(content)
        refused(file, capsys, anywhere=True)
    path.unlink()
    refused(file, capsys, anywhere=True)
    path.mkdir()
    refused(file, capsys, anywhere=True)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_byte_order_mark_and_windows_line_ends_are_read(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    text = text_of(file, file.rows[0]).replace("\n", "\r\n")
    Path(file.name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert cli.run(file.command) == 0, capsys.readouterr().err


@pytest.mark.parametrize("file", OF_ROWS, ids=name_of)
def test_a_row_given_twice_is_named(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(file, file.rows[0])
    Path(file.name).write_text(text + text)
    refused(file, capsys)


@pytest.fixture
def run_folder(capsys: pytest.CaptureFixture[str]) -> Path:
    """A finished run of two records under the rules judge."""
    given = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules"]
    assert cli.run([*given, "-q", "--out", "run"]) == 0
    capsys.readouterr()
    return Path("run")


def refused_run(path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...] = ()) -> str:
    """What `show` says when it refuses a file of the run."""
    assert cli.run(["show", "run", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.partition("hint: ")[2].strip()
    assert str(path) in captured.err
    return captured.err


def test_every_spoilt_field_of_a_finished_run_is_named(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_folder / "comparison.json"
    good = json.loads(path.read_text())
    for name in good:
        for bad in ([3], {"x": [3]}, 1e400):
            if name in ("settings",) and isinstance(bad, dict):
                continue  # whatever was asked, kept as it was
            path.write_text(json.dumps({**good, name: bad}))
            refused_run(path, capsys)
    for name in ("schema", "task", "contenders", "comparisons", "ranking", "calls", "run"):
        path.write_text(json.dumps({key: value for key, value in good.items() if key != name}))
        assert f"`{name}`" in refused_run(path, capsys) or name == "schema"
    for name in good["comparisons"][0]:
        rows = [{**good["comparisons"][0], name: [[3]]}]
        path.write_text(json.dumps({**good, "comparisons": rows}))
        assert f"comparisons.0.{name}" in refused_run(path, capsys)


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("comparison.json", ()),
        ("verdicts.jsonl", ("--unparsed",)),
        ("verdicts.jsonl", ("--verdicts", "out.jsonl")),
        ("prompts.jsonl", ("--csv", "out.csv")),
    ],
)
def test_a_broken_file_of_a_finished_run_is_named(
    run_folder: Path,
    name: str,
    flags: tuple[str, ...],
    broken: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (run_folder / name).write_bytes(broken)
    refused_run(run_folder / name, capsys, flags)
