"""Win rate at equal length, after AlpacaEval's length control (Dubois et al. 2024, 2404.04475).

logit P(a beats b) = intercept + slope * tanh(difference / sd(difference)) + effect of the category

Style adds a column of its own form and with its own slope for each feature (headings, lists, bold,
code), the difference of its counts for that of lengths; the controlled rate then has all of them
at zero (arXiv 2404.04475 for length; LMSYS, "Does style matter?", 2024, for style).

The intercept is the models' effect; a tie is half a win. Category effects carry a ridge penalty (a
normal prior with standard deviation 2), the slope one so weak (standard deviation 4.5) that it only
keeps the slope finite: a stronger one pulls the rate back to the raw one where one side is nearly
always longer, which is where it matters. The intercept has none. The controlled win rate is the
mean prediction over all turns with the length difference set to zero. It is not AlpacaEval's
figure, whose model has an instruction's difficulty in it, from many models' annotations.

The interval: questions are reweighted by independent exponential draws (the Bayesian bootstrap,
Rubin 1981, Ann. Statist. 9), which refits the whole model, slope included; the spread of the
refitted log odds around the estimate's, back on the scale of rates, at Student's t. How far the
prediction at zero can be known depends on the turns where the other side is the longer one, so t
has as many degrees of freedom as there are such turns, of the column that has fewest (10 at least:
with fewer, `is_supported` is false, and the caller says so). The score interval of the refitted
rates is part of it: the log odds of ties only have no spread. benchmarks/length_coverage.py and
benchmarks/style_coverage.py measure the coverage.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from sami_eval.core.comparison import Estimate
from sami_eval.stats.intervals import Array, score_interval

RIDGE = 0.25  # of category effects
RIDGE_SLOPE = 0.05
UNKNOWN = Estimate(None, None)
FEWEST = 10  # turns where the side that is mostly shorter is not
N_DRAWS = 1_000
MOST_CATEGORIES = 40  # beyond, the terms outnumber what questions can say: they are left out
_CHUNK = 250  # replicates fitted together, until all of them stand
_ROOM = 1_000_000  # numbers at a time: of many turns, so many replicates' as are 8 MB
# Small matrices are multiplied by another kernel, whose last digits hang on all their columns.
_SMALL = 4_000


@dataclass(frozen=True, slots=True)
class Controlled:
    """The win rate of a at equal columns, and how much each of them sways the judge.

    effects: of each column, the log odds of a by which a difference far above the usual counts;
        None where it never differs.
    """

    rate: Estimate
    effects: tuple[Estimate, ...]


def length_controlled(
    scores: Sequence[float],
    questions: Sequence[Hashable],
    differences: Sequence[float],
    categories: Sequence[str],
    seed: int = 0,
    draws: int = N_DRAWS,
    weights: Sequence[float] | None = None,
) -> Estimate:
    """Win rate of a at zero length difference with its 95% interval; one entry a turn.

    differences: length of a minus length of b. weights: as how many turns each counts.
    Returns None for both where it cannot be fitted: no turn, or every turn won by one side.
    """
    return controlled(scores, questions, [differences], categories, seed, draws, weights).rate


def controlled(
    scores: Sequence[float],
    questions: Sequence[Hashable],
    columns: Sequence[Sequence[float]],
    categories: Sequence[str],
    seed: int = 0,
    draws: int = N_DRAWS,
    weights: Sequence[float] | None = None,
) -> Controlled:
    """As `length_controlled`, with any number of columns: of each, a's measure minus b's."""
    y = np.asarray(scores, float)
    if not len(y) or (y.min() == y.max() and y[0] in (0, 1)):
        return Controlled(UNKNOWN, (UNKNOWN,) * len(columns))
    n_columns = len(columns)
    design = _design([np.asarray(one, float) for one in columns], categories)
    cluster = _codes(questions)
    n = int(cluster.max()) + 1
    turns = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    products = _products(design)
    whole = _Weights(np.ones((1, n)), cluster, turns)
    start = _fit(design, products, y, whole, np.zeros((1, design.shape[1])), n_columns)
    rng, rates, slopes = np.random.default_rng(seed), [], []
    for first in range(0, draws, _CHUNK):
        drawn = rng.exponential(size=(min(_CHUNK, draws - first), n))
        drawn /= drawn.mean(axis=1, keepdims=True)
        chunk = _Weights(drawn, cluster, turns)
        fits = _fit(design, products, y, chunk, np.repeat(start, len(drawn), axis=0), n_columns)
        rates.append(_at_equal(design, chunk, fits, n_columns))
        slopes.append(fits[:, 1 : 1 + n_columns])
    value = float(_at_equal(design, whole, start, n_columns)[0])
    drawn, counts = np.concatenate(rates), np.bincount(cluster, turns).astype(float)
    rarest = min(map(_rarer, columns))
    rate = Estimate(value, _interval(value, drawn, counts, rarest))
    spreads = np.concatenate(slopes).std(0) * np.sqrt((n + 1) / n)
    known = [bool(np.asarray(one, float).std()) for one in columns]
    effects = [
        _effect(float(slope), float(spread), n) if varies else UNKNOWN
        for slope, spread, varies in zip(start[0, 1 : 1 + n_columns], spreads, known, strict=True)
    ]
    return Controlled(rate, tuple(effects))


def _effect(slope: float, spread: float, n: int) -> Estimate:
    from scipy.stats import t

    half = float(t.ppf(0.975, max(n - 1, 1))) * spread
    return Estimate(slope, (slope - half, slope + half))


def _interval(value: float, drawn: Array, counts: Array, rarer: int) -> tuple[float, float]:
    from scipy.stats import t

    # Normalised exponential weights spread n/(n + 1) as much as questions drawn anew do.
    paid = (len(counts) + 1) / len(counts)
    reach = float(t.ppf(0.975, max(rarer, FEWEST)))
    half = reach * float(_log_odds(drawn).std()) * np.sqrt(paid)
    middle = _log_odds(np.asarray(value))
    low, high = score_interval(np.asarray(value), np.asarray(drawn.var() * paid), counts, reach)
    ends = _logistic(middle - half), _logistic(middle + half)
    return min(float(low), float(ends[0])), max(float(high), float(ends[1]))


def _log_odds(rates: Array) -> Array:
    kept = np.clip(rates, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


def _rarer(differences: Sequence[float]) -> int:
    """Turns where the side that is mostly shorter is the longer one, or as long."""
    given = np.asarray(differences, float)
    return int(min((given >= 0).sum(), (given <= 0).sum()))


def is_supported(differences: Sequence[float]) -> bool:
    """Whether enough turns have the lengths the other way round to predict equal ones.

    Ten, or a quarter where there are fewer than forty: with fewer the rate is an extrapolation.
    """
    return _rarer(differences) >= min(FEWEST, len(differences) / 4)


def _codes(labels: Sequence[Hashable]) -> NDArray[np.intp]:
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.intp)


def _design(columns: Sequence[Array], categories: Sequence[str]) -> Array:
    """Columns: intercept, the normalised differences, one indicator a category."""
    slopes = [np.tanh(one / one.std()) if one.std() > 0 else np.zeros(len(one)) for one in columns]
    codes = _codes(categories)
    n_categories = int(codes.max()) + 1
    indicators = (
        np.eye(n_categories)[codes]
        if n_categories <= MOST_CATEGORIES
        else np.zeros((len(codes), 0))
    )
    return np.column_stack([np.ones(len(codes)), *slopes, indicators])


@dataclass(frozen=True, slots=True)
class _Weights:
    """What each turn counts in each replicate: a question's draw, times the turn's own weight.

    drawn: (replicate, question). cluster: the question of each turn.
    """

    drawn: Array
    cluster: NDArray[np.intp]
    turns: Array

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """The rows of a part of the replicates, and their weights (replicate, turn)."""
        n_parts = -(-self.drawn.shape[0] * len(self.turns) // _ROOM)
        # A single row is multiplied by another kernel than several are.
        n_rows = max(-(-self.drawn.shape[0] // n_parts), 2)
        for first in range(0, self.drawn.shape[0], n_rows):
            rows = slice(first, first + n_rows)
            weights = np.take(self.drawn[rows], self.cluster, axis=1)
            weights *= self.turns
            yield rows, weights


@dataclass(frozen=True, slots=True)
class _Products:
    """The products of every two columns of a design, each that differs and is not 0 once.

    columns: (turn, product). places: of each product in a square of columns; None: all are there.
    """

    columns: Array
    places: NDArray[np.intp] | None

    def sums(self, weights: Array) -> Array:
        """Their weighted sums over turns, as (replicate, product of any two)."""
        if self.places is None:
            return np.asarray(weights @ self.columns)
        if len(weights) > 1:
            return _placed(weights @ self.columns, self.places)
        # The last digits of a single row's hang on all columns, too.
        return np.asarray(weights @ np.ascontiguousarray(_placed(self.columns, self.places)))


def _placed(found: Array, places: NDArray[np.intp]) -> Array:
    padded = np.concatenate([found, np.zeros((len(found), 1))], axis=1)
    return np.asarray(padded[:, places])


def _products(design: Array) -> _Products:
    n = design.shape[1]
    if len(design) < _SMALL:
        return _Products((design[:, :, None] * design[:, None, :]).reshape(len(design), -1), None)
    kept: list[Array] = []
    seen: dict[bytes, int] = {}
    places = np.full((n, n), -1)
    for i, j in combinations_with_replacement(range(n), 2):
        column = design[:, i] * design[:, j]
        if column.any():
            place = seen.setdefault(column.tobytes(), len(kept))
            kept += [column] if place == len(kept) else []
            places[i, j] = places[j, i] = place
    return _Products(np.column_stack(kept), places.ravel())


def _fit(
    design: Array, products: _Products, y: Array, weights: _Weights, start: Array, n_slopes: int = 1
) -> Array:
    """Coefficients (replicate, column), one penalised fit a row of `weights`, by IRLS."""
    n_columns = design.shape[1]
    penalty = np.full(n_columns, RIDGE)
    penalty[0], penalty[1 : 1 + n_slopes] = 0.0, RIDGE_SLOPE
    coefficients = start.copy()
    for _ in range(25):
        sums = [
            _sums(design, products, y, of_part, coefficients[rows])
            for rows, of_part in weights.parts()
        ]
        gradient, curvature = (np.concatenate(several) for several in zip(*sums, strict=True))
        gradient -= penalty * coefficients
        hessian = curvature.reshape(-1, n_columns, n_columns) + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        coefficients += np.clip(step, -2, 2)  # a full Newton step overshoots far from the optimum
        if np.abs(step).max() < 1e-4:
            break
    return coefficients


def _sums(
    design: Array, products: _Products, y: Array, weights: Array, coefficients: Array
) -> tuple[Array, Array]:
    """Slope and curvature of the log-likelihood; in place, for new room takes most of the time."""
    means = _logistic(coefficients @ design.T)
    rest = y - means
    rest *= weights
    gradient = rest @ design
    np.subtract(1, means, out=rest)
    means *= weights
    means *= rest
    return gradient, products.sums(means)


def _logistic(x: Array) -> Array:
    half = np.asarray(x / 2)
    np.tanh(half, out=half)
    half += 1
    half *= 0.5
    return half


def _at_equal(design: Array, weights: _Weights, coefficients: Array, n_slopes: int) -> Array:
    level = design.copy()
    level[:, 1 : 1 + n_slopes] = 0.0
    rates = []
    for rows, of_part in weights.parts():
        predicted = _logistic(coefficients[rows] @ level.T)
        predicted *= of_part
        # Summed turn by turn, as they have always been: in another order the last digit differs.
        rates.append(predicted.sum(1) / np.asfortranarray(of_part).sum(1))
    return np.concatenate(rates)
