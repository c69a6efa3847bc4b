"""pass@k against k in plain characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sami_eval.report.figures import shorten

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import PasskDocument

WIDTH, HEIGHT = 62, 12
MARKS = "●○▲△■□◆◇"


def curve(document: PasskDocument) -> str:
    """pass@k against k, k on a logarithmic axis, in plain characters."""
    rows = document["contenders"]
    n = document["samples"]
    values = [value for row in rows for _, value in row["curve"]]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    high = min(1.0, max(high, low + 0.1))
    low = min(low, high - 0.1)
    grid = [[" "] * WIDTH for _ in range(HEIGHT + 1)]
    for i, row in enumerate(rows):
        for k, value in row["curve"]:
            x = round(math.log(k) / math.log(n) * (WIDTH - 1)) if n > 1 else 0
            y = round((high - value) / (high - low) * HEIGHT)
            mark = MARKS[i % len(MARKS)]
            grid[y][x] = mark if grid[y][x] in (" ", mark) else "◎"
    lines = [f"pass@k  {_legend(document)}"]
    for y, cells in enumerate(grid):
        share = high - (high - low) * y / HEIGHT
        label = f"{100 * share:>5.0f}%" if y % 3 == 0 else " " * 6
        lines.append(f"{label} {'┤' if y % 3 == 0 else '│'}{''.join(cells)}".rstrip())
    lines.append(f"{' ' * 7}└{'─' * WIDTH}")
    lines.append(f"{' ' * 8}{_axis(n)}")
    return "\n".join(lines)


def _legend(document: PasskDocument) -> str:
    """Which mark is whose, within the width of the plot."""
    rows = document["contenders"]
    width = max(6, 60 // len(rows) - 4)
    marks = [f"{MARKS[i % len(MARKS)]} {shorten(r['name'], width)}" for i, r in enumerate(rows)]
    return "  ".join([*marks, *(["◎ several"] if len(rows) > 1 and len(rows) < 5 else [])])


def _axis(n: int) -> str:
    cells = [" "] * (WIDTH + 3)
    for k in [k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if k < n] + [n]:
        at = round(math.log(k) / math.log(n) * (WIDTH - 1)) if n > 1 else 0
        for j, character in enumerate(f"{'k = ' if k == 1 and n > 2 else ''}{k}"):
            if at + j < len(cells):
                cells[at + j] = character
    return "".join(cells).rstrip()
