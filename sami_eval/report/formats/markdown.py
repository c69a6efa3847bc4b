"""A report's tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sami_eval.core.terminal import visible
from sami_eval.report.table import Lines, Report, Table, exported

_MARKS = re.compile(r"[\\|`*\[\]~$]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<!\w)_|_(?!\w)")


def markdown(report: Report) -> str:
    """The lines that belong to its tables, and the tables."""
    return "\n".join(map(_block, exported(report)))


def _block(block: Lines | Table) -> str:
    if isinstance(block, Lines):
        return "  \n".join(map(_plain, block.texts)) + "\n"
    marks = ["---" if column.left else "---:" for column in block.columns]
    rows = [[_plain(cell.text) for cell in row.cells] for row in block.rows]
    lines = [[_plain(column.name) for column in block.columns], marks, *rows]
    return "".join(map(_line, lines))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _plain(text: str) -> str:
    """A text on one line in which nothing is a mark, a tag or a link."""
    return _MARKS.sub(r"\\\g<0>", " ".join(visible(text).split("\n")))
