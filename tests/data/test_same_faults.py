"""One fault is one fault: whatever file it stands in, it is refused with file and line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.spoilt import Way
from tests.spoilt_files import ANSWER, COMPARE, CONTRAST, PAIR, QUESTION, VERDICT


@dataclass(frozen=True)
class Reader:
    """A JSON Lines file: two good rows, where a row's id lies, and who reads it."""

    name: str
    rows: tuple[dict[str, Any], dict[str, Any]]
    way: Way
    command: list[str]


def asked(*flags: str) -> list[str]:
    return ["passk", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--dry-run", *flags]


def two(row: dict[str, Any], name: str, one: object, other: object) -> tuple[Any, Any]:
    return {**row, name: one}, {**row, name: other}


VOTE = {"model_a": "x", "model_b": "y", "winner": "model_a", "judge": "author", "turn": 1}
OURS = {"model": "a", "turns": ["2", "4"]}
FASTCHAT = {"model_id": "a", "choices": [{"turns": ["2", "4"]}]}
RATING = {"question_id": 81, "judge": ["m", "single-v1"], "score": 7, "turn": 1}
GSM8K = [{"question": f"{i}+1?", "answer": f"#### {i + 1}", "id": f"p{i}"} for i in (1, 2)]
REFERENCE = {"choices": [{"turns": ["2", "4"]}]}
SECOND = {**CONTRAST, "prompt": {"id": "82", "category": "math", "turns": ["2+2?"]}}
SECOND["responses"] = [{**ANSWER, "prompt_id": "82"}] * 2
READERS = [
    Reader("q.jsonl", two(QUESTION, "question_id", 81, "82"), ("question_id",), COMPARE),
    Reader("a.jsonl", two(OURS, "prompt_id", "81", 82), ("prompt_id",), COMPARE),
    Reader("a.jsonl", two(FASTCHAT, "question_id", 81, "82"), ("question_id",), COMPARE),
    Reader(
        "r.jsonl",
        two(REFERENCE, "question_id", 81, "82"),
        ("question_id",),
        [*COMPARE, "--references", "r.jsonl"],
    ),
    Reader("g.jsonl", (GSM8K[0], GSM8K[1]), ("id",), asked("--prompts", "g.jsonl")),
    Reader(
        "p.jsonl",
        (
            {"id": "1", "category": "math", "turns": ["1+1?"], "reference": ["2"]},
            {"id": "2", "category": "math", "turns": ["2+1?"], "reference": ["3"]},
        ),
        ("id",),
        asked("--prompts", "p.jsonl"),
    ),
    Reader(
        "votes.jsonl",
        two(VOTE, "question_id", 81, "82"),
        ("question_id",),
        ["agreement", "--votes", "votes.jsonl", "votes.jsonl"],
    ),
    Reader("v.jsonl", two(VERDICT, "prompt_id", "81", "82"), ("prompt_id",), ["show", "v.jsonl"]),
    Reader("pairs.jsonl", two(PAIR, "question_id", 81, "82"), ("question_id",), ["show"]),
    Reader("s.jsonl", two(RATING, "model", "x", "y"), ("question_id",), ["show"]),
    Reader(
        "contrasts.jsonl",
        (CONTRAST, SECOND),
        ("prompt", "id"),
        ["align", "sft", "--contrasts", "contrasts.jsonl", "--dry-run"],
    ),
]
STRICT = ("v.jsonl", "contrasts.jsonl")  # ours: an id is a text
NO_ID = [None, True, 1.5, float("nan"), 1e400, "", " ", "\u00a0", "a\nb", "a\tb", "\x1b[31m81"]
NO_ID += ["81\x00", "\u202e18", "81\u2028", [81], {"id": 81}]
NO_LINE = {
    "no object": b"[]",
    "no JSON": b'{"x": 1',
    "a null byte": b'{"x": "\x00"}',
    "bytes that are no text": b'{"x": "\xff"}',
    "a nest without end": b'{"x": ' + b"[" * 100_000,
    "a number without end": b'{"x": ' + b"9" * 5000 + b"}",
    "a field given twice": b'{"x": 1, "x": 1}',
}


def name_of(value: object) -> str:
    return f"{value.name}-{value.way[-1]}" if isinstance(value, Reader) else str(value)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    rows = [{**QUESTION, "question_id": number} for number in (81, 82)]
    Path("q.jsonl").write_bytes(lines(*rows))
    for model in "ab":
        rows = [{**OURS, "prompt_id": str(n), "model": model} for n in (81, 82)]
        Path(f"{model}.jsonl").write_bytes(lines(*rows))
    return tmp_path


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def with_id(row: dict[str, Any], way: Way, value: object) -> dict[str, Any]:
    first, *rest = way
    inner = with_id(row[first], tuple(rest), value) if rest else value  # type: ignore[index]
    return {**row, str(first): inner}


def run(reader: Reader, content: bytes, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    Path(reader.name).write_bytes(content)
    show = [*reader.command, reader.name] if reader.command == ["show"] else reader.command
    code = cli.run(show)
    return code, capsys.readouterr().err


def check_refused(
    reader: Reader, content: bytes, what: object, capsys: pytest.CaptureFixture[str]
) -> str:
    code, said = run(reader, content, capsys)
    assert code == 2, (what, said)
    assert said.startswith("error: "), what
    assert "Traceback" not in said, what
    assert f"{reader.name}:2" in said.replace("\n", ""), (what, said)
    assert said.partition("hint: ")[2].strip(), what
    assert said.replace("\n", "").isprintable(), what
    return said


@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_what_is_no_id_is_refused_in_every_file(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    good, other = reader.rows
    for bad in [*NO_ID, *([82] if reader.name in STRICT else [])]:
        content = lines(good, with_id(other, reader.way, bad))
        assert f"{reader.way[-1]}` is `" in check_refused(reader, content, bad, capsys), bad


@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_a_line_that_is_none_is_refused_in_every_file(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, line in NO_LINE.items():
        check_refused(reader, lines(reader.rows[0]) + line + b"\n", what, capsys)


@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_an_id_of_any_script_a_byte_order_mark_and_windows_line_ends_are_read(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    good, other = reader.rows
    several = [with_id(other, reader.way, value) for value in ("82", "frage/82", "質問 82")]
    for row in several if reader.way == ("id",) else [other]:
        content = lines(good, row).replace(b"\n", b"\r\n")
        code, said = run(reader, b"\xef\xbb\xbf" + content, capsys)
        assert code == 0, said
