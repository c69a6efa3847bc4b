"""How many questions an effect needs, and which effect a number of questions can see.

Normal approximation of the sign-flip test's power. A turn's score s has the spread
u = E(s - 1/2)^2 = (1 - ties)/4; a win rate 1/2 + e leaves it the variance u - e^2, and the mean of
a question's turns has v = (u - e^2) / turns with `turns` the independent turns a question is
worth. The test compares the mean with z_a sqrt((v + e^2) / n), hence

    n = ((z_a sqrt(v + e^2) + z_b sqrt(v)) / e)^2

to the nearest question. Without ties and with one turn this is the textbook one-sample formula
(Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, section 2.5). Ties are
modelled: they lower u, so a tied question counts as evidence of no difference and not as half a
coin flip. The exact test of coin flips keeps less than its 5%, so 80% here is 77-80% there
(at 57% 398 questions have 77%, 414 have 80%). It can reach 5% only from 6 questions on
(2/2^6 = .03): no answer is lower.
"""

from __future__ import annotations

from math import ceil, log2, sqrt
from statistics import NormalDist

import numpy as np

from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import Scores, questions


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
    """Questions for `power` at a two-sided level `alpha` if `win_rate` were the true one.

    ties: share of tied turns. turns, correlation: turns a question and how alike their scores are.
    None at 50%: nothing to find. 57% without ties needs 398.
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
    worth = independent_turns(turns, correlation)
    return _questions(effect, (1 - ties) / 4, worth, alpha, power)


def _check(ties: float, alpha: float, power: float) -> None:
    if not 0 <= ties < 1:
        raise OutOfRangeError(f"ties `{ties}`", "give the share of tied turns, from 0 to below 1")
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise OutOfRangeError(f"{name} `{value}`", "give a number between 0 and 1")


def _questions(
    effect: float, spread: float, turns: float, alpha: float, power: float
) -> int | None:
    if effect < 1e-9:
        return None
    return max(
        round((_errors(effect, spread, turns, alpha, power) / effect) ** 2), least_questions(alpha)
    )


def _errors(effect: float, spread: float, turns: float, alpha: float, power: float) -> float:
    """The effect's distance from zero in standard deviations of one question, times those."""
    variance = max(spread - effect**2, 0.0) / turns
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    return z_alpha * sqrt(variance + effect**2) + z_power * sqrt(variance)


def least_questions(alpha: float) -> int:
    """The fewest questions with which a sign-flip test can reach alpha."""
    return ceil(log2(2 / alpha))


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
    worth = independent_turns(turns, correlation)
    return _effect(n_questions, spread, worth, 2 * spread, alpha, power)


def _effect(
    n: int, spread: float, turns: float, largest: float, alpha: float, power: float
) -> float | None:
    def is_seen(effect: float) -> bool:
        return effect * sqrt(n) >= _errors(effect, spread, turns, alpha, power)

    if n < least_questions(alpha) or largest <= 0 or not is_seen(largest):
        return None
    low, high = 0.0, largest
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high


def power_of(scores_by_question: Scores) -> tuple[int | None, float | None]:
    """Questions needed for the observed win rate, and the effect this many questions can see.

    Both at 80% power and 5%, with the spread of the scores and the correlation of turns as
    observed: the mean of (score - 1/2)^2, and the variance of a turn over that of a question.
    """
    rows = questions(scores_by_question)
    if not rows:
        return None, None
    sums, counts = np.array([sum(row) for row in rows]), np.array([len(row) for row in rows])
    scores = np.concatenate([np.asarray(row, float) for row in rows])
    effect, spread = abs(float(scores.mean()) - 0.5), float(((scores - 0.5) ** 2).mean())
    of_question = len(rows) * ((sums - scores.mean() * counts) ** 2).sum() / len(scores) ** 2
    mean_turns = len(scores) / len(rows)
    # Never more than the turns there are: a negative correlation is noise, not a promise.
    turns = min(max(float(scores.var() / of_question), 1.0), mean_turns) if of_question else 1.0
    in_halves = np.isin(scores, (0.0, 0.5, 1.0)).all()
    largest = 2 * spread if in_halves else sqrt(spread)
    needed = _questions(effect, spread, turns, 0.05, 0.8)
    return needed, _effect(len(rows), spread, turns, largest, 0.05, 0.8)
