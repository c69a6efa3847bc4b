"""Cells by what they hold: a share, an interval, a name ..., as a person and a program take it."""

from __future__ import annotations

from collections.abc import Sequence

from sami_eval.report import figures
from sami_eval.report.table import Cell, Value


def text(words: str, width: int | None = None) -> Cell:
    """Words, on a terminal cut to a width."""
    return Cell(words, (words,), None if width is None else figures.shorten(words, width))


def pair(a: str, b: str, sign: str = ":", width: int = figures.NAME_WIDTH) -> Cell:
    """Two contenders."""
    full = f"{a} {sign} {b}"
    return Cell(full, (full,), f"{figures.shorten(a, width)} {sign} {figures.shorten(b, width)}")


def count(n: int) -> Cell:
    """How many."""
    return Cell(str(n), (n,))


def many(n: int | None, unknown: str = "-") -> Cell:
    """How many, in thousands."""
    return Cell(unknown if n is None else f"{n:,}", (n,))


def share(value: float | None) -> Cell:
    """A share as "55.6%"."""
    return Cell(figures.percent(value), (value,))


def interval(ends: Sequence[float] | None) -> Cell:
    """Its interval as "46.6-67.7"."""
    return Cell(figures.interval_text(ends), _ends(ends))


def _ends(ends: Sequence[float] | None) -> tuple[Value, Value]:
    return (None, None) if ends is None else (ends[0], ends[1])


def both(value: float | None, ends: Sequence[float] | None) -> Cell:
    """A share and its interval in one cell."""
    known = f"{figures.percent(value)} {figures.interval_text(ends)}"
    return Cell("-" if value is None else known, (value, *_ends(ends)))


def points(value: float | None) -> Cell:
    """A difference of shares as "+5.2" percentage points."""
    return Cell("-" if value is None else figures.points(value), (value,))


def points_interval(ends: Sequence[float]) -> Cell:
    """Its interval as "-1.0 to +11.4"."""
    return Cell(figures.points_interval(ends), _ends(ends))


def p_value(p: float | None) -> Cell:
    """A p-value as ".043"."""
    return Cell(figures.short_p(p), (p,))
