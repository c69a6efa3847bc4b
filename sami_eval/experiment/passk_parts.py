"""What a pass@k run draws at once: all problems, or block by block until a difference is decided.

A problem's difference of pass@k, from -1 to 1, is a score from 0 to 1 of (1 + difference) / 2; that
their mean is one half is what the e-value is against. Contenders sample all that is asked of any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from sami_eval.core.calls import Completion
from sami_eval.core.comparison import Estimate
from sami_eval.experiment import runs
from sami_eval.experiment.best_of import BestOfRow
from sami_eval.experiment.curve import meeting
from sami_eval.experiment.envelope import Calls
from sami_eval.experiment.every_k import curves
from sami_eval.experiment.frame import Parts
from sami_eval.experiment.passk_document import (
    KIND,
    DifferenceRow,
    EstimateRow,
    PasskContender,
    every_k_row,
)
from sami_eval.experiment.passk_plan import PasskPlan
from sami_eval.experiment.plan import models_of
from sami_eval.experiment.samples import AT_K, Attempts, greedy_score
from sami_eval.experiment.stopping import (
    FixedRow,
    Stopping,
    allowed,
    in_order,
    points,
    said,
    stopping_row,
)
from sami_eval.generate.contenders import Contender
from sami_eval.generate.tools import Tools

if TYPE_CHECKING:
    from sami_eval.stats.intervals import Array
    from sami_eval.stats.sequential import Course


@dataclass(frozen=True, slots=True)
class Samples:
    """What was drawn. completions: in the order of `requests_of`, contender after contender.

    engines: what each contender answered by.
    """

    completions: Sequence[Completion]
    engines: Mapping[str, str]
    calls: Calls


@dataclass(frozen=True, slots=True)
class Tried:
    """Attempts by contender and problem.

    stopping: of a run that stops when it is decided, or goes on where one stopped.
    best_of: who chose among the samples.
    """

    attempts: Mapping[str, Sequence[Attempts]]
    stopping: Stopping | None = None
    best_of: BestOfRow | None = None


def parts(
    plan: PasskPlan, sides: Sequence[Contender], tools: Tools
) -> Parts[PasskPlan, Samples, Tried]:
    """All problems; or the next block, until every difference is decided or given up."""
    before = runs.planned(KIND.file, plan.settings.out, tools.config.root, plan.key(sides))
    names = meeting(models_of(sides))
    if not plan.settings.until_decided:
        drawn, tried = yield plan
        if before != "until decided":
            return drawn, tried
        asked = dict.fromkeys(names, len(plan.problems))
        return drawn, replace(tried, stopping=Stopping(before, False, asked))
    from sami_eval.stats.sequential import rule_of

    rule, order = rule_of(len(plan.problems)), order_of(plan)
    found: list[tuple[Samples, Tried]] = []
    for start, end in pairwise([0, *rule.looks]):
        block = frozenset(order[start:end])
        problems = tuple(one for one in plan.problems if one.prompt.id in block)
        found.append((yield replace(plan, problems=problems)))
        stopping = Stopping(before or "until decided", True, dict.fromkeys(names, end))
        drawn, tried = _joined(plan, found, stopping)
        courses = courses_of(plan, tried)
        tools.progress.say(said(courses, rule))
        if not any(course.state == "open" for course in courses):
            break
    return drawn, tried


def _joined(
    plan: PasskPlan, found: Sequence[tuple[Samples, Tried]], stopping: Stopping
) -> tuple[Samples, Tried]:
    """The parts as one, problems in the order of the plan. Completions stay in the attempts."""
    place = {one.prompt.id: i for i, one in enumerate(plan.problems)}
    calls: Calls = {
        "made": sum(drawn.calls["made"] for drawn, _ in found),
        "from_ledger": sum(drawn.calls["from_ledger"] for drawn, _ in found),
    }
    attempts = {
        name: sorted(
            (one for _, tried in found for one in tried.attempts[name]),
            key=lambda one: place[one.problem.prompt.id],
        )
        for name in found[0][1].attempts
    }
    return Samples((), found[0][0].engines, calls), Tried(attempts, stopping)


def order_of(plan: PasskPlan) -> list[str]:
    """The problems in the order in which they are asked."""
    return in_order([one.prompt.id for one in plan.problems], plan.settings.seed)


def _passed(plan: PasskPlan, tried: Tried) -> dict[str, dict[str, float]]:
    """pass@k of every problem asked, by contender and problem."""
    (k,) = plan.settings.ks
    return {
        name: {one.problem.prompt.id: one.pass_at(k) for one in of}
        for name, of in tried.attempts.items()
    }


def courses_of(plan: PasskPlan, tried: Tried) -> list[Course]:
    """How far each difference has come."""
    from sami_eval.stats.sequential import follow, rule_of

    assert tried.stopping is not None
    order, passed = order_of(plan), _passed(plan, tried)
    every = [
        points(
            order[:asked],
            {one: ((1 + passed[a][one] - passed[b][one]) / 2, 1.0) for one in order[:asked]},
            1,
        )
        for (a, b), asked in tried.stopping.asked.items()
    ]
    return follow(every, rule_of(len(plan.problems)))


def stopped(
    plan: PasskPlan,
    tried: Tried,
    contenders: list[PasskContender],
    differences: Sequence[DifferenceRow],
) -> tuple[list[PasskContender], list[DifferenceRow]]:
    """Figures that hold wherever a run stopped, and how far each difference went.

    A run that was to ask every problem keeps its own.
    """
    from sami_eval.stats.sequential import rule_of

    stopping, rule = tried.stopping, rule_of(len(plan.problems))
    assert stopping is not None
    order, passed, rows = order_of(plan), _passed(plan, tried), list[DifferenceRow]()
    for row, course in zip(differences, courses_of(plan, tried), strict=True):
        whole = stopping.main and stopping.asked[row["a"], row["b"]] == rule.n
        fixed = _fixed(row) if whole else None
        told = stopping_row(course, rule, stopping, plan.settings.seed, fixed)
        if stopping.main:
            gains = [passed[row["a"]][one] - passed[row["b"]][one] for one in order[: course.asked]]
            row = _at_any_time(row, course, fmean(gains))
        rows.append({**row, "stopping": told})
    if stopping.main:
        contenders = [_described(row, tried.attempts[row["name"]], rule.n) for row in contenders]
    return contenders, rows


def _fixed(row: DifferenceRow) -> FixedRow:
    return {
        "win_rate": row["value"],
        "interval": row["interval"],
        "p_value": row["p_value"],
        "p_adjusted": row["p_adjusted"],
        "significant": row["significant"],
    }


def _at_any_time(row: DifferenceRow, course: Course, value: float) -> DifferenceRow:
    return {
        **row,
        "value": value,
        "interval": [2 * end - 1 for end in course.interval],
        "p_value": course.p_value,
        "p_adjusted": course.p_adjusted,
        "significant": course.state == "decided",
        "problems_needed": None,
        "detectable": None,
    }


def _described(row: PasskContender, of: Sequence[Attempts], n: int) -> PasskContender:
    """A contender's figures with confidence sequences; n: problems at hand."""

    def again(found: EstimateRow, scores: Sequence[float]) -> EstimateRow:
        interval = sequence(scores).interval
        return {**found, "interval": None if interval is None else list(interval)}

    def sequence(scores: Sequence[float]) -> Estimate:
        return allowed({str(i): (score, 1.0) for i, score in enumerate(scores)}, n, 1)

    def at_every_k(figures: Array) -> Iterator[tuple[float, float | None, float | None]]:
        for scores in figures.tolist():
            found = sequence(scores)
            yield fmean(scores), *(found.interval or (None, None))

    def at_each(name: str, figures: Mapping[str, EstimateRow]) -> dict[str, EstimateRow]:
        scores = {k: [AT_K[name](one, int(k)) for one in of] for k in figures}
        return {k: again(found, scores[k]) for k, found in figures.items()}

    greedy = again(row["greedy"], [greedy_score(one) for one in of if one.greedy is not None])
    return {
        **row,
        "pass_at_k": at_each("pass_at_k", row["pass_at_k"]),
        "maj_at_k": at_each("maj_at_k", row["maj_at_k"]),
        "pass_hat_k": at_each("pass_hat_k", row["pass_hat_k"]),
        "g_pass_at_k": at_each("g_pass_at_k", row["g_pass_at_k"]),
        "mg_pass_at_k": at_each("mg_pass_at_k", row["mg_pass_at_k"]),
        "greedy": greedy,
        "by_category": {},
        "at_every_k": every_k_row(curves(of, at_every_k)),
    }
