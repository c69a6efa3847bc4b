"""Does a comparison of the size that `power` names find the effect 80% of the time?

For each true win rate, share of ties, turns a question and their correlation, comparisons of n
questions are drawn (the second turn copies the first with that probability, else it is drawn anew)
and tested with the sign flips that `compare` uses. Printed: n and the power it really has, for the
textbook's n by the normal approximation, that of `questions_needed`, and that of `power_of`,
as `compare` has it, from a pilot that holds every outcome in its true share. Exits with 1 where one
of the latter two is below 80% less two standard errors.

    python benchmarks/power.py [--replicates 20000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache
from itertools import product
from math import sqrt
from statistics import NormalDist

import numpy as np

from sami_eval.stats.intervals import Array
from sami_eval.stats.power import power_of, questions_needed
from sami_eval.stats.tests import sign_flip_tails

RATES = (0.8, 0.65, 0.57)
TIES = (0.0, 0.075, 0.3)
TURNS = ((1, 0.0), (2, 0.0), (2, 0.3), (2, 1.0))
ALPHA, POWER = 0.05, 0.8


def textbook(rate: float, ties: float, turns: int, correlation: float) -> int:
    """Questions by the normal approximation, to the nearest."""
    effect, worth = rate - 0.5, turns / (1 + (turns - 1) * correlation)
    variance = max((1 - ties) / 4 - effect**2, 0.0) / worth
    z_alpha, z_power = NormalDist().inv_cdf(1 - ALPHA / 2), NormalDist().inv_cdf(POWER)
    return round(((z_alpha * sqrt(variance + effect**2) + z_power * sqrt(variance)) / effect) ** 2)


def draw(
    rng: np.random.Generator, shape: tuple[int, int], rate: float, ties: float, turns: int, r: float
) -> Array:
    """Each question's gain in half points (replicate, question)."""
    win, tie = rate - ties / 2, rate + ties / 2

    def turn() -> Array:
        uniform = rng.random(shape)
        return (uniform < win).astype(float) + (uniform < tie) - 1

    first = turn()
    if turns == 1:
        return first
    return first + np.where(rng.random(shape) < r, first, turn())


@cache
def threshold(n_ones: int, n_twos: int) -> int:
    """The least sum of gains with p <= 5%; beyond every sum where there is none."""
    tails = sign_flip_tails([1] * n_ones + [2] * n_twos)
    found = np.flatnonzero(tails <= ALPHA)
    return int(found[0]) if len(found) else len(tails)


def measure(
    n: int, rate: float, ties: float, turns: int, r: float, replicates: int, seed: int
) -> float:
    """How often n questions give p <= 5%."""
    rng, hits, done = np.random.default_rng([seed, n, int(100 * rate)]), 0, 0
    while done < replicates:
        gains = draw(rng, (min(2000, replicates - done), n), rate, ties, turns, r)
        ones, twos = (np.abs(gains) == 1).sum(1), (np.abs(gains) == 2).sum(1)
        total = np.abs(gains.sum(1))
        hits += sum(
            s >= threshold(int(a), int(b)) for a, b, s in zip(ones, twos, total, strict=True)
        )
        done += len(gains)
    return hits / replicates


def in_shares(rate: float, ties: float, turns: int, r: float) -> list[list[float]]:
    """400 questions that hold wins, ties, losses and repeated turns in just their true shares."""
    shares = {1.0: rate - ties / 2, 0.5: ties, 0.0: 1 - rate - ties / 2}
    if turns == 1:
        return [[score] for score, share in shares.items() for _ in range(round(400 * share))]
    both = {
        (x, y): r * shares[x] * (x == y) + (1 - r) * shares[x] * shares[y]
        for x, y in product(shares, shares)
    }
    return [[x, y] for (x, y), share in both.items() for _ in range(round(400 * share))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, n_bad = time.perf_counter(), 0
    least = POWER - 2 * sqrt(POWER * (1 - POWER) / options.replicates)
    print("rate   ties  turns  corr  textbook  power       n  power  pilot's n  power")
    for rate, ties, (turns, r) in product(RATES, TIES, TURNS):
        book = textbook(rate, ties, turns, r)
        ours = questions_needed(rate, ties=ties, turns=turns, correlation=r) or 0
        pilots = power_of(in_shares(rate, ties, turns, r))[0] or 0
        cells = [
            measure(n, rate, ties, turns, r, options.replicates, options.seed)
            for n in (book, ours, pilots)
        ]
        bad = min(cells[1:]) < least
        n_bad += bad
        print(
            f"{rate:<5} {ties:>5} {turns:>6} {r:>5} {book:>9} {cells[0]:>6.1%} {ours:>7} "
            f"{cells[1]:>6.1%} {pilots:>10} {cells[2]:>6.1%}{' FAILS' if bad else ''}",
            flush=True,
        )
    print(f"{n_bad} cells below {least:.1%}; {time.perf_counter() - started:.0f} s")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
