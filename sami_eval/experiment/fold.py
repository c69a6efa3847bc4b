"""Verdicts become outcomes: repeats, then the two orders, then the judges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import fsum, lcm
from statistics import fmean
from typing import Literal

from sami_eval.core.comparison import Outcome
from sami_eval.core.types import Order, Verdict, Winner

Rule = Literal["conservative", "average"]
SeedOf = Mapping[str, int]  # training seed of each model of a contender that has several
Weighed = tuple[float, float]  # a score of a, and as how many verdicts it counts
FINEST = 1000  # of a mean weight: repeats, orders and judges are few
POINTS: Mapping[Winner, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}


def fold(
    verdicts: Iterable[Verdict],
    rule: Rule = "conservative",
    *,
    seed_of: SeedOf | None = None,
) -> tuple[Outcome, ...]:
    """One outcome a turn and pair of training seeds.

    Repeats by majority, then the two orders by `rule`, then the judges.

    conservative: two orders that agree on a winner are a win; anything else is a tie (MT-Bench,
        arXiv 2306.05685, section 3.4). Judges by majority.
    average: the mean of the two orders, then the mean of the judges; a verdict that is a
        probability counts by it and not by its winner, in the mean of its repeats. A graded one
        counts as often as its grade says in every one of these means, and the turn as often as its
        verdicts do on average. With one repeat and one judge the rate is Arena-Hard's, the mean of
        all games with each strong verdict three times in it (lmarena/arena-hard-auto,
        show_result.py, load_judgments), where a turn without one of its games is left out too.
    An order without a verdict leaves a judge's turn out. A turn that a judge was asked in one order
    only, when it was asked none in both, counts by that order alone.
    """
    turns = by_turn(verdicts, seed_of or {})
    # Of an ensemble, one may be asked in both orders and another rate answers alone.
    each = (one for judges in turns.values() for one in judges.items())
    both = {judge for judge, orders in each if len(orders) == 2}
    outcomes = []
    for (prompt_id, turn, seeds), judges in turns.items():
        said = [_of_judge(orders, judge in both, rule) for judge, orders in judges.items()]
        known = [one for one in said if one is not None]
        if known:
            score, weight = _mean(known) if rule == "average" else _most(known)
            outcomes.append(Outcome(prompt_id, turn, score, seeds, weight))
    return tuple(outcomes)


Orders = dict[Order | None, list[Verdict]]  # who was seen first -> repeats
Key = tuple[str, int, tuple[int, int]]  # prompt id, turn, seeds of a and b
Turns = Mapping[Key, Mapping[str, Orders]]  # of each, by judge


def by_turn(verdicts: Iterable[Verdict], seed_of: SeedOf) -> dict[Key, dict[str, Orders]]:
    """The verdicts of each turn and pair of seeds, by judge and by who was seen first."""
    turns: dict[Key, dict[str, Orders]] = defaultdict(dict)
    one = (0, 0)  # most have no seeds, and need no pair of their own
    for verdict in verdicts:
        seeds = (seed_of.get(verdict.a, 0), seed_of.get(verdict.b, 0)) if seed_of else one
        judges = turns[verdict.prompt_id, verdict.turn, seeds]
        orders = judges.get(verdict.judge)
        if orders is None:
            orders = judges[verdict.judge] = {}
        if verdict.first in orders:
            orders[verdict.first].append(verdict)
        else:
            orders[verdict.first] = [verdict]
    return turns


def turns_of(verdicts: Iterable[Verdict], seed_of: SeedOf) -> set[tuple[object, ...]]:
    """The turns and pairs of seeds that `by_turn` has."""
    if not seed_of:
        return {(v.prompt_id, v.turn) for v in verdicts}
    return {(v.prompt_id, v.turn, seed_of.get(v.a, 0), seed_of.get(v.b, 0)) for v in verdicts}


def _of_judge(orders: Orders, both: bool, rule: Rule) -> Weighed | None:
    each = [_of_order(repeats, rule) for repeats in orders.values()]
    known = [one for one in each if one is not None]
    if len(known) < (2 if both else 1):
        return None
    if rule == "average":
        return _mean(known)
    return known[0] if len(set(known)) == 1 else (0.5, 1.0)


def _of_order(repeats: Sequence[Verdict], rule: Rule) -> Weighed | None:
    if len(repeats) == 1 and rule == "conservative":  # most are
        return None if repeats[0].winner is None else (POINTS[repeats[0].winner], 1.0)
    graded = [
        (POINTS[v.winner], float(v.grade))
        for v in repeats
        if v.winner is not None and v.grade is not None
    ]
    if rule == "average" and graded:
        return _mean(graded)
    score = majority(repeats, rule == "average")
    return None if score is None else (score, 1.0)


def _mean(several: Sequence[Weighed]) -> Weighed:
    """Their mean score, each as often as its weight says, and their mean weight."""
    weights = [weight for _, weight in several]
    return fsum(score * weight for score, weight in several) / fsum(weights), fmean(weights)


def _most(several: Sequence[Weighed]) -> Weighed:
    return _plurality([score for score, _ in several], tie=0.5), 1.0


def majority(repeats: Sequence[Verdict], use_probabilities: bool = False) -> float | None:
    """What most of one order's repeats say, as a score of a; no majority is a tie.

    use_probabilities: instead the mean of the probabilities, where every repeat is one.
    """
    parsed = [verdict for verdict in repeats if verdict.winner is not None]
    if len(parsed) == 1 and not use_probabilities:  # most have no repeats
        return POINTS[parsed[0].winner or "tie"]
    if not parsed:
        return None
    # A difference of ratings is a score too, and no probability.
    scores = [v.score for v in parsed if v.score is not None and v.ratings is None]
    if use_probabilities and len(scores) == len(parsed):
        return fmean(scores)
    return _plurality([POINTS[v.winner] for v in parsed if v.winner is not None], tie=0.5)


def _plurality(values: Sequence[float], tie: float) -> float:
    if len(values) == 1:
        return values[0]
    (value, most), *others = Counter(values).most_common(2)
    return tie if others and others[0][1] == most else value


def unit(outcomes: Iterable[Outcome]) -> int:
    """In how many parts a turn is counted, so that every weight is a whole number of them."""
    weights = {outcome.weight for outcome in outcomes}  # few, of however many turns
    return lcm(*(Fraction(weight).limit_denominator(FINEST).denominator for weight in weights))


def by_question(outcomes: Iterable[Outcome], parts: int | None = None) -> dict[str, list[float]]:
    """Scores of each question, one a turn, or as many as its weight says.

    parts: of a turn, as `unit` has them; of these outcomes alone where it is not given.
    """
    several = list(outcomes)
    parts = parts or unit(several)
    scores: dict[str, list[float]] = defaultdict(list)
    for outcome in several:
        scores[outcome.prompt_id] += [outcome.score] * round(outcome.weight * parts)
    return dict(scores)


def by_seeds(outcomes: Sequence[Outcome]) -> dict[tuple[int, int], dict[str, list[float]]]:
    """Scores by the training seeds of both sides, then by question."""
    groups: dict[tuple[int, int], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.seeds].append(outcome)
    parts = unit(outcomes)
    return {seeds: by_question(group, parts) for seeds, group in groups.items()}
