"""A user's records: rows of JSON lines or of a JSON list, each held to a type.

What is wrong is told in one way: the field, what it is, the file and the line. A dataclass has the
fields of a format of ours and no others; a TypedDict those we read of a format of others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sami_eval.core.errors import UsageError
from sami_eval.core.files import lines_of, parse_json, read_text
from sami_eval.core.shape import UNKNOWN, MisfitError, fit

T = TypeVar("T")


def read_records(path: Path, kind: type[T], hint: str) -> Iterator[tuple[str, T]]:
    """The records of a JSON Lines file with their "FILE:LINE".

    Raises UsageError for the first that is none.
    """
    return ((where, record(row, kind, where, hint)) for where, row in read_lines(path, hint))


def read_lines(path: Path, hint: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON Lines file with their "FILE:LINE"; blank lines are passed over."""
    for number, line in enumerate(lines_of(path, hint), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = parse_json(line, hint, path, number)
        if not isinstance(row, dict):
            raise UsageError(f"`{line.strip()[:40]}` is not an object", hint, where)
        yield where, row


def read_list(path: Path, hint: str, of: str) -> list[tuple[str, Any]]:
    """The values of a JSON list with their "FILE:LINE". of: what it is a list of."""
    text = read_text(path, hint)
    rows = parse_json(text, hint, path)
    if not isinstance(rows, list):
        raise UsageError(f"not a list of {of}", hint, str(path))
    lines = _line_of_each(text, len(rows))
    return [(f"{path}:{line}", row) for line, row in zip(lines, rows, strict=True)]


def _line_of_each(text: str, n: int) -> Iterator[int]:
    """The line on which each value of a JSON list begins, in one pass."""
    decoder, between = json.JSONDecoder(), re.compile(r"[\s,]*")
    at, line = text.index("[") + 1, text.count("\n", 0, text.index("["))
    for _ in range(n):
        found = between.match(text, at)
        start = found.end() if found else at
        line += text.count("\n", at, start)
        yield line + 1
        end = decoder.raw_decode(text, start)[1]
        line += text.count("\n", start, end)
        at = end


def record(
    row: object, kind: type[T], where: str | Callable[[str], str], hint: str, said: str = ""
) -> T:
    """A row as the type has it. Raises UsageError for the first field that does not fit.

    where: "FILE:LINE", or what finds it by the field's name. said: what the row is, for the error.
    """
    try:
        return fit(row, kind)
    except MisfitError as error:
        wrong = f"`{error.name}` is {error.what}"
        if error.value is UNKNOWN:
            wrong = f"unknown field `{error.name}`"
        elif not error.name:
            wrong = f"{error.what} is not an object"
        at = where if isinstance(where, str) else where(error.name)
    raise UsageError(f"{said}{wrong}", hint, at)
