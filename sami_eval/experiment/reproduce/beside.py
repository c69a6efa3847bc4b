"""Ours beside the published figure: what a difference says of it, in words."""

from __future__ import annotations

from collections.abc import Sequence


def words(
    a: str,
    b: str,
    value: float | None,
    interval: Sequence[float] | None,
    significant: bool,
    published: float | None,
    even: float,
    digits: int = 4,
    between: Sequence[float] | None = None,
) -> str:
    """What our figure says beside the published one.

    value, interval: of a against b; even: where neither is ahead, 0.5 for win rates, 0 for gains.
    published: None where the paper has no such figure; digits: those it is printed with.
    between: where it says no more than between which figures its own lie.
    """
    if value is None or interval is None:
        return "nothing can be said: no data"
    ahead = a if value > even else b
    found = f"{ahead} ahead" if significant else "no difference found"
    if published is None:
        return found if between is None else f"{found}; {_beside(value, interval, between)}"
    if round(published - even, digits) == 0:
        return f"{found}, where the paper had none" if significant else f"{found}, as in the paper"
    if significant:
        same = (value > even) == (published > even)
        return f"as published: {found}" if same else f"against the paper: {found}"
    inside = interval[0] <= published <= interval[1]
    return f"{found}; the paper's figure lies {'inside' if inside else 'outside'} our interval"


def _beside(value: float, interval: Sequence[float], between: Sequence[float]) -> str:
    low, high = between
    told = f"the paper's pairings lie in {low:.0%} to {high:.0%}"
    if low <= value <= high:
        return f"{told}, and so does ours"
    meets = interval[0] <= high and low <= interval[1]
    return f"{told}, {'inside' if meets else 'outside'} our interval"
