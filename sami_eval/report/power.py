"""How many questions an effect takes, or which effect so many questions find: figures and words."""

from __future__ import annotations

from dataclasses import dataclass

from sami_eval.core.errors import UsageError
from sami_eval.report.figures import interval_text


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked, and the answers; shares. None is not asked, or that there is none.

    pilot_interval: the true win rates that fit what was seen on so many questions.
    needed_range: the questions those need, fewest and most; no most where 50% is among them.
    """

    schema: str
    win_rate: float | None
    questions: int | None
    ties: float
    questions_needed: int | None
    detectable: float | None
    pilot_interval: tuple[float, float] | None
    needed_range: tuple[int, int | None] | None

    def __str__(self) -> str:
        return "\n".join([*_needed(self), *_smallest(self), *_as_pilot(self)])


MOST = 10**9  # of more questions no effect is too small for the figures that are shown


def _check(win_rate: float | None, questions: int | None, ties: float) -> None:
    for name, given in (("win_rate", win_rate), ("ties", ties)):
        if given is not None and not isinstance(given, int | float):
            raise UsageError(f"`{name}` is `{given!r}`", "a share from 0 to 1, such as 0.57")
    if questions is not None and (isinstance(questions, bool) or not isinstance(questions, int)):
        raise UsageError(f"`questions` is `{questions!r}`", "a whole number, such as 80")
    if questions is not None and questions > MOST:
        raise UsageError(f"`questions` is `{questions}`", f"at most {MOST:,}")
    if win_rate is None and questions is None:
        raise UsageError("nothing to compute", "sami-eval power --win-rate 0.57 --questions 80")
    if not 0 <= ties < 1:
        raise UsageError(f"`--ties` is `{ties}`", "a share from 0 to below 1")
    if win_rate is not None and not (0 < win_rate < 1 and ties / 2 <= win_rate <= 1 - ties / 2):
        raise UsageError(
            f"`--win-rate` is `{win_rate}`", f"a share between {ties / 2:g} and {1 - ties / 2:g}"
        )


def reckon(win_rate: float | None, questions: int | None, ties: float) -> Found:
    """What can be said. Raises UsageError where nothing is asked, and for what is no share."""
    from sami_eval.stats import detectable, questions_needed
    from sami_eval.stats.power import Gains, pilot_interval, range_of

    _check(win_rate, questions, ties)
    needed = None if win_rate is None else questions_needed(win_rate, ties=ties)
    smallest = None if questions is None else detectable(questions, ties=ties)
    seen = allows = None
    if win_rate is not None and questions is not None:
        seen = pilot_interval(win_rate, ties, questions)
        allows = range_of(seen, Gains((1 - ties) / 4), (1 - ties) / 2)
    schema = "sami-eval/power/1"
    return Found(schema, win_rate, questions, ties, needed, smallest, seen, allows)


def _at(found: Found) -> str:
    """What the figures are reckoned at."""
    ties = f", {found.ties:.0%} ties" if found.ties else ""
    return f"(one verdict a question{ties}, 80% power, 5% two-sided)"


def _needed(found: Found) -> list[str]:
    if found.win_rate is None:
        return []
    if found.questions_needed is None:
        return ["a win rate of 50% is no effect: no number of questions finds it"]
    needs = f"needs {found.questions_needed:,} questions or more"
    return [f"a true win rate of {found.win_rate:.1%} {needs} {_at(found)}"]


def _smallest(found: Found) -> list[str]:
    if found.questions is None:
        return []
    if found.detectable is None:
        return [f"{found.questions:,} questions find no win rate with 80% power {_at(found)}"]
    beyond = f"{0.5 - found.detectable:.1%} or {0.5 + found.detectable:.1%}"
    return [f"{found.questions:,} questions find a win rate beyond {beyond} {_at(found)}"]


def _as_pilot(found: Found) -> list[str]:
    if found.pilot_interval is None or found.needed_range is None:
        return []
    fewest, most = found.needed_range
    span = f"more than {fewest:,}" if most is None else f"{fewest:,} to {most:,}"
    return [
        f"were {found.win_rate:.1%} what {found.questions:,} questions showed, the true rate "
        f"could be anywhere in {interval_text(found.pilot_interval)}%: {span} questions"
    ]
