"""How many questions an effect needs, and which effect a number of questions can see.

The power of the test the tool really uses (tests.py). A question gains h, 0 or -h: it is decided
with probability s, and then won with probability q. Ties drop out of a sign-flip test, so among D
decided questions it is the exact sign test of D fair coins, which rejects with probability f(D),
and its power with n questions is

    P(n) = sum_D Binomial(D; n, s) f(D)

P rises in teeth: with one more question the exact test often keeps less of its 5%, and finds less.
`questions_needed` is the smallest n from which P never falls below the power asked, at any larger
n: 422 at 57%, where the textbook's normal approximation (Fleiss, Levin and Paik 2003, Statistical
Methods for Rates and Proportions, section 2.5) says 398 and the exact test has 77%. `detectable`
is the smallest effect that P(n) finds with these n. The test cannot reach 5% below 6 questions
(2/2^6 = .03): no answer is lower.

Several turns, and scores between: a turn's score has the spread u = E(score - 1/2)^2, which is
(1 - ties)/4 for wins and ties, and a question the second moment of its mean gain

    m = (u - e^2)/turns + e^2        e: win rate - 1/2; turns: the independent ones it is worth

s and h are set so that s h^2 = m and s h (2q - 1) = e: mean and spread of a question's gain are
kept, its finer steps are not, with which the real test keeps a little more of its 5%.
benchmarks/power.py draws questions and measures what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import Array, Scores, estimate, questions

NEAREST = 1e-9  # an effect below it is none
# Beyond so many decided questions the last tooth ends within 3/(2q - 1) of the approximation.
_FORMULA_FROM = 100_000
_BLOCK = 256  # sizes whose critical values are reckoned together, and once


@dataclass(frozen=True, slots=True)
class Gains:
    """What a question can gain: spread u and step h of the module docstring, and turns' worth."""

    spread: float
    step: float = 0.5
    turns: float = 1.0

    def at(self, effect: float) -> tuple[float, float]:
        """Probabilities of a decided question, and of winning one, at this effect."""
        moment = max(self.spread - effect**2, 0.0) / self.turns + effect**2
        # No step is so long that the effect would leave no room for it, none so short that more
        # than all questions would be decided.
        step = max(min(self.step, moment / effect), sqrt(moment))
        decided = min(moment / step**2, 1.0)
        return decided, min((1 + effect / (step * decided)) / 2, 1.0)


def independent_turns(turns: int, correlation: float) -> float:
    """What correlated turns are worth: turns / (1 + (turns - 1) correlation)."""
    if turns < 1:
        raise OutOfRangeError(f"`{turns}` turns a question", "give at least 1")
    if not 0 <= correlation <= 1:
        raise OutOfRangeError(f"correlation `{correlation}`", "give a number from 0 to 1")
    return turns / (1 + (turns - 1) * correlation)


def questions_needed(
    win_rate: float,
    *,
    ties: float = 0.0,
    turns: int = 1,
    correlation: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int | None:
    """Questions from which on a two-sided test at `alpha` keeps `power` at this true win rate.

    ties: share of tied turns. turns, correlation: turns a question and how alike their scores are.
    None at 50%: nothing to find. 57% without ties needs 422.
    Raises OutOfRangeError for a rate no such ties allow, and for what is no share.
    """
    _check(ties, alpha, power)
    if not 0 <= win_rate <= 1:
        raise OutOfRangeError(f"win rate `{win_rate}`", "give a number from 0 to 1, such as 0.57")
    effect = abs(win_rate - 0.5)
    if effect > (1 - ties) / 2 + 1e-12:
        raise OutOfRangeError(
            f"a win rate of `{win_rate}` cannot have `{ties}` ties", "a tie is half a win"
        )
    gains = Gains((1 - ties) / 4, turns=independent_turns(turns, correlation))
    return needed(effect, gains, alpha, power)


def _check(ties: float, alpha: float, power: float) -> None:
    if not 0 <= ties < 1:
        raise OutOfRangeError(f"ties `{ties}`", "give the share of tied turns, from 0 to below 1")
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise OutOfRangeError(f"{name} `{value}`", "give a number between 0 and 1")


def least_questions(alpha: float) -> int:
    """The fewest questions with which a sign-flip test can reach alpha."""
    return ceil(log2(2 / alpha))


def needed(effect: float, gains: Gains, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The smallest n with P(n') >= power for all n' >= n; None without an effect."""
    if effect < NEAREST:
        return None
    decided, won = gains.at(effect)
    least = least_questions(alpha)
    # In decided questions the teeth are about 1 / (2q - 1) long; eight of them reach past the last.
    bias = 2 * won - 1
    normal = (_normal_distance(bias, alpha, power) / bias) ** 2
    if normal > _FORMULA_FROM:
        return ceil((normal + 3 / bias) / decided)
    first = max(int((normal - 4 / bias - 40) / decided), least)
    last = int((normal + 8 / bias + 60) / decided)

    def keeps(n: int) -> bool:
        return float(power_at(np.array([n]), decided, won, alpha)[0]) >= power

    if first * decided * (1 - decided) > 25:  # so many ties smooth the teeth away
        return max(_first(keeps, first, last), least)
    found = power_at(np.arange(first, last + 1), decided, won, alpha) < power
    return max(first + int(np.flatnonzero(found)[-1]) + 1 if found.any() else first, least)


def _normal_distance(bias: float, alpha: float, power: float) -> float:
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    return z_alpha + z_power * sqrt(max(1 - bias**2, 0.0))


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first whole number from which a condition holds that, once held, holds on."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def power_at(n: NDArray[np.int64], decided: float, won: float, alpha: float) -> Array:
    """P(n) of the module docstring, for rising n."""
    if decided >= 1:
        return _rejected(n, won, alpha)
    spread = 9 * sqrt(float(n[-1]) * decided * (1 - decided)) + 9
    low = max(int(n[0] * decided - spread), 0)
    sizes = np.arange(low, min(int(n[-1] * decided + spread), int(n[-1])) + 1)
    rejected = _rejected(sizes, won, alpha)
    return np.array([float(_binomial(sizes, int(one), decided) @ rejected) for one in n])


def _binomial(k: NDArray[np.int64], n: int, share: float) -> Array:
    from scipy.special import gammaln

    inside = k <= n
    k = np.minimum(k, n)
    logs = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return np.where(inside, np.exp(logs + k * np.log(share) + (n - k) * np.log1p(-share)), 0.0)


def _rejected(sizes: NDArray[np.int64], won: float, alpha: float) -> Array:
    """How often the exact two-sided sign test of so many decided questions rejects (f)."""
    n = sizes.astype(float)
    blocks = range(int(sizes[0]) // _BLOCK, int(sizes[-1]) // _BLOCK + 1)
    known = np.concatenate([_most_losses(block, alpha) for block in blocks])
    k = known[sizes - blocks[0] * _BLOCK]
    return _below(k, n, 1 - won) + _below(k, n, won)


@lru_cache(maxsize=1_000)
def _most_losses(block: int, alpha: float) -> Array:
    """With how many losses or fewer of n decided questions the test rejects, for a block of n.

    The largest k with P(X <= k) <= alpha/2, -1 where there is none.
    """
    from scipy.special import bdtrik

    n = np.arange(block * _BLOCK, (block + 1) * _BLOCK).astype(float)
    k = np.floor(np.nan_to_num(bdtrik(alpha / 2, n, 0.5), nan=-1.0))
    k = np.where(_below(k + 1, n, 0.5) <= alpha / 2, k + 1, k)
    return np.where(_below(k, n, 0.5) > alpha / 2, k - 1, k)


def _below(k: Array, n: Array, share: float) -> Array:
    from scipy.special import bdtr

    found = bdtr(np.maximum(k, 0.0), n.astype(int), share)
    return np.where(k < 0, 0.0, found)


def detectable(
    n_questions: int,
    *,
    ties: float = 0.0,
    turns: int = 1,
    correlation: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float | None:
    """The smallest |win rate - 50%| that `n_questions` find with `power`; None where none is."""
    _check(ties, alpha, power)
    if n_questions < 1:
        raise OutOfRangeError(f"`{n_questions}` questions", "give at least 1")
    spread = (1 - ties) / 4
    gains = Gains(spread, turns=independent_turns(turns, correlation))
    return found_by(n_questions, gains, 2 * spread, alpha, power)


def found_by(
    n: int, gains: Gains, largest: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """The smallest effect that n questions find with `power`, None where not even the largest."""

    def is_seen(effect: float) -> bool:
        return bool(power_at(np.array([n]), *gains.at(effect), alpha)[0] >= power)

    if n < least_questions(alpha) or largest <= 0 or not is_seen(largest):
        return None
    low, high = 0.0, largest
    for _ in range(26):
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high


def power_of(scores_by_question: Scores) -> tuple[int | None, float | None]:
    """Questions needed for the observed win rate, and the effect this many questions can see.

    Both at 80% power and 5%, with the spread of the scores and the correlation of turns as
    observed: the mean of (score - 1/2)^2, and the variance of a turn over that of a question.
    """
    pilot = _pilot(scores_by_question)
    if pilot is None:
        return None, None
    needs = needed(abs(pilot.effect), pilot.gains)
    return needs, found_by(pilot.n_questions, pilot.gains, pilot.largest)


def needed_range(
    scores_by_question: Scores, interval: tuple[float, float] | None
) -> tuple[int, int | None] | None:
    """Questions needed at the ends of the win rate's own interval, the fewer first.

    The second is None where the interval holds 50%: there is no most. None without data.
    """
    pilot = _pilot(scores_by_question)
    if pilot is None or interval is None:
        return None
    return range_of(interval, pilot.gains, pilot.largest)


def pilot_interval(win_rate: float, ties: float, n_questions: int) -> tuple[float, float]:
    """The 95% interval of a win rate that so many questions of one verdict gave."""
    variance = max((1 - ties) / 4 - (win_rate - 0.5) ** 2, 0.0) / n_questions
    found = estimate(win_rate, variance, np.ones(n_questions)).interval
    assert found is not None
    return found


def range_of(
    interval: tuple[float, float], gains: Gains, largest: float
) -> tuple[int, int | None] | None:
    """What `needed` says at both ends of a win rate's interval; see `needed_range`."""
    low, high = (end - 0.5 for end in interval)
    near, far = sorted((abs(low), abs(high)))
    fewest = needed(min(far, largest), gains)
    if fewest is None:
        return None
    return fewest, None if low <= 0 <= high else needed(min(near, largest), gains)


@dataclass(frozen=True, slots=True)
class _Pilot:
    """What scores say of their effect, its sign kept, and of what a question can gain."""

    effect: float
    gains: Gains
    largest: float
    n_questions: int


def _pilot(scores_by_question: Scores) -> _Pilot | None:
    rows = questions(scores_by_question)
    if not rows:
        return None
    sums, counts = np.array([sum(row) for row in rows]), np.array([len(row) for row in rows])
    scores = np.concatenate([np.asarray(row, float) for row in rows])
    effect, spread = float(scores.mean()) - 0.5, float(((scores - 0.5) ** 2).mean())
    of_question = len(rows) * ((sums - scores.mean() * counts) ** 2).sum() / len(scores) ** 2
    mean_turns = len(scores) / len(rows)
    # Never more than the turns there are: a negative correlation is noise, not a promise. Never
    # less than turns that go together whole, which are worth one where all questions have as many.
    least = mean_turns * len(scores) / float((counts**2).sum())
    turns = min(max(float(scores.var() / of_question), least), mean_turns) if of_question else 1.0
    gained = (sums - counts / 2) / mean_turns
    share = float((np.abs(gained) > NEAREST).mean())
    step = sqrt(float((gained**2).mean()) / share) if share else 0.5
    in_halves = np.isin(scores, (0.0, 0.5, 1.0)).all()
    largest = 2 * spread if in_halves else sqrt(spread)
    return _Pilot(effect, Gains(spread, step, turns), largest, len(rows))
