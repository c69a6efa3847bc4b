"""A result at a glance: its verdict in a sentence, a bar, and the figure it rests on. Pure.

Every kind of result makes one, in its own module, and every form and page begins with it.

| state               | where                                                                   |
|---------------------|-------------------------------------------------------------------------|
| better              | significant at 5%, after the correction in force                        |
| no difference found | not significant, and the 95% interval lies close to no difference       |
| undecided           | anything else; with the number needed, or that it is not known          |
| unknown             | nothing was judged, or no judgment has a verdict                        |
| measured            | there is nothing to compare it with                                     |
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sami_eval.report.table import Bar, Bars, Block, Lines

State = Literal["better", "no difference found", "undecided", "unknown", "measured"]


@dataclass(frozen=True, slots=True)
class Glance:
    """What a reader takes along who reads no further.

    verdict: one sentence. figure: the estimate with its interval and n. because: what the verdict
        rests on and what limits it, a sentence each.
    """

    state: State
    verdict: str
    figure: str
    because: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()


def blocks(found: Glance) -> list[Block]:
    """The first paragraph of a report."""
    return [
        Lines((found.verdict,), "bold", exported=True),
        *([Bars(found.bars)] if found.bars else ()),
        Lines((found.figure, *found.because), exported=True),
    ]


def state_of(
    significant: bool, interval: Sequence[float] | None, none: float, narrow: float
) -> State:
    """The state of one difference. none: its value where there is none; narrow: how close is."""
    if significant:
        return "better"
    if interval is None:
        return "undecided"
    low, high = interval
    close = none - narrow <= low <= none <= high <= none + narrow
    return "no difference found" if close else "undecided"


def overall(states: Collection[State]) -> State:
    """The state of several pairs: better where one is decided, else what all of them share."""
    if "better" in states:
        return "better"
    same = set(states)
    return same.pop() if len(same) == 1 else "undecided"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence: "a, b and c"; no more than so many."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
