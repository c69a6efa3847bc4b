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
) -> str:
    """What our figure says beside the published one.

    value, interval: of a against b; even: where neither is ahead, 0.5 for win rates, 0 for gains.
    published: None where the paper has no such figure; digits: those it is printed with.
    """
    if value is None or interval is None:
        return "nothing can be said: no data"
    ahead = a if value > even else b
    found = f"{ahead} ahead" if significant else "no difference found"
    if published is None:
        return found
    if round(published - even, digits) == 0:
        return f"{found}, where the paper had none" if significant else f"{found}, as in the paper"
    if significant:
        same = (value > even) == (published > even)
        return f"as published: {found}" if same else f"against the paper: {found}"
    inside = interval[0] <= published <= interval[1]
    return f"{found}; the paper's figure lies {'inside' if inside else 'outside'} our interval"
