"""Win rate at equal length, after AlpacaEval's length control (Dubois et al. 2024, 2404.04475).

logit P(a beats b) = intercept + slope * tanh(difference / sd(difference)) + effect of the category

The intercept is the models' effect; a tie is half a win. Slope and category effects carry a ridge
penalty (a normal prior with standard deviation 2), the intercept none. The controlled win rate is
the mean prediction over all turns with the length difference set to zero.

The interval: questions are reweighted by independent exponential draws (the Bayesian bootstrap,
Rubin 1981, Ann. Statist. 9), which refits the whole model, and the variance of the refitted rates
goes into the score interval. The fit's own standard error would leave out that the length effect
is estimated too, and percentiles would have no width when all is a tie.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from sami_eval.stats.intervals import Array, estimate
from sami_eval.types import Estimate

RIDGE = 0.25
N_DRAWS = 1_000
MOST_CATEGORIES = 40  # beyond, the terms outnumber what questions can say: they are left out
_CHUNK = 250  # replicates at a time: 250 x 5,000 turns are 10 MB


def length_controlled(
    scores: Sequence[float],
    questions: Sequence[Hashable],
    differences: Sequence[float],
    categories: Sequence[str],
    seed: int = 0,
    draws: int = N_DRAWS,
) -> Estimate:
    """Win rate of a at zero length difference with its 95% interval; one entry a turn.

    differences: length of a minus length of b.
    Returns None for both where it cannot be fitted: no turn, or every turn won by one side.
    """
    y = np.asarray(scores, float)
    if not len(y) or (y.min() == y.max() and y[0] in (0, 1)):
        return Estimate(None, None)
    design = _design(np.asarray(differences, float), categories)
    cluster = np.unique(_codes(questions), return_inverse=True)[1]
    n = int(cluster.max()) + 1
    start = _fit(design, y, np.ones((1, len(y))), np.zeros((1, design.shape[1])))
    rng, rates = np.random.default_rng(seed), []
    for first in range(0, draws, _CHUNK):
        weights = rng.exponential(size=(min(_CHUNK, draws - first), n))
        weights = (weights / weights.mean(axis=1, keepdims=True))[:, cluster]
        fits = _fit(design, y, weights, np.repeat(start, len(weights), axis=0))
        rates.append(_at_equal_length(design, weights, fits))
    # Normalised exponential weights spread n/(n + 1) as much as questions drawn anew do.
    variance = float(np.concatenate(rates).var()) * (n + 1) / n
    value = float(_at_equal_length(design, np.ones((1, len(y))), start)[0])
    return estimate(value, variance, np.bincount(cluster).astype(float))


def _codes(labels: Sequence[Hashable]) -> NDArray[np.intp]:
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.intp)


def _design(differences: Array, categories: Sequence[str]) -> Array:
    """Columns: intercept, normalised length difference, one indicator a category."""
    scale = differences.std()
    slope = np.tanh(differences / scale) if scale > 0 else np.zeros(len(differences))
    codes = _codes(categories)
    n_categories = int(codes.max()) + 1
    indicators = (
        np.eye(n_categories)[codes]
        if n_categories <= MOST_CATEGORIES
        else np.zeros((len(codes), 0))
    )
    return np.column_stack([np.ones(len(differences)), slope, indicators])


def _fit(design: Array, y: Array, weights: Array, start: Array) -> Array:
    """Coefficients (replicate, column), one penalised fit a row of `weights`, by IRLS."""
    n_columns = design.shape[1]
    penalty = np.full(n_columns, RIDGE)
    penalty[0] = 0.0
    products = (design[:, :, None] * design[:, None, :]).reshape(len(y), -1)
    coefficients = start.copy()
    for _ in range(25):
        means = _logistic(coefficients @ design.T)
        gradient = (weights * (y - means)) @ design - penalty * coefficients
        curvature = (weights * means * (1 - means)) @ products
        hessian = curvature.reshape(-1, n_columns, n_columns) + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        coefficients += np.clip(step, -2, 2)  # a full Newton step overshoots far from the optimum
        if np.abs(step).max() < 1e-4:
            break
    return coefficients


def _logistic(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _at_equal_length(design: Array, weights: Array, coefficients: Array) -> Array:
    level = design.copy()
    level[:, 1] = 0.0
    predicted = _logistic(coefficients @ level.T)
    return np.asarray((weights * predicted).sum(1) / weights.sum(1))
