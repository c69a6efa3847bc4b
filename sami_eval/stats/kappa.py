"""Agreement beyond chance, with questions as clusters.

kappa = (o - e) / (1 - e)      o: observed agreement, e: the agreement chance alone would give

Two raters (Cohen 1960, Educational and Psychological Measurement 20): o is the share of items
with the same label, e = sum_k a_k b_k over each rater's own label shares. Two or more raters
(Fleiss 1971, Psychological Bulletin 76): o is the mean share of agreeing pairs of raters, e =
sum_k p_k^2 over all raters' label shares.

The variance is the linearised one of this ratio, label shares included, with the residuals of a
question's items summed before they are squared; with one item a question it is that of Fleiss,
Cohen and Everitt (1969, Psychological Bulletin 72). Put on the scale of o it gives o a score
interval (intervals.py), whose ends become kappas again: so full agreement of few questions is no
interval of width zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sami_eval.core.comparison import Estimate
from sami_eval.stats.intervals import Array, score_interval

Label = Hashable
Pair = tuple[Label, Label]
Items = Sequence[Sequence[Label]]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Observed and expected agreement, and each item's residual of them."""

    observed: float
    expected: float
    of_observed: Array
    of_expected: Array

    @property
    def kappa(self) -> float:
        return (self.observed - self.expected) / (1 - self.expected)


def cohen_kappa(pairs: Iterable[Pair]) -> float | None:
    """Cohen's kappa of two raters: a pair of labels an item, the first rater's first.

    None without items, and where both raters give one and the same label to all: chance alone
    would agree on everything, and kappa is 0/0.
    """
    return _kappa(_of_two(list(pairs)))


def fleiss_kappa(items: Iterable[Sequence[Label]]) -> float | None:
    """Fleiss' kappa: the labels of each item, in any order; items with one label are left out.

    An item's number of raters may differ; every item counts once. None as for `cohen_kappa`.
    """
    return _kappa(_of_several(list(items)))


def cohen_estimate(pairs_by_question: Mapping[str, Sequence[Pair]]) -> Estimate:
    """Cohen's kappa over all items, with its 95% interval; the question is the cluster."""
    return _estimate(pairs_by_question, _of_two)


def fleiss_estimate(items_by_question: Mapping[str, Items]) -> Estimate:
    """Fleiss' kappa over all items, with its 95% interval; the question is the cluster."""
    several = {
        question: [item for item in items if len(item) > 1]
        for question, items in items_by_question.items()
    }
    return _estimate(several, _of_several)


def _kappa(parts: _Parts | None) -> float | None:
    return None if parts is None else parts.kappa


def _of_two(pairs: Items) -> _Parts | None:
    n = len(pairs)
    first, second = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    # In whole numbers: a sum of shares that is 1 but for rounding would give any kappa.
    by_chance = sum(first[label] * second[label] for label in first)
    if by_chance == n * n:
        return None
    same = np.array([float(pair[0] == pair[1]) for pair in pairs])
    likely = np.array([(second[pair[0]] + first[pair[1]]) / n for pair in pairs])
    observed, expected = float(same.mean()), by_chance / n**2
    return _Parts(observed, expected, same - observed, likely - 2 * expected)


def _of_several(items: Items) -> _Parts | None:
    counts = [Counter(item) for item in items if len(item) > 1]
    labels = sorted({label for count in counts for label in count}, key=repr)
    if len(labels) < 2:
        return None
    table = np.array([[count[label] for label in labels] for count in counts], float)
    raters = table.sum(axis=1)
    agreeing = (table * (table - 1)).sum(axis=1) / (raters * (raters - 1))
    shares = table / raters[:, None]
    mean = shares.mean(axis=0)
    observed, expected = float(agreeing.mean()), float((mean**2).sum())
    return _Parts(observed, expected, agreeing - observed, 2 * (shares @ mean) - 2 * expected)


def _estimate(
    by_question: Mapping[str, Items], parts_of: Callable[[Items], _Parts | None]
) -> Estimate:
    groups = [items for items in by_question.values() if items]
    parts = parts_of([item for items in groups for item in items])
    if parts is None:
        return Estimate(None, None)
    counts = np.array([len(items) for items in groups], float)
    # d kappa times (1 - e): what a residual of e takes away grows with the disagreement.
    residuals = parts.of_observed - (1 - parts.kappa) * parts.of_expected
    starts = np.cumsum(counts)[:-1].astype(int)
    sums = np.array([part.sum() for part in np.split(residuals, starts)])
    variance = np.asarray((sums**2).sum() / counts.sum() ** 2)
    ends = score_interval(np.asarray(parts.observed), variance, counts)
    low, high = ((float(end) - parts.expected) / (1 - parts.expected) for end in ends)
    return Estimate(parts.kappa, (max(low, -1.0), high))
