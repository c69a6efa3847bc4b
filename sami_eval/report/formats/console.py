"""A report on the terminal, right at 80 columns; whoever prints it shows every text as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from sami_eval.report.table import Block, Cell, Facts, Lines, Report, Row, Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType

LABEL_WIDTH = 20


def render(report: Report) -> RenderableType:
    """Its paragraphs, a blank line between."""
    parts: list[RenderableType] = []
    for paragraph in report:
        parts += [Text()] * bool(parts)
        parts += [part for block in paragraph for part in _parts(block)]
    return Group(*parts)


def _parts(block: Block) -> Iterator[RenderableType]:
    match block:
        case Lines():
            yield from (Text(one, block.style, no_wrap=block.drawn) for one in block.texts)
        case Facts():
            yield _facts(block)
        case Table():
            yield _grid(block)


def _facts(facts: Facts) -> Grid:
    """Labels and texts in two columns; a long text folds under itself."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    for row in facts.rows:
        grid.add_row(*map(Text, row))
    return grid


def _grid(table: Table) -> Grid:
    """A table without a frame."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in table.columns:
        if not column.wide:
            place: JustifyMethod = "left" if column.left else "right"
            grid.add_column(column.short or column.name, justify=place, no_wrap=not column.folds)
    for rows in table.sections:
        above: tuple[Cell, ...] = ()
        for row in rows:
            style = "bold" if row.significant or row.total else None
            grid.add_row(*_shown(table, row, above), style=style)
            above = row.cells
        if rows:
            grid.add_section()
    return grid


def _shown(table: Table, row: Row, above: tuple[Cell, ...]) -> Iterator[str]:
    """A row's cells where there is room for them; above: the row before it in its section."""
    for i, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
        if not column.wide:
            again = column.once and above and above[i] == cell
            yield "" if again else cell.text if cell.short is None else cell.short
