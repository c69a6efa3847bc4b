"""One figure a problem: its mean, and the difference of two models on the same problems.

The problem is the unit, or the cluster where problems are made from one template: a template's
problems are then kept together, in the variance and in the test. A mean of scores in [0, 1] has
the score interval of `intervals.py`; what makes pass@k of one problem uncertain, its own n samples
included, is in the scatter over problems.

A difference d of two models has Student's interval with a quarter of an imaginary problem, of the
largest difference seen, added to the sum of squares. Without it differences on a handful of
problems give an interval that is too narrow, and none at all a width of zero; where none is seen
the imaginary one is a whole point, and the interval reaches some 1/n.
benchmarks/passk_coverage.py measures the coverage of both.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from sami_eval.core.comparison import Estimate
from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import Array, cluster_variance, estimate, score_interval
from sami_eval.stats.power import Gains, found_by, needed
from sami_eval.stats.tests import N_DRAWS, sampled_flip_p, sign_flip_tails

IMAGINARY = 0.25  # problems of the largest difference


@dataclass(frozen=True, slots=True)
class Difference:
    """What b gains over a on the same problems.

    p_value: of "no difference"; exact where the differences lie on a lattice of 1/scale.
    problems_needed: from which on power stays at 80% if `value` were the true one; None at 0.
    detectable: the smallest difference that this many problems find with 80% power.
    """

    value: float
    interval: tuple[float, float]
    p_value: float
    problems_needed: int | None
    detectable: float
    n_problems: int


Clusters = Sequence[Hashable] | None  # of each problem; None: every problem is one of its own


def _grouped(values: Array, clusters: Clusters) -> tuple[Array, Array]:
    """Sum and number of the values of each cluster."""
    if clusters is None:
        return values, np.ones(len(values))
    codes: dict[Hashable, int] = {}
    places = np.array([codes.setdefault(one, len(codes)) for one in clusters], dtype=np.intp)
    sums = np.asarray(np.bincount(places, values), float)
    return sums, np.asarray(np.bincount(places), float)


def _levelled(values: Array, clusters: Clusters) -> Array:
    """A value a cluster: their mean is the mean of all, their scatter the linearised one."""
    sums, counts = _grouped(values, clusters)
    middle = values.mean()
    return np.asarray(middle + (sums - counts * middle) / counts.mean())


def mean_score(scores: Sequence[float], clusters: Clusters = None) -> Estimate:
    """The mean of one score a problem, each in [0, 1], with its 95% interval."""
    values = np.asarray(scores, float)
    if not len(values):
        return Estimate(None, None)
    if not ((values >= 0) & (values <= 1)).all():  # catches NaN
        raise OutOfRangeError("a score is outside 0 to 1", "one score a problem")
    rate = float(values.mean())
    sums, counts = _grouped(values, clusters)
    variance = float(cluster_variance(sums, counts))
    return estimate(min(max(rate, 0.0), 1.0), variance, counts)


def mean_scores(scores: Array, clusters: Clusters = None) -> tuple[Array, Array, Array]:
    """`mean_score` of several figures at once: means, low and high ends.

    scores: (F, P), figures by problems, each in [0, 1].
    """
    rates = np.clip(scores.mean(-1), 0.0, 1.0)
    rows = [_grouped(one, clusters) for one in scores]
    variances = np.array([cluster_variance(sums, counts) for sums, counts in rows])
    return rates, *score_interval(rates, variances, rows[0][1])


def mean_amount(amounts: Sequence[float], clusters: Clusters = None) -> Estimate:
    """The mean of any one number a problem with Student's 95% interval; None for it below two."""
    if not len(amounts):
        return Estimate(None, None)
    values = _levelled(np.asarray(amounts, float), clusters)
    if len(values) == 1:
        return Estimate(float(values[0]), None)
    half = _student(len(values)) * float(values.std(ddof=1)) / sqrt(len(values))
    middle = float(values.mean())
    return Estimate(middle, (middle - half, middle + half))


def _student(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1))


def difference_interval(gains: Array) -> tuple[Array, Array]:
    """95% interval of the mean gain (module docstring); problems along the last axis."""
    n = gains.shape[-1]
    middle = gains.mean(-1)
    largest = np.abs(gains).max(-1)
    imagined = IMAGINARY * np.where(largest > 0, largest, 1.0) ** 2
    squares = ((gains - middle[..., None]) ** 2).sum(-1) + imagined
    half = _student(max(n, 2)) * np.sqrt(squares / max(n - 1, 1) / n)
    return np.maximum(middle - half, -1.0), np.minimum(middle + half, 1.0)


def difference(
    a: Sequence[float],
    b: Sequence[float],
    scale: int,
    seed: int = 0,
    draws: int = N_DRAWS,
    clusters: Clusters = None,
) -> Difference:
    """What b gains over a; a, b: one score in [0, 1] a problem, the same problems in order.

    scale: the scores are multiples of 1/scale where the test is to be exact.
    clusters: of each problem; the problems needed are then so many of such clusters.
    """
    if len(a) != len(b) or not len(a):
        raise OutOfRangeError(f"`{len(a)}` and `{len(b)}` problems", "the same problems, in order")
    gains = np.asarray(b, float) - np.asarray(a, float)
    level = _levelled(gains, clusters)
    low, high = difference_interval(level)
    needs = problems_needed(level)
    return Difference(
        float(gains.mean()),
        (float(low), float(high)),
        paired_p(_grouped(gains, clusters)[0], scale, seed, draws),
        None if needs is None else ceil(needs * len(gains) / len(level)),
        detectable_difference(level),
        len(gains),
    )


def paired_p(gains: NDArray[np.float64], scale: int, seed: int = 0, draws: int = N_DRAWS) -> float:
    """Two-sided sign-flip p of "no difference": exact on multiples of 1/scale, else drawn."""
    steps = np.rint(gains * scale)
    if np.abs(steps - gains * scale).max() < 1e-6:
        tails = sign_flip_tails([int(step) for step in steps])
        return max(float(tails[abs(int(steps.sum()))]), float_info.min)
    return sampled_flip_p(gains, seed, draws)


def problems_needed(gains: NDArray[np.float64]) -> int | None:
    """Problems from which on the test finds the observed mean gain in 80%, scatter as observed."""
    return needed(abs(float(gains.mean())), _gains(gains, 0.0))


def detectable_difference(gains: NDArray[np.float64]) -> float:
    """The smallest mean gain that so many problems find with 80% power, scatter as observed.

    1 where they find none: no test of fewer than 6 problems reaches 5%.
    """
    largest = float(np.abs(gains).max())
    # As in the interval: none seen is not none.
    scatter = _gains(gains, IMAGINARY * (largest if largest > 0 else 1.0) ** 2)
    found = found_by(len(gains), scatter, sqrt(scatter.spread))
    return 1.0 if found is None else found


def _gains(gains: NDArray[np.float64], imagined: float) -> Gains:
    """The scatter of gains, with an imagined sum of squares, as the power is reckoned from it."""
    squares = float((gains**2).sum()) + imagined
    decided = max(int((np.abs(gains) > 1e-9).sum()), 1)
    return Gains(squares / len(gains), sqrt(squares / decided))
