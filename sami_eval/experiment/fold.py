"""Verdicts become outcomes: repeats, then the two orders, then the judges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from sami_eval.core.types import Order, Outcome, Verdict, Winner

Rule = Literal["conservative", "average"]
SeedOf = Mapping[str, int]  # training seed of each model of a contender that has several
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
        probability counts by it and not by its winner, in the mean of its repeats.
    An order without a verdict leaves a judge's turn out. A turn that was asked in one order only,
    when no turn was asked in both, counts by that order alone.
    """
    turns = by_turn(verdicts, seed_of or {})
    both = any(len(orders) == 2 for judges in turns.values() for orders in judges.values())
    outcomes = []
    for (prompt_id, turn, seeds), judges in turns.items():
        scores = [_of_judge(orders, both, rule) for orders in judges.values()]
        known = [score for score in scores if score is not None]
        if known:
            score = fmean(known) if rule == "average" else _plurality(known, tie=0.5)
            outcomes.append(Outcome(prompt_id, turn, score, seeds))
    return tuple(outcomes)


Orders = dict[Order | None, list[Verdict]]  # who was seen first -> repeats
Key = tuple[str, int, tuple[int, int]]  # prompt id, turn, seeds of a and b


def by_turn(verdicts: Iterable[Verdict], seed_of: SeedOf) -> dict[Key, dict[str, Orders]]:
    """The verdicts of each turn and pair of seeds, by judge and by who was seen first."""
    turns: dict[Key, dict[str, Orders]] = defaultdict(lambda: defaultdict(dict))
    for verdict in verdicts:
        seeds = seed_of.get(verdict.a, 0), seed_of.get(verdict.b, 0)
        orders = turns[verdict.prompt_id, verdict.turn, seeds][verdict.judge]
        orders.setdefault(verdict.first, []).append(verdict)
    return turns


def _of_judge(orders: Orders, both: bool, rule: Rule) -> float | None:
    scores = [majority(repeats, rule == "average") for repeats in orders.values()]
    known = [score for score in scores if score is not None]
    if len(known) < (2 if both else 1):
        return None
    if rule == "average":
        return fmean(known)
    return known[0] if len(set(known)) == 1 else 0.5


def majority(repeats: Sequence[Verdict], use_probabilities: bool = False) -> float | None:
    """What most of one order's repeats say, as a score of a; no majority is a tie.

    use_probabilities: instead the mean of the probabilities, where every repeat is one.
    """
    parsed = [verdict for verdict in repeats if verdict.winner is not None]
    if not parsed:
        return None
    # A difference of ratings is a score too, and no probability.
    scores = [v.score for v in parsed if v.score is not None and v.ratings is None]
    if use_probabilities and len(scores) == len(parsed):
        return fmean(scores)
    return _plurality([POINTS[v.winner] for v in parsed if v.winner is not None], tie=0.5)


def _plurality(values: Sequence[float], tie: float) -> float:
    (value, most), *others = Counter(values).most_common(2)
    return tie if others and others[0][1] == most else value


def by_question(outcomes: Iterable[Outcome]) -> dict[str, list[float]]:
    """Scores of each question, one a turn."""
    scores: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        scores[outcome.prompt_id].append(outcome.score)
    return dict(scores)


def by_seeds(outcomes: Iterable[Outcome]) -> dict[tuple[int, int], dict[str, list[float]]]:
    """Scores by the training seeds of both sides, then by question."""
    groups: dict[tuple[int, int], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.seeds].append(outcome)
    return {seeds: by_question(group) for seeds, group in groups.items()}
