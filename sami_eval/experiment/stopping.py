"""Asking no further than it takes: in a seeded order, by a rule fixed before the first question.

The rule is `stats/sequential.py`'s. It follows from the number of questions, and the order from
`--seed`: a run that was killed comes by the same looks again, and ends at the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict

from sami_eval.core.comparison import Estimate, Outcome

if TYPE_CHECKING:
    from sami_eval.stats.sequential import Course, Points, Rule

Planned = Literal["until decided", "all questions"]
Given = Mapping[str, tuple[float, float]]  # by question: points of a, and in how many turns


class FixedRow(TypedDict):
    """The test of all questions, beside the one by e-values."""

    win_rate: float | None
    interval: list[float] | None
    p_value: float | None
    p_adjusted: float | None
    significant: bool


class StoppingRow(TypedDict):
    """How far a comparison went and why it stopped (`Course`), and the rule (`Rule`).

    planned: what the first run of these settings was to ask. main: whether interval, p-value and
        significance beside it are of the e-values, too; else they are of all questions.
    e_values: [questions, e-value] at every look. calls_saved: to judges, at most; None where a
        program judges. cost_saved_usd: about; None where this run paid for nothing.
    fixed: the test of all questions, where all were asked and it is not the main one.
    """

    planned: Planned
    main: bool
    state: Literal["open", "decided", "hopeless", "all asked"]
    asked: int
    questions: int
    block: int
    alpha: float
    hopeless: float
    seed: int
    e_values: list[list[float]]
    p_value: float
    p_adjusted: float
    interval: list[float]
    calls_saved: int | None
    cost_saved_usd: float | None
    fixed: FixedRow | None


@dataclass(frozen=True, slots=True)
class Stopping:
    """What was planned, and how many questions each pair was asked, in their order.

    main: the run was to stop; else it goes on where an earlier one stopped.
    """

    planned: Planned
    main: bool
    asked: Mapping[tuple[str, str], int]


def in_order(ids: Iterable[str], seed: int) -> list[str]:
    """The order in which questions are asked: by chance, and the same in every run of this seed."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())


def given(outcomes: Iterable[Outcome]) -> Given:
    """What each question gave; a graded turn counts as often as it weighs."""
    found: dict[str, tuple[float, float]] = {}
    for one in outcomes:
        won, turns = found.get(one.prompt_id, (0.0, 0.0))
        found[one.prompt_id] = won + one.score * one.weight, turns + one.weight
    return found


def points(asked: Sequence[str], scores: Given, most: int) -> Points:
    """What each question gave, in order. most: the most turns that one can have."""
    import numpy as np

    from sami_eval.stats.sequential import Points

    each = np.array([scores.get(one, (0.0, 0.0)) for one in asked], float).reshape(-1, 2)
    return Points(each[:, 0], each[:, 1], most)


def allowed(scores: Given, n: int, most: int) -> Estimate:
    """The mean of scores with the confidence sequence's interval; n: questions at hand."""
    from sami_eval.stats.sequential import rates_allowed, rule_of

    if not scores:
        return Estimate(None, None)
    found = points(list(scores), scores, most)
    return Estimate(float(found.sums.sum() / found.counts.sum()), rates_allowed(found, rule_of(n)))


class Stops(Protocol):
    """What a command was asked of stopping, as far as the rule says it."""

    @property
    def until_decided(self) -> bool:
        """Whether it stops."""

    @property
    def seed(self) -> int:
        """Of the order."""

    @property
    def batch(self) -> bool:
        """Whether servers are asked by batch jobs."""

    @property
    def batch_file(self) -> bool:
        """Whether those are files that a person runs."""


def announced(n: int, settings: Stops, noun: str) -> str | None:
    """The rule, before the first question; None for a run that does not stop."""
    from sami_eval.stats.sequential import rule_of

    if not settings.until_decided:
        return None
    rule = rule_of(n)
    in_jobs = settings.batch or settings.batch_file
    return (
        f"until decided: looked at after every {rule.block} of {n} {noun}, in an order by seed "
        f"{settings.seed}; an e-value of {1 / rule.alpha:g} decides, a chance below "
        f"{rule.hopeless:.0%} gives up"
        + f"; batch jobs go block by block, up to {len(rule.looks)} one after another"
        * in_jobs
    )


def said(courses: Sequence[Course], rule: Rule) -> str:
    """How it stands, in one line."""
    n = max(course.asked for course in courses)
    states = [course.state for course in courses]
    if len(courses) == 1:
        return f"{n} of {rule.n} asked: e-value {courses[0].e_values[-1][1]:.2g}, {states[0]}"
    counts = (f"{states.count(one)} {one}" for one in dict.fromkeys(states))
    return f"{n} of {rule.n} asked: of {len(courses)} pairs {', '.join(counts)}"


def stopping_row(
    course: Course,
    rule: Rule,
    stopping: Stopping,
    seed: int,
    fixed: FixedRow | None = None,
    calls: int | None = None,
    cost_usd: float | None = None,
) -> StoppingRow:
    """A course in JSON. calls: those that were not needed; cost_usd: about what they cost."""
    return {
        "planned": stopping.planned,
        "main": stopping.main,
        "state": course.state,
        "asked": course.asked,
        "questions": rule.n,
        "block": rule.block,
        "alpha": rule.alpha,
        "hopeless": rule.hopeless,
        "seed": seed,
        "e_values": [[n, e_value] for n, e_value in course.e_values],
        "p_value": course.p_value,
        "p_adjusted": course.p_adjusted,
        "interval": list(course.interval),
        "calls_saved": calls,
        "cost_saved_usd": cost_usd,
        "fixed": fixed,
    }
