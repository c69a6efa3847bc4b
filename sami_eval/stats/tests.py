"""Tests with the question as the unit: sign flips, Holm's correction, differing categories.

Under the null hypothesis of a comparison, renaming its two sides changes nothing; so each
question's sum of (score - 1/2) is as likely to have come with the other sign (Fisher 1935, The
Design of Experiments, section 21). With one decided turn a question this is the exact binomial
sign test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from sami_eval.stats.intervals import Array, Scores, totals

N_DRAWS = 10_000
_ROOM = 250_000  # scores at a time
# Up to so many questions every order is drawn question by question; beyond, it is only counted
# how many of each kind fall into a category, which is as likely, and takes as long for a million.
_FEW = 2_000
# Scores are halves or quarters; their means over up to three judges or seeds are twelfths.
_FINEST = 24


def sign_flip_tails(steps: Sequence[int]) -> Array:
    """Entry s is P(|sum of +-steps| >= s), every sign an independent fair coin; exact.

    Equal steps are a scaled binomial; the binomials of the different sizes are convolved.
    """
    distribution: Array = np.ones(1)
    for size, count in Counter(abs(step) for step in steps if step).items():
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = list(_fair_coins(count))
        distribution = np.asarray(np.convolve(distribution, spread), float)
    centre = len(distribution) // 2
    two_sided = distribution[centre:] * 2
    two_sided[0] = distribution[centre]
    return np.minimum(np.cumsum(two_sided[::-1])[::-1], 1.0)


def _fair_coins(n: int) -> Iterator[float]:
    ways = 1
    for heads in range(n + 1):
        yield ways / 2**n  # int / int is rounded correctly at any size
        ways = ways * (n - heads) // (heads + 1)


def sign_flip_p(scores_by_question: Scores, seed: int = 0, draws: int = N_DRAWS) -> float | None:
    """Two-sided p-value of "the win rate is 50%": the permutation test over questions.

    Exact where the scores lie on a lattice (halves, quarters, ...); else Monte Carlo with `seed`.
    None where there is no score; 1 where all questions are even.
    """
    sums, counts = totals(scores_by_question)
    if not len(sums):
        return None
    gains = sums - counts / 2
    for scale in range(1, _FINEST + 1):
        steps = np.rint(gains * scale)
        if np.abs(steps - gains * scale).max() < 1e-9:
            tails = sign_flip_tails([int(step) for step in steps])
            # Beyond 1,074 questions the smallest p is below the smallest float; it is never 0.
            return max(float(tails[abs(int(steps.sum()))]), float_info.min)
    return sampled_flip_p(gains, seed, draws)


def sampled_flip_p(gains: Array, seed: int, draws: int) -> float:
    """Two-sided sign-flip p of a zero mean, by `draws` draws of all signs."""
    rng = np.random.default_rng(seed)
    observed = abs(gains.sum()) - 1e-9 * np.abs(gains).sum()
    hits = 0
    for start in range(0, draws, 500):
        signs = rng.integers(0, 2, (min(500, draws - start), len(gains))) * 2.0 - 1
        hits += int((np.abs(signs @ gains) >= observed).sum())
    return (1 + hits) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the family-wise error (Holm 1979, Scand. J. Statist. 6)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def categories_p(
    scores_by_category: Mapping[str, Scores], seed: int = 0, draws: int = N_DRAWS
) -> float | None:
    """p-value of "all categories have the same win rate": questions permuted over categories.

    The statistic is the sum over categories of turns * (category's rate - overall rate)^2; p is
    (1 + hits) / (1 + draws). None with fewer than two categories that have a score.
    """
    parts = [part for part in map(totals, scores_by_category.values()) if len(part[0])]
    if len(parts) < 2:
        return None
    sums, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    sizes = [len(part[0]) for part in parts]
    residuals = sums - counts * (sums.sum() / counts.sum())
    squares = _by_category(residuals, sizes) ** 2 / _by_category(counts, sizes)
    observed = float(squares.sum()) * (1 - 1e-9) - 1e-12
    rng, hits = np.random.default_rng(seed), 0
    for found, turns in _permuted(residuals, counts, sizes, draws, rng):
        hits += int(((found**2 / turns).sum(-1) >= observed).sum())
    return (1 + hits) / (1 + draws)


def _by_category(rows: Array, sizes: Sequence[int]) -> Array:
    return np.asarray(np.add.reduceat(rows, np.cumsum([0, *sizes[:-1]]), axis=-1))


def _permuted(
    residuals: Array, counts: Array, sizes: Sequence[int], draws: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Residuals and turns of each category when questions are permuted, some draws at a time."""
    if len(counts) > _FEW:
        kinds, kind = np.unique(residuals + 1j * counts, return_inverse=True)
        if len(kinds) * len(sizes) <= len(counts):
            sums = _dealt(np.bincount(kind), sizes, draws, rng) @ kinds
            yield sums.real, sums.imag
            return
    # Where every question has as many turns, residuals themselves are shuffled: whatever lies in
    # a row, one seed draws the same orders.
    alone, turns = counts.min() == counts.max(), _by_category(counts, sizes)
    n_rows = max(min(500, _ROOM // len(counts)), 1)
    for start in range(0, draws, n_rows):
        row = residuals if alone else np.arange(len(counts))
        drawn = np.tile(row, (min(n_rows, draws - start), 1))
        for one in drawn:
            rng.shuffle(one)
        if not alone:
            turns, drawn = _by_category(counts[drawn], sizes), residuals[drawn]
        yield _by_category(drawn, sizes), turns


def _dealt(
    kinds: NDArray[np.int64], sizes: Sequence[int], draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How many of each kind each group gets, all dealt out at random: (draw, group, kind).

    kinds: how many there are. sizes: of the groups, which get all of them.
    """
    left = np.tile(kinds, (draws, 1))
    dealt = np.zeros((draws, len(sizes), len(kinds)), np.int64)
    for group, size in enumerate(sizes):
        room, others = np.full(draws, size), left.sum(1)
        for one in range(len(kinds)):
            others -= left[:, one]
            dealt[:, group, one] = rng.hypergeometric(left[:, one], others, room)
            room -= dealt[:, group, one]
        left -= dealt[:, group]
    return dealt
