"""A comparison that stops when it is decided: figures that hold wherever it stopped.

An interval or a p-value of a fixed number of questions does not: its place is taken by the
confidence sequence and by 1 over the largest e-value, or by none. Categories, judges and seeds are
descriptive."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sami_eval.core.comparison import Comparison, Estimate, Outcome, Tally
from sami_eval.core.types import Verdict
from sami_eval.experiment.compare_parts import Judgments, courses_of, most_turns
from sami_eval.experiment.compare_plan import ComparePlan
from sami_eval.experiment.comparison_rows import ComparisonRow, RankRow
from sami_eval.experiment.fold import fold
from sami_eval.experiment.stopping import FixedRow, Given, StoppingRow, allowed, given, stopping_row
from sami_eval.generate.contenders import Contender, games, seed_of

if TYPE_CHECKING:
    from sami_eval.stats.sequential import Course

K = TypeVar("K", bound=Hashable)


def stopped(
    plan: ComparePlan,
    sides: Sequence[Contender],
    scores: Judgments,
    comparisons: Sequence[Comparison],
) -> list[tuple[Comparison, StoppingRow]]:
    """The comparisons with figures that hold, and how far each went; all of them as they are where
    the run was to ask every question."""
    from sami_eval.stats.sequential import rule_of

    stopping, rule = scores.stopping, rule_of(len(plan.prompts))
    assert stopping is not None
    whole = stopping.main and set(stopping.asked.values()) == {rule.n}
    calls, cost_usd = _per_question(scores)
    found = []
    for (a, b), comparison, course in zip(
        plan.pairs(sides), comparisons, courses_of(plan, sides, scores), strict=True
    ):
        left = rule.n - stopping.asked[a.name, b.name]
        row = stopping_row(
            course,
            rule,
            stopping,
            plan.settings.seed,
            _fixed(comparison.total) if whole else None,
            None if calls is None else round(left * calls),
            None if cost_usd is None else left * cost_usd,
        )
        if stopping.main:
            judged = [v for x, y in games(a, b) for v in scores.by_pair[x.name, y.name]]
            comparison = _at_any_time(plan, (a, b), comparison, course, judged)
        found.append((comparison, row))
    return found


def _fixed(total: Tally) -> FixedRow:
    return {
        "win_rate": total.win_rate,
        "interval": None if total.interval is None else list(total.interval),
        "p_value": total.p_value,
        "p_adjusted": total.p_adjusted,
        "significant": total.significant,
    }


def _per_question(scores: Judgments) -> tuple[float | None, float | None]:
    """Calls, and USD, that a question of one pair took; None where nothing was called or paid."""
    assert scores.stopping is not None
    asked = sum(scores.stopping.asked.values())
    made = sum(len(one.calls.made) for one in scores.taken)
    every = made + sum(len(one.calls.stored) for one in scores.taken)
    costs = [one.cost_usd for one in scores.taken]
    if not every or not asked:
        return None, None
    known = sum(cost for cost in costs if cost) if None not in costs else 0.0
    return every / asked, known / made * every / asked if made and known else None


def _at_any_time(
    plan: ComparePlan,
    pair: tuple[Contender, Contender],
    comparison: Comparison,
    course: Course,
    judged: Sequence[Verdict],
) -> Comparison:
    n, most = len(plan.prompts), most_turns(plan, *pair)
    category = {prompt.id: prompt.category for prompt in plan.prompts}
    sizes = list(category.values())
    of_category = _grouped(comparison.outcomes, lambda one: category[one.prompt_id])
    by_category = {
        name: _described(tally, given(of_category.get(name, ())), sizes.count(name), most)
        for name, tally in comparison.by_category.items()
    }
    judges = {
        name: _described(tally, _of_judge(plan, pair, judged, name), n, most)
        for name, tally in comparison.judges.items()
    }
    total = comparison.total
    interval = None if total.win_rate is None else course.interval
    return replace(
        comparison,
        total=replace(
            _described(total, {}, n, most),
            interval=interval,
            p_value=course.p_value,
            p_adjusted=course.p_adjusted,
            significant=course.state == "decided",
        ),
        by_category=by_category,
        categories_p_value=None,
        length=replace(comparison.length, controlled=Estimate(None, None)),
        seeds=comparison.seeds
        and replace(
            comparison.seeds,
            win_rates={
                seeds: allowed(given(outcomes), n, most)
                for seeds, outcomes in _grouped(comparison.outcomes, lambda one: one.seeds).items()
            },
            questions_only=Estimate(total.win_rate, interval),
        ),
        judges=judges,
    )


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], K]) -> dict[K, list[Outcome]]:
    groups: dict[K, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(key(one), []).append(one)
    return groups


def _of_judge(
    plan: ComparePlan, pair: tuple[Contender, Contender], judged: Sequence[Verdict], name: str
) -> Given:
    own = [verdict for verdict in judged if verdict.judge == name]
    return given(fold(own, plan.rule, seed_of=seed_of(*pair)))


def _described(tally: Tally, scores: Given, n: int, most: int) -> Tally:
    """A tally of some of n questions without a test; its interval is a confidence sequence."""
    return replace(
        tally,
        interval=allowed(scores, n, most).interval,
        p_value=None,
        p_adjusted=None,
        significant=False,
        questions_needed=None,
        needed_range=None,
        detectable=None,
    )


def rank_at_any_time(ranking: Sequence[RankRow], rows: Sequence[ComparisonRow]) -> list[RankRow]:
    """A ranking whose neighbours are told apart by their own pair; strengths have no interval."""
    of_pair: Mapping[frozenset[str], ComparisonRow] = {
        frozenset((row["a"], row["b"])): row for row in rows
    }
    found: list[RankRow] = []
    for row, following in zip(ranking, [*ranking[1:], None], strict=True):
        pair = None if following is None else of_pair[frozenset((row["model"], following["model"]))]
        found.append(
            {
                **row,
                "interval": None,
                "p_next": None if pair is None else pair["p_adjusted"],
                "tied_with_next": pair is not None and not pair["significant"],
            }
        )
    return found
