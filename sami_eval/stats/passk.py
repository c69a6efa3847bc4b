"""pass@k and maj@k of one problem from n samples, exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from math import comb

from sami_eval.stats.errors import OutOfRangeError


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that k of n samples, c of them right, hold a right one: 1 - C(n-c,k)/C(n,k).

    Unbiased for any k <= n (Chen et al. 2021, arXiv 2107.03374, eq. 1).
    Raises OutOfRangeError where k > n (more samples are needed, there is no estimate) or c > n.
    """
    _check(n, k)
    if not 0 <= c <= n:
        raise OutOfRangeError(f"`{c}` right of `{n}` samples", "c lies between 0 and n")
    return (comb(n, k) - comb(n - c, k)) / comb(n, k)


def _check(n: int, k: int) -> None:
    if k < 1:
        raise OutOfRangeError(f"k is `{k}`", "k is at least 1")
    if k > n:
        raise OutOfRangeError(f"k is `{k}` but there are `{n}` samples", f"sample at least {k}")


def maj_at_k(answers: Sequence[Hashable | None], gold: Hashable, k: int) -> float:
    """Expected credit of the majority vote among k of the answers, over which k are drawn.

    answers: normalised, so that equal values are equal; None (no answer) casts no vote.
    A vote tied between t answers has credit 1/t where gold is one of them. k = n is the vote of
    all of them.
    Raises OutOfRangeError where k > n.
    """
    n = len(answers)
    _check(n, k)
    votes = Counter(answer for answer in answers if answer is not None)
    right = votes.pop(gold, 0)
    credit = sum(
        (
            comb(right, j) * _others(list(votes.values()), n - right, k - j, j)
            for j in range(1, min(right, k) + 1)
        ),
        Fraction(0),
    )
    return float(credit / comb(n, k))


def _others(wrong: list[int], n_others: int, drawn: int, top: int) -> Fraction:
    """Ways to draw `drawn` of the other samples, none voted above `top`, over 1 + those at it."""
    contenders = [count for count in wrong if count >= top]
    free = n_others - sum(contenders)  # too few to reach `top`, or no answer: any draw will do
    ways = {(0, 0): 1}  # (samples drawn from contenders, contenders at top) -> ways
    for count in contenders:
        step: Counter[tuple[int, int]] = Counter()
        for (used, level), n_ways in ways.items():
            for votes in range(min(top, drawn - used) + 1):
                step[used + votes, level + (votes == top)] += n_ways * comb(count, votes)
        ways = step
    return sum(
        (
            Fraction(n_ways * comb(free, drawn - used), 1 + level)
            for (used, level), n_ways in ways.items()
        ),
        Fraction(0),
    )
