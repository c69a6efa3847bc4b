"""When to stop asking: an e-process for "the win rate is 50%", valid however often it is looked at.

e-value  E = 1/2 sum_j w_j [prod_i (1 + c_j g_i) + prod_i (1 - c_j g_i)]

g_i, from -1 to 1, is what question i says for a: (2 T_i - m_i) / M for T_i points in m_i turns, M
the most turns that a question can have. Each product is the capital of a player who stakes the
share c_j of it on every question, on a or on b. Where the win rate is 50% no such game is won on
average, so E ever reaches 1/alpha with probability alpha at most (Ville 1939; the hedged capital
process of Waudby-Smith and Ramdas 2024, JRSS B 86, arXiv 2010.09686). The stakes follow from the
number n of questions at hand: sqrt(2 log(2/alpha) / n) reaches 1/alpha by question n on the least
evidence where turns are not tied (their section 3); each further one is twice as large and weighs
.4 as much, for effects that show sooner.

The win rate is that of the fixed test: of the population that the questions are a sample of, all
turns alike; one without a verdict stakes nothing. The first questions of a random order are a
sample of the same population. It is not the rate of the n questions at hand, which would be known
without an interval after the last of them.

confidence sequence the rates p with E_p < 1/alpha at every look, where E_p has T_i/M - p m_i/M in
the place of g_i and stakes c_j/p and c_j/(1-p). Every factor is convex in p, and so is E_p: an
interval.

hopeless No rest can reach the threshold: E is largest where all of it goes one way. Or the chance
is below `hopeless`: questions to come are drawn from those seen and two imaginary ones, a win and a
loss, each drawn one adding to the urn (Polya); their sum is taken as normal, and E is reckoned from
it and from the mean square of g. Giving up never makes a false positive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, log, sqrt
from typing import Literal

import numpy as np

from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import Array
from sami_eval.stats.tests import holm

ALPHA = HOPELESS = 0.05
STEP, DECAY, LARGEST = 2.0, 0.4, 0.95
LEAST_BLOCK, LOOKS = 10, 20
HALVINGS = 24

State = Literal["open", "decided", "hopeless", "all asked"]
Capital = tuple[Array, Array]  # logarithms of the products on a and on b; stakes on the first axis


@dataclass(frozen=True, slots=True)
class Rule:
    """When a comparison stops; fixed before the first question.

    n: questions at hand. block: the evidence is looked at after so many, and at the end.
    alpha: decided from an e-value of 1/alpha on. hopeless: given up below this chance of deciding.
    """

    n: int
    block: int
    alpha: float = ALPHA
    hopeless: float = HOPELESS

    @property
    def looks(self) -> list[int]:
        """After how many questions the evidence is looked at."""
        return [*range(self.block, self.n, self.block), self.n]


def rule_of(n: int) -> Rule:
    """The rule for n questions: up to 20 looks, at least 10 questions apart."""
    if n < 1:
        raise OutOfRangeError(f"`{n}` questions", "give at least 1")
    return Rule(n, max(LEAST_BLOCK, ceil(n / LOOKS)))


@dataclass(frozen=True, slots=True)
class Course:
    """How far a comparison has come.

    asked: questions. e_values: (questions, e-value) at every look.
    p_value: 1 over the largest e-value, valid at any time; p_adjusted: by Holm over comparisons.
    interval: the confidence sequence so far.
    """

    state: State
    asked: int
    e_values: tuple[tuple[int, float], ...]
    p_value: float
    p_adjusted: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Points:
    """What the questions of one comparison gave, in the order in which they are asked.

    sums: points of a, in as many turns as counts says. most: the most turns a question can have.
    """

    sums: Array
    counts: Array
    most: int

    def first(self, n: int) -> Points:
        """Those of the first n questions."""
        return Points(self.sums[:n], self.counts[:n], self.most)

    @property
    def gains(self) -> Array:
        """g of the module docstring."""
        return np.asarray((2 * self.sums - self.counts) / self.most)


def follow(comparisons: Sequence[Points], rule: Rule) -> list[Course]:
    """How each comparison goes at the rule's looks, until it stops or its questions end.

    What comes behind a stop is not read: a comparison asked further stops at the same place.
    Several are corrected by Holm over their e-values, at every look.
    """
    capital = [log_capital(one.gains, stakes(rule.n, rule.alpha)[0]) for one in comparisons]
    courses = [Course("open", 0, (), 1.0, 1.0, (0.0, 1.0)) for _ in comparisons]
    for look in rule.looks:
        for i, one in enumerate(comparisons):
            if courses[i].state == "open" and len(one.sums) >= look:
                courses[i] = _looked(courses[i], one.first(look), _at(capital[i], look), rule)
        courses = _decided(courses, rule.alpha)
        for i, one in enumerate(comparisons):
            if courses[i].state == "open" and courses[i].asked == look:
                state = _unless_hopeless(one.first(look), _at(capital[i], look), courses, rule)
                courses[i] = replace(courses[i], state=state)
    return courses


def _at(capital: Capital, look: int) -> Capital:
    return capital[0][..., look - 1], capital[1][..., look - 1]


def _looked(course: Course, points: Points, capital: Capital, rule: Rule) -> Course:
    n = len(points.sums)
    e_value = exp(min(float(mixed(capital, stakes(rule.n, rule.alpha)[1])), 700.0))
    low, high = rates_allowed(points, rule)
    # Ever smaller; should two not meet (at most alpha of all sequences), the later one stands.
    both = max(low, course.interval[0]), min(high, course.interval[1])
    return Course(
        "open",
        n,
        (*course.e_values, (n, e_value)),
        min(course.p_value, 1 / max(e_value, 1.0)),
        1.0,
        both if both[0] <= both[1] else (low, high),
    )


def _decided(courses: Sequence[Course], alpha: float) -> list[Course]:
    """With p-values corrected; those at alpha or below are decided, and stay so."""
    adjusted = holm([course.p_value for course in courses])
    return [
        replace(
            course,
            p_adjusted=p,
            state="decided" if course.asked and p <= alpha else course.state,
        )
        for course, p in zip(courses, adjusted, strict=True)
    ]


def _unless_hopeless(
    points: Points, capital: Capital, courses: Sequence[Course], rule: Rule
) -> State:
    rest = rule.n - len(points.sums)
    if not rest:
        return "all asked"
    # Those given up are never rejected, so Holm asks at least this much of the others.
    threshold = log((1 + sum(one.state == "hopeless" for one in courses)) / rule.alpha)
    if best_rest(capital, rest, rule) < threshold:
        return "hopeless"
    chance = chance_of_deciding(points.gains, capital, rest, threshold, rule)
    return "hopeless" if chance < rule.hopeless else "open"


def stakes(n: int, alpha: float = ALPHA) -> tuple[Array, Array]:
    """The shares staked and what each weighs: c and w of the module docstring."""
    first = min(sqrt(2 * log(2 / alpha) / n), LARGEST)
    each = range(1 + int(log(LARGEST / first) / log(STEP)))
    sizes, weights = (np.array([r**j for j in each]) for r in (STEP, DECAY))
    return first * sizes, weights / weights.sum()


def log_capital(gains: Array, sizes: Array) -> Capital:
    """The capital of every player after each question; questions along the last axis."""
    staked = sizes.reshape(-1, *[1] * gains.ndim) * gains
    return np.log1p(staked).cumsum(-1), np.log1p(-staked).cumsum(-1)


def mixed(capital: Capital, weights: Array) -> Array:
    """log E."""
    shares = np.log(weights / 2).reshape(-1, *[1] * (capital[0].ndim - 1))
    return np.asarray(np.logaddexp.reduce(np.concatenate([one + shares for one in capital])))


def rates_allowed(points: Points, rule: Rule) -> tuple[float, float]:
    """The rates p with E_p < 1/alpha after these questions."""
    if not points.counts.sum():
        return 0.0, 1.0
    seen = float(points.sums.sum() / points.counts.sum())  # E there is at most 1: inside
    return _end(points, rule, seen, 0.0), _end(points, rule, seen, 1.0)


def _end(points: Points, rule: Rule, inside: float, outside: float) -> float:
    """Where, on the way to 0 or 1, the rates end that are allowed."""
    if inside == outside:
        return outside
    sizes, weights = stakes(rule.n, rule.alpha)
    won, asked = points.sums / points.most, points.counts / points.most
    limit, column = log(1 / rule.alpha), sizes[:, None]
    for _ in range(HALVINGS):
        rate = (inside + outside) / 2
        on_a = np.log1p(column * (won / rate - asked)).sum(-1)
        on_b = np.log1p(column * ((asked - won) / (1 - rate) - asked)).sum(-1)
        if mixed((on_a, on_b), weights) < limit:
            inside = rate
        else:
            outside = rate
    return outside


def best_rest(capital: Capital, rest: int, rule: Rule) -> Array:
    """log E should all questions to come go one way, whichever is the better one."""
    sizes, weights = stakes(rule.n, rule.alpha)
    gained = [(rest * np.log1p(sign * sizes), rest * np.log1p(-sign * sizes)) for sign in (1, -1)]
    shape = (-1, *[1] * (capital[0].ndim - 1))
    ends = [(capital[0] + a.reshape(shape), capital[1] + b.reshape(shape)) for a, b in gained]
    return np.maximum(*(mixed(end, weights) for end in ends))


def chance_of_deciding(
    gains: Array, capital: Capital, rest: int, threshold: float | Array, rule: Rule
) -> Array:
    """How likely log E is to reach the threshold with the last question (module docstring).

    gains: of the questions seen, along the last axis; capital: after them.
    """
    from scipy.special import ndtr

    n = gains.shape[-1] + 2
    mean, square = gains.sum(-1) / n, ((gains**2).sum(-1) + 2) / n
    spread = np.sqrt(rest * (square - mean**2) * (n + rest) / (n + 1))
    squares = rest * square
    up, down = (_needed(capital, squares, threshold, side, rule) for side in (1, -1))
    return np.asarray(ndtr((rest * mean - up) / spread) + ndtr((-rest * mean - down) / spread))


def _needed(
    capital: Capital, squares: Array, threshold: float | Array, side: int, rule: Rule
) -> Array:
    """The least sum of gains to come, for a (side 1) or b (-1), with which log E gets there.

    log(1 + c g) = g atanh(c) + g^2 log(1 - c^2)/2 for gains of -1, 0 and 1; near it for others.
    """
    sizes, weights = stakes(rule.n, rule.alpha)
    shape = (-1, *[1] * (capital[0].ndim - 1))
    per_gain, per_square = np.arctanh(sizes).reshape(shape), np.log1p(-(sizes**2)).reshape(shape)
    on_a, on_b = (one + per_square * squares / 2 for one in capital)
    low, high = np.zeros_like(squares), np.full_like(squares, float(rule.n))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        moved = side * middle * per_gain
        there = mixed((on_a + moved, on_b - moved), weights) >= threshold
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return high
