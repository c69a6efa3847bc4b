"""The paper's response files: one JSON object of columns, each {"0": text, "1": text, ...}.

question, category and constitution say what was asked, response what came back; row 0 is
MT-Bench's question 81.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.files import bundled, parse_json, read_text, shown
from sami_eval.data.tasks import read_task_file

HINT = (
    'the paper\'s format is {"question": {"0": "..."}, "category": {"0": "..."}, '
    '"response": {"0": "..."}}, "constitution" beside them if you like'
)
FIRST_MTBENCH_ID = 81
_ASKED = ("question", "category")  # never empty; a model may well have said nothing
_ROW = re.compile("0|[1-9][0-9]{0,8}")
Columns = Mapping[str, Mapping[str, str]]


@functools.cache
def mtbench_categories() -> Mapping[str, str]:
    """The category of each of MT-Bench's questions, by its id."""
    task = read_task_file(bundled("tasks") / "mtbench_pairwise.yaml")
    several = [name for name, n in (task.categories or {}).items() for _ in range(n)]
    return {str(number): name for number, name in enumerate(several, FIRST_MTBENCH_ID)}


def read_columns(path: Path, needed: Sequence[str], also: Sequence[str] = ()) -> Columns:
    """The columns of these names, question id -> text, all with the rows of the first.

    also: columns that may be missing, whole or in some rows.
    Raises UsageError with file and line for a column or a text that is none.
    """
    text = read_text(path, HINT)
    data = parse_json(text, HINT, path)
    if not isinstance(data, dict):
        raise UsageError("not an object of columns", HINT, f"{path}:1")
    columns = {
        name: _column(data[name], name, text, path)
        for name in (*needed, *also)
        if (name in needed and name in data) or data.get(name, {}) not in ({}, None)
    }
    for name in needed:
        if name not in columns:
            raise UsageError(f"the file has no `{name}` object", HINT, f"{path}:1")
    first, *others = needed
    for name in others:
        apart = sorted(columns[first].keys() ^ columns[name].keys(), key=int)
        if apart:
            row = int(apart[0]) - FIRST_MTBENCH_ID
            lacking = name if apart[0] in columns[first] else first
            raise UsageError(f"`{lacking}` has no row `{row}`", HINT, _where(text, lacking, path))
    return columns


def _column(value: object, name: str, text: str, path: Path) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value:
        where = _where(text, name, path)
        raise UsageError(f"`{name}` is {shown(value)}, not an object of texts", HINT, where)
    rows: dict[str, str] = {}
    for number, one in value.items():
        if not _ROW.fullmatch(number):
            said = f"`{name}` has the row {shown(number)}, not 0, 1, ..."
            raise UsageError(said, HINT, _where(text, name, path, number))
        if not isinstance(one, str) or (name in _ASKED and not one.strip()):
            said = f"row {number} of `{name}` is {shown(one)}, not a text"
            raise UsageError(said, HINT, _where(text, name, path, number))
        rows[str(FIRST_MTBENCH_ID + int(number))] = one
    return rows


def _where(text: str, column: str, path: Path, row: str | None = None) -> str:
    """ "FILE:LINE" of a column, or of a row in it."""
    found = re.search(rf'"{re.escape(column)}"\s*:', text)
    start = found.end() if found else 0
    if found and row is not None:
        inside = re.compile(rf'"{re.escape(row)}"\s*:').search(text, start)
        start = inside.start() if inside else start
    return f"{path}:{text.count(chr(10), 0, start) + 1}"
