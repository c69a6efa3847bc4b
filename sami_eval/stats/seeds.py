"""Win rate over questions and training seeds, both of them samples.

Questions and seeds are crossed: every seed answers every question. The variance of the rate is
the sum of its linearised variances with questions, and with seeds, as clusters,

    V = V_questions + V_seeds,     V_seeds = S/(S-1) * sum_s (T_s - m_s p)^2 / M^2

which is what resampling both at once gives in expectation (Owen 2007, The pigeonhole bootstrap,
Annals of Applied Statistics 1); it counts the noise within a question and seed twice, so it errs
on the wide side. Two or three seeds say little about their own variance, so each part of V is
taken at its own critical value, as Cochran and Cox do for unequal variances (1957, Experimental
Designs, section 4.14):

    half-width^2 ~ z^2 V_questions + t_{S-1}^2 V_seeds

Seeds of both sides: where seed i of a is always met by seed i of b, the pair of seeds is one
draw. Where all seeds meet all, each side has a V_seeds of its own. benchmarks/seed_coverage.py
measures the coverage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from sami_eval.core.comparison import Estimate
from sami_eval.stats.intervals import (
    Array,
    Z,
    cluster_variance,
    effective_size,
    score_interval,
    totals,
)
from sami_eval.stats.tests import sign_flip_p

SeedPair = tuple[int, int]  # of a, of b
SeedScores = Mapping[SeedPair, Mapping[str, Sequence[float]]]


def is_paired(seeds: Iterable[SeedPair]) -> bool:
    """Whether every seed meets one seed of the other side only."""
    pairs = set(seeds)
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


@dataclass(frozen=True, slots=True)
class Part:
    """One source of variance; freedom: degrees of freedom of its estimate, None for many."""

    variance: float
    freedom: int | None


def win_rate_over_seeds(scores: SeedScores, seed: int = 0) -> tuple[Estimate, float | None]:
    """Mean score with an interval that covers questions and seeds, and the p-value of "50%".

    scores: by seeds of a and b, then by question. seed: of the permutation test's draws, if any.
    The interval contains the one of questions alone, and p is never below the permutation test's.
    """
    pooled = pool(scores)
    sums, counts = totals(pooled)
    if not len(sums):
        return Estimate(None, None), None
    rate = float(sums.sum() / counts.sum())
    parts = [Part(float(cluster_variance(sums, counts)), None), *_seed_parts(scores, rate)]
    variance = np.asarray(sum(part.variance for part in parts))
    low, high = score_interval(np.asarray(rate), variance, counts, _critical(parts, 0.05))
    size = float(effective_size(np.asarray(rate), variance, counts))
    p_value = _p_value(abs(rate - 0.5) * sqrt(4 * size), parts)
    of_questions = sign_flip_p(pooled, seed)
    return Estimate(rate, (float(low), float(high))), max(p_value, of_questions or 0.0)


def pool(scores: SeedScores) -> dict[str, list[float]]:
    """All scores of each question, seed after seed: the question stays one cluster."""
    pooled: dict[str, list[float]] = defaultdict(list)
    for by_question in scores.values():
        for question, several in by_question.items():
            pooled[question] += several
    return dict(pooled)


def _seed_parts(scores: SeedScores, rate: float) -> list[Part]:
    """A part for the pairs of seeds, or one for each side that has several."""
    known = {seeds: rows for seeds, rows in scores.items() if any(rows.values())}
    if is_paired(known):
        groups: list[list[Hashable]] = [list(known)]
    else:
        groups = [[a for a, _ in known], [b for _, b in known]]
    size = np.array([sum(map(len, rows.values())) for rows in known.values()], float)
    gain = np.array([sum(map(sum, rows.values())) for rows in known.values()], float) - rate * size
    # A side with one seed does not vary by seed.
    return [_part(labels, gain, size) for labels in groups if len(set(labels)) > 1]


def _part(labels: Sequence[Hashable], gain: Array, size: Array) -> Part:
    clusters: dict[Hashable, float] = defaultdict(float)
    for label, one in zip(labels, gain, strict=True):
        clusters[label] += float(one)
    n = len(clusters)
    squares = sum(one**2 for one in clusters.values())
    return Part(n / (n - 1) * squares / float(size.sum()) ** 2, n - 1)


def _critical(parts: Sequence[Part], alpha: float) -> float:
    """How many standard errors a two-sided interval at level 1 - alpha reaches."""
    from scipy.stats import t

    z = Z if alpha == 0.05 else NormalDist().inv_cdf(1 - alpha / 2)
    total = sum(part.variance for part in parts)
    if not total:
        return z
    reach = {
        n: z if n is None else float(t.ppf(1 - alpha / 2, n)) for n in {p.freedom for p in parts}
    }
    widths = (part.variance * reach[part.freedom] ** 2 for part in parts)
    return sqrt(sum(widths) / total)


def _p_value(distance: float, parts: Sequence[Part]) -> float:
    """The alpha at which the interval just reaches 50%; distance: in standard errors there."""
    low, high = 1e-15, 1.0
    if distance == 0:
        return 1.0
    for _ in range(60):
        middle = sqrt(low * high)
        low, high = (low, middle) if _critical(parts, middle) < distance else (middle, high)
    return high
