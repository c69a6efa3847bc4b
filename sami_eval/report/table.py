"""What a finished run says, before it has a form: lines, facts and tables of cells. Pure.

A kind of result makes a Report of its document, in its own module; every form (formats/) writes any
Report, and escapes what others wrote: nothing here does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure or text of a table.

    text: as a person reads it. values: as a program takes it: one, the two ends of an interval, or
        a figure and both ends. short: what a terminal has room for, where that is less.
    """

    text: str
    values: tuple[Value, ...]
    short: str | None = None


EMPTY = Cell("", (None,))


@dataclass(frozen=True, slots=True)
class Column:
    """Where the cells of one kind stand: words to the left, figures to the right.

    folds: words that may take several lines. once: a terminal leaves out what the row above says
        too. wide: a terminal has no room for it.
    """

    name: str
    short: str | None = None
    left: bool = False
    folds: bool = False
    once: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, one a column.

    heading: names the rows below it, whose own names say the same where there is room.
    """

    cells: tuple[Cell, ...]
    significant: bool = False
    total: bool = False
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Which columns a page draws as a dot and a whisker, and where its picture starts and ends.

    named: how many columns, the first, say what is drawn.
    """

    title: str
    value: int
    interval: int
    start: float = 0.0
    end: float = 1.0
    named: int = 1

    def placed(self, row: Row) -> tuple[float | None, ...]:
        """Low end, figure and high end, from 0 at the start to 1 at the end; None: not known."""
        low, high = row.cells[self.interval].values
        drawn = low, row.cells[self.value].values[0], high
        span = self.end - self.start
        return tuple((x - self.start) / span if isinstance(x, int | float) else None for x in drawn)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in sections, a rule between them. exported: stands in every form, not on screens alone.

    plot: of a page, beside the figures. name: what a page calls it, to who cannot see it.
    too_wide: a terminal has no room for any of it.
    """

    columns: tuple[Column, ...]
    sections: tuple[tuple[Row, ...], ...]
    exported: bool = True
    plot: Plot | None = None
    name: str = ""
    too_wide: bool = False

    @property
    def rows(self) -> Iterator[Row]:
        """Those of every section, without headings."""
        return (row for rows in self.sections for row in rows if not row.heading)


@dataclass(frozen=True, slots=True)
class Lines:
    """Texts, a line each. style: rich's. exported: stands above the table in every form."""

    texts: tuple[str, ...]
    style: str = ""
    exported: bool = False
    drawn: bool = False  # in characters, each in its place: never folded


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts of one whole, side by side: won, even and lost, between what stands at both ends.

    text: the same in words, for a form that draws nothing.
    """

    left: str
    parts: tuple[float, float, float]
    right: str
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars below one another, each from the same place."""

    rows: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels and texts in two columns."""

    rows: tuple[tuple[str, str], ...]


Block = Lines | Bars | Facts | Table
Report = Sequence[Sequence[Block]]  # paragraphs, a blank line between


def exported(report: Report) -> Iterator[Lines | Table]:
    """What of a report stands in files too; lines that follow one another are one block."""
    texts: tuple[str, ...] = ()
    for block in (block for paragraph in report for block in paragraph):
        if isinstance(block, Lines) and block.exported:
            texts += block.texts
        elif isinstance(block, Bars):
            texts += tuple(bar.text for bar in block.rows)
        elif isinstance(block, Table) and block.exported:
            if texts:
                yield Lines(texts)
            yield block
            texts = ()


def columns(first: str | Column, *others: str | Column) -> tuple[Column, ...]:
    """Columns by their names: the first of words, the others of figures."""
    names = [Column(first, left=True) if isinstance(first, str) else first, *others]
    return tuple(Column(one) if isinstance(one, str) else one for one in names)


def plain(names: Sequence[str], lines: Iterable[Sequence[Value]]) -> Table:
    """Values as they are, under their columns' names."""
    rows = (Row(tuple(Cell(str(one), (one,)) for one in line)) for line in lines)
    return Table(tuple(map(Column, names)), (tuple(rows),))


def said(*texts: str, style: str = "") -> Lines:
    """Lines on a screen."""
    return Lines(texts, style)
