"""Figures of one contender at every k, from 1 to all samples: curves with bands, each k by itself.

A band is the table's own interval at each k (pointwise): at one k it covers the truth in 95%, at
all of them at once less often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from sami_eval.experiment.samples import Attempts, clusters_of
from sami_eval.stats.intervals import Array
from sami_eval.stats.passk import best_of_every_k, maj_at_every_k, pass_at_k, pass_hat_k
from sami_eval.stats.problems import mean_scores

EVERY: Final = 128  # up to here every k, from here on at steps of about a tenth
MOST_VOTES: Final = 256  # beyond, the votes at every k would take minutes: there is no curve
Point = tuple[int, float, float | None, float | None]  # k, the figure, both ends of its interval
Curves = Mapping[str, tuple[Point, ...]]
Estimated = Iterable[tuple[float, float | None, float | None]]  # each figure with its ends


def ks_of(n: int) -> list[int]:
    """The k of a curve of n samples."""
    steps = (round(1.1**i) for i in range(200) if 1.1**i <= n)
    return sorted({*range(1, min(n, EVERY) + 1), *steps, n})


def curves(of: Sequence[Attempts], estimated: Callable[[Array], Estimated] | None = None) -> Curves:
    """pass@k, maj@k, pass^k and the best of k at every k, each with its 95% interval.

    estimated: what makes estimates of scores, figures by problems; by default the table's.
    """
    ks = ks_of(min(len(one.answers) for one in of))

    def found(several: Sequence[Attempts], scores: Array) -> tuple[Point, ...]:
        made = estimated or partial(_estimated, clusters_of(several))
        rows = made(np.clip(scores, 0.0, 1.0))
        return tuple((k, *row) for k, row in zip(ks, rows, strict=True))

    every = {"pass_at_k": found(of, _right(of, ks, pass_at_k))}
    if max(len(one.answers) for one in of) <= MOST_VOTES:
        every["maj_at_k"] = found(of, _voted(of, ks))
    every["pass_hat_k"] = found(of, _right(of, ks, pass_hat_k))
    if rated := [one for one in of if one.known_rewards is not None]:
        every["best_of_k"] = found(rated, _best(rated, ks))
    return every


def _estimated(groups: Sequence[str] | None, scores: Array) -> Estimated:
    return zip(*(one.tolist() for one in mean_scores(scores, groups)), strict=True)


def _right(
    of: Sequence[Attempts], ks: Sequence[int], figure: Callable[[int, int, int], float]
) -> Array:
    """A figure of the samples that are right: (K, P), k by problems."""
    counts = [(len(one.answers), one.n_right) for one in of]
    at_each = {(n, c): [figure(n, c, k) for k in ks] for n, c in dict.fromkeys(counts)}
    return np.array([at_each[count] for count in counts]).T


def _voted(of: Sequence[Attempts], ks: Sequence[int]) -> Array:
    voted = [maj_at_every_k(one.answers, one.problem.gold) for one in of]
    return np.array([[votes[k - 1] for k in ks] for votes in voted]).T


def _best(rated: Sequence[Attempts], ks: Sequence[int]) -> Array:
    return np.array([best_of_every_k(one.known_rewards or (), one.right, ks) for one in rated]).T
