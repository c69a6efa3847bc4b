"""Shares as lines on one pair of axes, in plain characters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sami_eval.report.figures import shorten

if TYPE_CHECKING:
    from sami_eval.report.plots import Line

WIDTH, HEIGHT = 62, 12
MARKS = "●○▲△■□◆◇"
SEVERAL, LEVEL, WHISKER = "◎", "╌", "│"
EMPTY = (" ", LEVEL, WHISKER)  # what a mark may stand upon

Grid = list[list[str]]
Place = Callable[[float], int]


def drawn(
    title: str, lines: Sequence[Line], x_name: str, x_marks: Sequence[int], doubling: bool = False
) -> str:
    """Lines by their marks, intervals as whiskers; where marks meet there is a ring.

    x_marks: numbers of the axis, in order, its ends among them. doubling: on a logarithmic axis.
    """
    low, high = _ends(lines)
    at_x = _across(x_marks[0], x_marks[-1], doubling)

    def at_y(share: float) -> int:
        return round((high - min(max(share, low), high)) / (high - low) * HEIGHT)

    grid = [[" "] * WIDTH for _ in range(HEIGHT + 1)]
    for line in lines:
        _lay(grid, line, at_x, at_y)
    for i, line in enumerate(lines):
        for x, share in () if line.level else line.points:
            mark, row, column = MARKS[i % len(MARKS)], grid[at_y(share)], at_x(x)
            row[column] = mark if row[column] in (*EMPTY, mark) else SEVERAL
    texts = [f"{title}  {_legend(lines)}"]
    for y, cells in enumerate(grid):
        label = f"{100 * (high - (high - low) * y / HEIGHT):>5.0f}%" if y % 3 == 0 else " " * 6
        texts.append(f"{label} {'┤' if y % 3 == 0 else '│'}{''.join(cells)}".rstrip())
    texts.append(f"{' ' * 7}└{'─' * WIDTH}")
    texts.append(f"{' ' * 8}{_axis([(at_x(x), f'{x:,}') for x in x_marks], x_name)}")
    return "\n".join(texts)


def _ends(lines: Sequence[Line]) -> tuple[float, float]:
    """The lowest and the highest share that are drawn, in tens of percent."""
    known = [share for line in lines for _, share in line.points]
    known += [end for line in lines for _, *both in line.band for end in both]
    low, high = math.floor(10 * min(known)) / 10, math.ceil(10 * max(known)) / 10
    high = min(1.0, max(high, low + 0.1))
    return min(low, high - 0.1), high


def _across(first: float, last: float, doubling: bool) -> Place:
    place: Callable[[float], float] = math.log if doubling else float
    width = place(last) - place(first)
    return lambda x: round((place(x) - place(first)) / width * (WIDTH - 1)) if width else 0


def _lay(grid: Grid, line: Line, at_x: Place, at_y: Place) -> None:
    """A level from side to side, and whiskers, below all marks."""
    if line.level:
        row = grid[at_y(line.points[0][1])]
        row[:] = [LEVEL if cell == " " else cell for cell in row]
    for x, bottom, top in line.band:
        for row in grid[at_y(top) : at_y(bottom) + 1]:
            row[at_x(x)] = WHISKER


def _legend(lines: Sequence[Line]) -> str:
    """Which mark is whose, within the width of the plot."""
    width = max(6, 60 // len(lines) - 4)
    marks = [LEVEL if one.level else MARKS[i % len(MARKS)] for i, one in enumerate(lines)]
    told = [f"{mark} {shorten(one.label, width)}" for mark, one in zip(marks, lines, strict=True)]
    ring = sum(not one.level for one in lines) > 1 and len(lines) < 5
    return "  ".join([*told, *([f"{SEVERAL} several"] if ring else [])])


def _axis(marks: Sequence[tuple[int, str]], name: str) -> str:
    """The numbers that have room, the last one always."""
    cells = [" "] * (WIDTH + 3)
    last = len(marks) - 1
    free, end = 0, marks[-1][0]
    for i, (at, number) in enumerate(marks):
        text = f"{name}{number}" if i == 0 and last else number
        if i == last or (at >= free and at + len(text) < end):
            for j, character in enumerate(text[: len(cells) - at]):
                cells[at + j] = character
            free = at + len(text) + 1
    return "".join(cells).rstrip()
