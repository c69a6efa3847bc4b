"""pass@k, pass^k, G-Pass@k, maj@k and the best of k of one problem from n samples, exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from math import ceil, comb

from sami_eval.stats.errors import OutOfRangeError

MOST_VOTES = 1000  # a float holds the ways to draw of them


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that k of n samples, c of them right, hold a right one: 1 - C(n-c,k)/C(n,k).

    Unbiased for any k <= n (Chen et al. 2021, arXiv 2107.03374, eq. 1).
    Raises OutOfRangeError where k > n (more samples are needed, there is no estimate) or c > n.
    """
    _check_right(n, c, k)
    return (comb(n, k) - comb(n - c, k)) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """pass^k, the probability that k of n samples, c of them right, are all right: C(c,k)/C(n,k).

    Unbiased for any k <= n (Yao et al. 2024, arXiv 2406.12045).
    Raises OutOfRangeError as pass_at_k.
    """
    return g_pass_at_k(n, c, k, 1)


def g_pass_at_k(n: int, c: int, k: int, share: float | Fraction = Fraction(1, 2)) -> float:
    """G-Pass@k: the probability that of k of the n samples at least this share is right.

    Liu et al. 2024, arXiv 2412.13147, who write tau for the share: pass^k at 1. As there a share of
    0 asks for one right sample, which is pass@k.
    Raises OutOfRangeError as pass_at_k, and for a share outside 0 to 1.
    """
    _check_right(n, c, k)
    if not 0 <= share <= 1:
        raise OutOfRangeError(f"a share of `{share}`", "it lies between 0 and 1")
    least = max(1, ceil(Fraction(share).limit_denominator(10**6) * k))
    return sum(comb(c, j) * comb(n - c, k - j) for j in range(least, min(c, k) + 1)) / comb(n, k)


@lru_cache(maxsize=4096)  # of any number of problems there are n + 1 counts of right samples
def mg_pass_at_k(n: int, c: int, k: int) -> float:
    """mG-Pass@k: G-Pass@k averaged over the shares from a half to all of the k samples.

    2/k times the sum over i from ceil(k/2) + 1 to k of G-Pass@k at i/k (arXiv 2412.13147). By that
    sum who is always right has 1 at an even k and 1 - 1/k at an odd one.
    Raises OutOfRangeError as pass_at_k, and at k = 1, where there is nothing to sum.
    """
    _check_right(n, c, k)
    if k < 2:
        raise OutOfRangeError("mG-Pass@k at a k of `1`", "k is at least 2 there")
    several = range(ceil(k / 2) + 1, k + 1)
    return 2 / k * sum(g_pass_at_k(n, c, k, Fraction(i, k)) for i in several)


def _check_right(n: int, c: int, k: int) -> None:
    _check(n, k)
    if not 0 <= c <= n:
        raise OutOfRangeError(f"`{c}` right of `{n}` samples", "c lies between 0 and n")


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
    wrong, shared = list(votes.values()), Counter[int]()  # draws, by how many share the credit
    for j in range(1, min(right, k) + 1):
        for level, ways in _others(wrong, n - right, k - j, j).items():
            shared[1 + level] += comb(right, j) * ways
    credit = sum((Fraction(ways, among) for among, ways in shared.items()), Fraction(0))
    return float(credit / comb(n, k))


def best_of_k(rewards: Sequence[float], right: Sequence[bool], k: int) -> float:
    """Expected accuracy of the sample with the highest reward among k drawn of all of them.

    The best of k is one of t samples of one reward, with b below it, in C(b+t,k) - C(b,k) of the
    C(n,k) draws, and then each of the t as often (for n different rewards Nakano et al. 2021,
    arXiv 2112.09332). Samples of one reward share the choice evenly.
    Raises OutOfRangeError where k > n.
    """
    n = len(rewards)
    _check(n, k)
    credit, below = Fraction(0), 0
    for score in sorted(set(rewards)):
        tied = [is_right for one, is_right in zip(rewards, right, strict=True) if one == score]
        ways = comb(below + len(tied), k) - comb(below, k)
        credit += Fraction(sum(tied) * ways, len(tied))
        below += len(tied)
    return float(credit / comb(n, k))


def best_of_every_k(
    rewards: Sequence[float], right: Sequence[bool], ks: Sequence[int]
) -> tuple[float, ...]:
    """`best_of_k` at each of several k, but for rounding."""
    import numpy as np

    _, place, tied = np.unique(rewards, return_inverse=True, return_counts=True)
    shares, ends = np.bincount(place, right) / tied, np.cumsum(tied)
    within = np.array(_draws_within(len(rewards), tuple(ks)))
    found = shares @ (within[ends] - within[ends - tied])
    return tuple(float(one) for one in found)


@cache
def _draws_within(n: int, ks: tuple[int, ...]) -> list[list[float]]:
    """Entry [i][j]: the share of the draws of ks[j] samples that lie within the first i of n."""
    return [[comb(i, k) / comb(n, k) for k in ks] for i in range(n + 1)]


def maj_at_every_k(answers: Sequence[Hashable | None], gold: Hashable) -> tuple[float, ...]:
    """maj@k for k from 1 to all n samples, each as `maj_at_k` has it but for rounding.

    Raises OutOfRangeError beyond 1,000 samples, whose ways are more than a float holds.
    """
    if len(answers) > MOST_VOTES:
        raise OutOfRangeError(f"`{len(answers)}` votes", f"at most {MOST_VOTES}")
    votes = Counter(answer for answer in answers if answer is not None)
    right = votes.pop(gold, 0)
    return _credits(len(answers), right, tuple(sorted(votes.values())))


@cache
def _credits(n: int, right: int, wrong: tuple[int, ...]) -> tuple[float, ...]:
    """Of `right` votes for the gold answer among n; wrong: the votes of each other answer.

    Row l and column d of `ways`: ways to draw d votes of the answers that have `top` votes or
    more, of which l are drawn exactly so often and none more often.
    """
    import numpy as np

    credit = np.zeros(n + 1)
    for top in range(1, right + 1):
        rivals = [count for count in wrong if count >= top]
        ways = np.zeros((len(rivals) + 1, n - right + 1))
        ways[0, 0] = 1
        for count in rivals:
            step = np.zeros_like(ways)
            for drawn in range(top):
                step[:, drawn:] += comb(count, drawn) * ways[:, : ways.shape[1] - drawn]
            step[1:, top:] += comb(count, top) * ways[:-1, : ways.shape[1] - top]
            ways = step
        shared = (ways / np.arange(1, len(ways) + 1)[:, None]).sum(0)
        free = n - right - sum(rivals)
        every = np.convolve(shared, [float(comb(free, drawn)) for drawn in range(free + 1)])
        credit[top : top + n - right + 1] += comb(right, top) * every[: n - right + 1]
    draws = [float(comb(n, k)) for k in range(1, n + 1)]
    return tuple(float(one) for one in credit[1:] / draws)


def _others(wrong: list[int], n_others: int, drawn: int, top: int) -> Counter[int]:
    """Ways to draw `drawn` of the other samples, none voted above `top`, by how many are at it."""
    contenders = [count for count in wrong if count >= top]
    free = n_others - sum(contenders)  # too few to reach `top`, or no answer: any draw will do
    ways = {(0, 0): 1}  # (samples drawn from contenders, contenders at top) -> ways
    for count in contenders:
        step: Counter[tuple[int, int]] = Counter()
        for (used, level), n_ways in ways.items():
            for votes in range(min(top, drawn - used) + 1):
                step[used + votes, level + (votes == top)] += n_ways * comb(count, votes)
        ways = step
    found = Counter[int]()
    for (used, level), n_ways in ways.items():
        found[level] += n_ways * comb(free, drawn - used)
    return found
