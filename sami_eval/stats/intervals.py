"""Score intervals of a mean of scores in [0, 1] whose questions are clusters.

rate       p    = sum of all scores / M          M turns of n questions
variance   v    = sum_i (T_i - m_i p)^2 / M^2    T_i, m_i: score and turns of question i
effect     d    = (R + K c) / (M p(1-p) + K)       c = sum m_i^2 / M
                                                   R = v M^2 (1 + (z^2 + 1)/(2n - 2) w)
                                                   K = z^2/8 (1 + (c - 1)/(1 + v M^2)^2)
size       n'   = M / d
interval   Wilson's for p out of n'; after three wins or fewer its lower end at most g(n'p)/n',
           after three losses or fewer its upper end at least 1 - g(n'(1-p))/n'

v is the linearised variance of a ratio over clusters (Kish 1965, Survey Sampling; Miller 2024,
arXiv 2411.00640, for evaluations), n' the effective sample size put into a binomial interval as
Korn and Graubard do (1998, Survey Methodology 24), the interval Wilson's (1927, JASA 22). d is
below 1 where ties or disagreeing turns make the rate steadier than coin flips.

Wilson's interval alone misses rates close to 0 or 1 after a single win or loss: at n = 80 it covers
.998 in 85% of all cases. So few wins, x = n'p of them, are also read as rare events, the mend of
Brown, Cai and DasGupta (2001, Statistical Science 16): g(x) is the mean at which x or more come up
in only 5% (Poisson; a gamma quantile, x need not be whole).

K is our own: where no spread is seen it adds z^2/2 (about 2) imaginary questions to the estimate
of d, half won and half lost with all their turns. Without it d is 0/0 when one side wins everything
and 0 when everything is a tie. With it n questions of ties only have a width of about 2.7/n: near
the rule of three, the 95% bound 3/n on the share of decided questions when none has been seen. The
more spread the questions show, the lighter the imaginary ones weigh, down to two decided turns: a
whole question of thirty votes would make ten such questions look as if all votes on each were one.
With one decided turn a question d is exactly 1.

w = (1 - 1/c) (1 - v M^2/(c M p(1-p))), at least 0, pays for what few questions say of how their
turns go together: Student's t for z, to first order. It is none where a question has one turn, or
all turns of each say the same. benchmarks/coverage.py measures the coverage of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sami_eval.core.comparison import Estimate
from sami_eval.stats.errors import OutOfRangeError

Array = NDArray[np.float64]
Scores = Mapping[str, Sequence[float]] | Sequence[Sequence[float]]

Z = 1.959963984540054  # 97.5% point of the normal distribution


def questions(scores_by_question: Scores) -> list[Sequence[float]]:
    """The scores of each question that has any, in order.

    Raises OutOfRangeError where a score is not in [0, 1].
    """
    rows = scores_by_question
    kept = [row for row in (rows.values() if isinstance(rows, Mapping) else rows) if len(row)]
    for row in kept:
        for score in row:
            if not 0 <= score <= 1:
                raise OutOfRangeError(f"`{score}` is not a score", "scores lie between 0 and 1")
    return kept


def totals(scores_by_question: Scores) -> tuple[Array, Array]:
    """Sum of scores and number of turns of each question that has any."""
    kept = questions(scores_by_question)
    return np.array([sum(row) for row in kept], float), np.array([len(row) for row in kept], float)


def cluster_variance(sums: Array, counts: Array) -> Array:
    """Variance of sum(sums)/sum(counts) with questions as clusters, along the last axis."""
    n_turns = counts.sum(-1)
    residuals = sums - (sums.sum(-1) / n_turns)[..., None] * counts
    return np.asarray((residuals**2).sum(-1) / n_turns**2)


def effective_size(rate: Array, variance: Array, counts: Array) -> Array:
    """The number of independent turns that are worth as much (n' of the module docstring)."""
    n_turns, n = counts.sum(-1), (counts > 0).sum(-1)
    size = (counts**2).sum(-1) / n_turns
    seen, binomial = variance * n_turns**2, n_turns * rate * (1 - rate)
    apart = np.clip(1 - seen / np.maximum(size * binomial, 1e-12), 0, 1) * (1 - 1 / size)
    paid = seen * (1 + (Z**2 + 1) / (2 * np.maximum(n - 1, 1)) * apart)
    prior = Z**2 / 8 * (1 + (size - 1) / (1 + seen) ** 2)
    return np.asarray(n_turns * (binomial + prior) / (paid + prior * size))


def score_interval(
    rate: Array, variance: Array, counts: Array, z: float = Z
) -> tuple[Array, Array]:
    """Wilson's interval at the effective sample size that `variance` gives (module docstring).

    rate, variance: of any one shape. counts: turns a question; questions along the last axis.
    z: how many standard errors wide, for another level or for a variance that is itself uncertain.
    """
    n = effective_size(rate, variance, counts)
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = np.minimum(centre - half, _rare(rate * n, z) / n)
    high = np.maximum(centre + half, 1 - _rare((1 - rate) * n, z) / n)
    return np.clip(low, 0, rate), np.clip(high, rate, 1)


def _rare(events: Array, z: float) -> Array:
    """The Poisson mean at which so many events or more are as rare as z says; g, for up to 3."""
    from scipy.special import gammaincinv, ndtr

    rare = gammaincinv(np.maximum(events, 1e-9), 2 * ndtr(-z))
    # Half way between whole numbers: rounding must not decide what three wins are.
    return np.asarray(np.where(events < 3.5, rare, events))


def estimate(rate: float, variance: float, counts: Array) -> Estimate:
    """A rate with the score interval that its variance over questions gives."""
    low, high = score_interval(np.asarray(rate), np.asarray(variance), counts)
    return Estimate(rate, (float(low), float(high)))


def win_rate(scores_by_question: Scores) -> Estimate:
    """Mean score of all turns with its 95% interval, questions as clusters.

    scores_by_question: one sequence of scores in [0, 1] a question (1 win, 0.5 tie, 0 loss), or a
        mapping from question to scores. Any proportion of yes (1) and no (0) will do as well.
    Returns None for both where there is no score. Raises OutOfRangeError for one outside [0, 1].
    """
    sums, counts = totals(scores_by_question)
    if not len(sums):
        return Estimate(None, None)
    rate = float(sums.sum() / counts.sum())
    return estimate(rate, float(cluster_variance(sums, counts)), counts)
