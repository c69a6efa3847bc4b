"""A report's tables in LaTeX; needs booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sami_eval.core.terminal import visible
from sami_eval.report.table import Lines, Report, Table, exported

_WRITTEN = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "−": "$-$", "<": "$<$", ">": "$>$", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
_SIGNS = re.compile(r"[\\~^&%$#_{}<>\[\]*–−]")


def latex(report: Report) -> str:
    """The lines that belong to its tables, as comments, and the tables."""
    return "\n".join(
        _lines(one) if isinstance(one, Lines) else _table(one) for one in exported(report)
    )


def _lines(lines: Lines) -> str:
    return "\n".join(f"% {_one_line(text)}" for text in lines.texts)


def _table(table: Table) -> str:
    """A rule between its sections."""
    body = [_row(column.name for column in table.columns)]
    for rows in table.sections:
        told = [_row(cell.text for cell in row.cells) for row in rows if not row.heading]
        body += [r"\midrule", *told] if told else []
    places = "".join("l" if column.left else "r" for column in table.columns)
    begin, end = rf"\begin{{tabular}}{{{places}}}", r"\end{tabular}"
    return "\n".join([begin, r"\toprule", *body, r"\bottomrule", end]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return " & ".join(map(_plain, cells)) + r" \\"


def _plain(text: str) -> str:
    """A text in which nothing is a command."""
    return _SIGNS.sub(lambda sign: _WRITTEN.get(sign[0], f"\\{sign[0]}"), _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(visible(text).split("\n"))
