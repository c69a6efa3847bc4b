"""Bradley-Terry strengths of contenders that were compared in pairs.

P(a beats b) = 1 / (1 + exp(strength_b - strength_a)); strengths sum to zero. A tie is half a win
to each side (Bradley and Terry 1952, Biometrika 39; the usual treatment of ties).

Every two contenders also get one imaginary question, half of it won by each (Jeffreys' prior for
a single pair). So strengths stay finite when one contender wins everything and comparable when
two never met.

Intervals: the Bayesian bootstrap over questions (Rubin 1981, Ann. Statist. 9). A question carries
one exponential weight in all pairs at once, which keeps what pairs on the same questions share,
and the halves of an imaginary question carry a gamma weight with shape 1/2; so a contender that
wins everything still has an interval with width. For two contenders with one decided turn a
question these are Jeffreys' intervals (Brown, Cai and DasGupta 2001, Statist. Sci. 16).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from sami_eval.core.comparison import Estimate
from sami_eval.stats.intervals import Array, questions
from sami_eval.stats.tests import holm

N_DRAWS = 2_000
_ROOM = 1_000_000  # weights at a time


@dataclass(frozen=True, slots=True)
class Standing:
    """A contender's place in the ranking.

    strength: log odds of beating an average contender, in nats.
    p_next: that the next in the ranking is as strong, two-sided, Holm-corrected over neighbours;
        None for the last.
    tied_with_next: the next cannot be told apart from it at 5%.
    """

    name: str
    strength: Estimate
    p_next: float | None
    tied_with_next: bool


def bradley_terry(
    scores_by_pair: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    seed: int = 0,
    draws: int = N_DRAWS,
) -> tuple[Standing, ...]:
    """The contenders from strongest to weakest, with 95% intervals.

    scores_by_pair: (a, b) -> question -> scores of a against b in [0, 1], one a turn.
    seed, draws: of the bootstrap. Strengths are in nats and sum to zero; None for whom nothing was
        scored, who stand last.
    Raises OutOfRangeError for a score outside [0, 1].
    """
    for scores in scores_by_pair.values():
        questions(scores)
    names = sorted({name for pair in scores_by_pair for name in pair})
    if not names:
        return ()
    points = _points(names, scores_by_pair)
    prior = _prior(points)
    strengths = _fit((points.sum(0) + prior / 2)[None])[0]
    rng = np.random.default_rng(seed)
    sums = np.concatenate(list(_weighed(points, draws, rng)))
    imaginary = rng.gamma(0.5, size=(draws, *prior.shape)) * prior
    drawn = _fit(sums + imaginary)
    judged = (points + points.swapaxes(1, 2)).sum((0, 2)) > 0
    order = sorted(range(len(names)), key=lambda i: (not judged[i], -strengths[i], names[i]))
    strengths[~judged] = np.nan  # the imaginary questions alone say nothing
    return _standings([names[i] for i in order], strengths[order], drawn[:, order])


def _weighed(points: Array, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    """Sums of the points under weights of the questions, some draws at a time: (draw, i, j)."""
    n_rows = max(_ROOM // max(len(points), 1), 2)  # a single row is multiplied by another kernel
    for first in range(0, draws, n_rows):
        weights = rng.exponential(size=(min(n_rows, draws - first), len(points)))
        yield np.asarray(np.tensordot(weights, points, axes=1))


def letters(names: Sequence[str], apart: Iterable[Collection[str]]) -> dict[str, str]:
    """Compact letters: two names share one exactly where they are not told apart.

    names: the first ones get the first letters. apart: the pairs that are.
    By insert and absorb (Piepho 2004, J. Comput. Graph. Stat. 13).
    """
    groups = [frozenset(names)]
    for a, b in apart:
        split = {
            part for one in groups for part in ((one - {a}, one - {b}) if {a, b} <= one else (one,))
        }
        groups = [one for one in split if not any(one < other for other in split)]
    groups.sort(key=lambda one: [i for i, name in enumerate(names) if name in one])
    signs = [*ascii_letters, *(f"({i})" for i in range(len(ascii_letters), len(groups)))]
    lettered = list(zip(signs, groups, strict=False))
    return {name: "".join(sign for sign, one in lettered if name in one) for name in names}


def _points(
    names: Sequence[str], scores_by_pair: Mapping[tuple[str, str], Mapping[str, Sequence[float]]]
) -> Array:
    """Entry [q, i, j]: points that i won from j on question q."""
    place = {name: i for i, name in enumerate(names)}
    row = {
        question: i
        for i, question in enumerate(
            dict.fromkeys(question for scores in scores_by_pair.values() for question in scores)
        )
    }
    points = np.zeros((len(row), len(names), len(names)))
    for (a, b), by_question in scores_by_pair.items():
        for question, scores in by_question.items():
            won = sum(scores)
            points[row[question], place[a], place[b]] += won
            points[row[question], place[b], place[a]] += len(scores) - won
    points[:, range(len(names)), range(len(names))] = 0  # a model against itself says nothing
    return points


def _prior(points: Array) -> Array:
    """Turns of the imaginary question of each pair: as many as a real one has."""
    turns = points + points.swapaxes(1, 2)
    asked = turns > 0
    mean = turns.sum() / asked.sum() if asked.any() else 1.0
    return np.asarray(mean * (1 - np.eye(points.shape[1])))


def _fit(points: Array) -> Array:
    """Strengths (replicate, contender) of maximal likelihood for points (replicate, i, j)."""
    n = points.shape[1]
    games = points + points.swapaxes(1, 2)
    strengths = np.zeros(points.shape[:2])
    for _ in range(100):
        expected = 0.5 * (1 + np.tanh((strengths[:, :, None] - strengths[:, None, :]) / 2))
        gradient = (points - games * expected).sum(2)
        weight = games * expected * (1 - expected)
        # The likelihood ignores a common shift: adding ones makes the Laplacian invertible
        # without moving the step.
        scale = weight.sum((1, 2))[:, None, None] / n**2 + 1e-12
        hessian = np.eye(n) * weight.sum(2)[:, :, None] - weight + scale
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        strengths += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(strengths - strengths.mean(1, keepdims=True))


def _standings(names: Sequence[str], strengths: Array, drawn: Array) -> tuple[Standing, ...]:
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    behind = (drawn[:, :-1] <= drawn[:, 1:]).sum(0)
    two_sided = [min(1.0, 2 * (1 + int(count)) / (1 + len(drawn))) for count in behind]
    p_next: list[float | None] = [*holm(two_sided), None]
    return tuple(
        Standing(
            name,
            Estimate(None, None)
            if np.isnan(strengths[i])
            else Estimate(float(strengths[i]), (float(low[i]), float(high[i]))),
            p,
            p is not None and p > 0.05,
        )
        for i, (name, p) in enumerate(zip(names, p_next, strict=True))
    )
