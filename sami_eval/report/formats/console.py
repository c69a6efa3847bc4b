"""A report on the terminal, right at 80 columns; whoever prints it shows every text as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from sami_eval.report.figures import shorten
from sami_eval.report.table import Bars, Block, Cell, Facts, Lines, Report, Row, Table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType

LABEL_WIDTH = 20
BAR_WIDTH, LEFT_WIDTH, RIGHT_WIDTH = 40, 18, 28
SHADES, LETTERS = "█▒░", "#=."  # of won, even and lost; where the encoding has no shades
COLORS = ("cyan", "", "magenta")


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
        case Bars():
            yield _Drawn(block)
        case Facts():
            yield _facts(block)
        case Table(too_wide=True):
            yield Text(f"{block.name}: too wide for a terminal (sami-eval show --html)")
        case Table():
            yield _grid(block)


class _Drawn:
    """Bars in the signs that the terminal's encoding has."""

    def __init__(self, bars: Bars) -> None:
        self.rows = bars.rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        signs = LETTERS if options.ascii_only else SHADES
        lefts = [shorten(bar.left, LEFT_WIDTH) for bar in self.rows]
        rights = [shorten(bar.right, RIGHT_WIDTH) for bar in self.rows]
        before = max(map(cell_len, lefts))
        room = options.max_width - before - max(map(cell_len, rights)) - 2
        for bar, left, right in zip(self.rows, lefts, rights, strict=True):
            runs = zip(signs, widths(bar.parts, min(room, BAR_WIDTH)), COLORS, strict=True)
            drawn = [(sign * n, color) for sign, n, color in runs]
            start = left + " " * (before - cell_len(left))
            yield Text.assemble(f"{start} ", *drawn, f" {right}", no_wrap=True)


def widths(parts: Sequence[float], width: int) -> list[int]:
    """Signs of each part of a bar; a part that is there has one at least."""
    found = [max(round(width * part / sum(parts)), part > 0) for part in parts]
    found[found.index(max(found))] += width - sum(found)
    return found


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
