"""Figures as texts: shares, intervals, p-values, and names that have to fit."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from rich.cells import cell_len

NAME_WIDTH = 11


def percent(share: float | None) -> str:
    """A share as "55.6%"; unknown as "-"."""
    return "-" if share is None else f"{100 * share:.1f}%"


def interval_text(interval: Sequence[float] | None) -> str:
    """A 95% interval as "46.6-67.7", in percent."""
    return "-" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}"


def p_text(p: float | None) -> str:
    """A p-value as "p = .043"; small ones as "p < .001"."""
    if p is None:
        return ""
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.3f}".replace("0.", ".") if p < 1 else "p = 1"


def short_p(p: float | None) -> str:
    """A p-value without its letter: ".043", "< .001"."""
    return p_text(p).removeprefix("p = ").removeprefix("p ")


def shorten(name: str, width: int = NAME_WIDTH) -> str:
    """A name cut in its middle: both the family and the ending stay readable.

    width: columns of a terminal, of which a Chinese or Japanese letter takes two.
    """
    if cell_len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{_begun(name, head)}…{_begun(name[::-1], width - 1 - head)[::-1]}"


def _begun(letters: str, width: int) -> str:
    """As many of the letters, from the first, as there is room for."""
    return letters[: bisect(list(accumulate(map(cell_len, letters))), width)]


def points(share: float) -> str:
    """A difference of shares in percentage points: "+5.2"."""
    return f"{100 * share:+.1f}"


def points_interval(interval: Sequence[float]) -> str:
    """Its interval: "-1.0 to +11.4"."""
    return f"{points(interval[0])} to {points(interval[1])}"
