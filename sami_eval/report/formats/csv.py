"""A report's tables as CSV: every figure in full, an interval as its two ends."""

from __future__ import annotations

import csv as spreadsheet
import io
import re
from collections.abc import Iterator

from sami_eval.core.terminal import visible
from sami_eval.report.table import Cell, Lines, Report, Table, Value, exported

# What a spreadsheet takes for a formula; a plain number is one.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?\Z")
# What the values of a cell are called behind its column's name.
_PARTS = {1: ("",), 2: (" low", " high"), 3: ("", " low", " high")}


def csv(report: Report) -> str:
    """The tables; between several a blank line, and above each the lines that belong to it."""
    file = io.StringIO()
    writer = spreadsheet.writer(file, lineterminator="\n")
    ended = False
    for block in exported(report):
        writer.writerows([[]] * ended)
        writer.writerows(_rows(block))
        ended = isinstance(block, Table)
    return file.getvalue()


def _rows(block: Lines | Table) -> Iterator[list[Value]]:
    if isinstance(block, Lines):
        yield from ([_plain(text)] for text in block.texts)
        return
    rows = [row.cells for row in block.rows]
    widths = [
        max([1, *(len(cells[i].values) for cells in rows)]) for i in range(len(block.columns))
    ]
    heads = zip(block.columns, widths, strict=True)
    yield [_plain(column.name + part) for column, width in heads for part in _PARTS[width]]
    for cells in rows:
        full = (_padded(cell, width) for cell, width in zip(cells, widths, strict=True))
        yield [_plain(value) for values in full for value in values]


def _padded(cell: Cell, width: int) -> tuple[Value, ...]:
    """Its values, and nothing in the place of those it lacks."""
    return cell.values + (None,) * (width - len(cell.values))


def _plain(value: Value) -> Value:
    """The value; a text that a spreadsheet would take for a formula gets an apostrophe."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text
