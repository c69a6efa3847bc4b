"""Names of others in exported tables: text to a spreadsheet, to Markdown and to LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from sami_eval.core.terminal import visible

# What a spreadsheet takes for a formula; a plain number is one.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?\Z")
_MARKDOWN = re.compile(r"[\\|`*\[\]~$]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<!\w)_|_(?!\w)")
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "−": "$-$", "<": "$<$", ">": "$>$", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
_LATEX_SIGN = re.compile(r"[\\~^&%$#_{}<>\[\]*–−]")


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; a text that a spreadsheet would take for a formula gets an apostrophe."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([map(_cell, row) for row in rows])
    return file.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def in_markdown(text: str) -> str:
    """A cell in which nothing is a mark, a tag or a link."""
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def in_latex(text: str) -> str:
    """A cell in which nothing is a command."""
    return _LATEX_SIGN.sub(lambda sign: _LATEX.get(sign[0], f"\\{sign[0]}"), one_line(text))


def one_line(text: str) -> str:
    """A text on one line: a row ends where the table says so."""
    return " ".join(visible(text).split("\n"))
