"""A report's tables in LaTeX, each a float with its caption and label; needs booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sami_eval.core.terminal import visible
from sami_eval.report.table import Cell, Column, Lines, Report, Row, Table, exported

INTERVAL = "95% CI"  # a column of it joins the figure before it
NARROW = r"\small\setlength{\tabcolsep}{3pt}"  # ten columns fit a page
STAR = "$^{*}$"
_WRITTEN = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$",
    "…": r"\dots{}", "·": r"$\cdot$", "|": r"\textbar{}",
    "<": "$<$", ">": "$>$", "[": "{[}", "]": "{]}", "*": "{*}", "-": "-{}",
}  # fmt: skip
_SIGNS = re.compile(r"""[\\~^&%$#_{}<>\[\]*–−±×≤≥…·|]|-(?=-)""")
# A sign in front of a figure, not the hyphen of a name or of a span.
_SIGNED = re.compile(r"(?<![\w.})\]-])[+-]\d[\d,]*(?:\.\d+)?")


def latex(report: Report, about: str = "", command: str = "") -> str:
    """The tables, and as comments the lines that belong to them and the command.

    about: what every caption ends with: task, judge and n. Labels are tab:TASK-TABLE.
    """
    told = [f"% made by: {_one_line(command)}"] if command else []
    labels: set[str] = set()
    for one in exported(report):
        told.append(_lines(one) if isinstance(one, Lines) else _float(one, about, labels))
    return "\n".join(told)


def _lines(lines: Lines) -> str:
    return "\n".join(f"% {_one_line(text)}" for text in lines.texts)


def _float(table: Table, about: str, labels: set[str]) -> str:
    """A table with its caption above it, as a table has it."""
    body = _tabular(table)
    starred = f" {STAR} significant at 5\\%." if STAR in body else ""
    parts = [f"{_plain(one)}." for one in (_sentence(table.name), about) if one]
    head = [r"\begin{table}", r"\centering", NARROW]
    head.append(rf"\caption{{{' '.join(parts)}{starred}}}")
    label = rf"\label{{tab:{_label(table.name, about, labels)}}}"
    return "\n".join([*head, label, body, r"\end{table}"]) + "\n"


def _sentence(text: str) -> str:
    """The text as a sentence begins; pass@k stays pass@k."""
    is_word = text.partition(" ")[0].isalpha()
    return text[0].upper() + text[1:] if is_word else text


def _label(name: str, about: str, labels: set[str]) -> str:
    """A name for references that no other table of the file has."""
    words = re.sub("[^a-z0-9]+", "-", f"{about.partition(' ')[0]} {name}".lower()).strip("-")
    found, n = words, 2
    while found in labels:
        found, n = f"{words}-{n}", n + 1
    labels.add(found)
    return found


def _tabular(table: Table) -> str:
    """A rule between its sections; who is said once has some room above."""
    joined = [i for i, column in enumerate(table.columns) if i and column.name == INTERVAL]
    body = [_row(_heads(table.columns, joined))]
    for rows in table.sections:
        above: Row | None = None
        told: list[str] = []
        for row in (row for row in rows if not row.heading):
            again = above is not None and row.cells[0] == above.cells[0]
            if above is not None and table.columns[0].once and not again:
                told.append(r"\addlinespace")
            told.append(_row(_cells(table, row, above, joined)))
            above = row
        body += [r"\midrule", *told] if told else []
    kept = [column for i, column in enumerate(table.columns) if i not in joined]
    places = "".join("l" if column.left else "r" for column in kept)
    begin, end = rf"\begin{{tabular}}{{{places}}}", r"\end{tabular}"
    return "\n".join([begin, r"\toprule", *body, r"\bottomrule", end])


def _heads(columns: Iterable[Column], joined: list[int]) -> Iterator[str]:
    names = [column.name for column in columns]
    for i, name in enumerate(names):
        if i not in joined:
            yield _plain(f"{name} [{INTERVAL}]" if i + 1 in joined else name)


def _cells(table: Table, row: Row, above: Row | None, joined: list[int]) -> Iterator[str]:
    """A row's cells: intervals behind their figures, a star behind what is significant."""
    marked = table.plot.value if table.plot else 1
    for i, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
        if i in joined:
            continue
        again = column.once and above is not None and above.cells[i] == cell
        told = "" if again else _signed(cell)
        if i + 1 in joined and row.cells[i + 1].text not in ("", "-"):
            ends = _signed(row.cells[i + 1])
            told += f" {ends}" if ends.startswith("{[}") else f" {{[}}{ends}{{]}}"
        yield told + (STAR if row.significant and i == marked else "")


def _signed(cell: Cell) -> str:
    """A cell's text, the signs and the star of its figures as mathematics has them."""
    text = cell.text.removesuffix(" *")
    if isinstance(cell.values[0], str):
        return _plain(cell.text)
    parts = zip(_SIGNED.split(text), [*_SIGNED.findall(text), ""], strict=True)
    signed = (_plain(words) + (f"${figure}$" if figure else "") for words, figure in parts)
    return "".join(signed) + STAR * (text != cell.text)


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _plain(text: str) -> str:
    """A text in which nothing is a command."""
    return _SIGNS.sub(lambda sign: _WRITTEN.get(sign[0], f"\\{sign[0]}"), _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(visible(text).split("\n"))
