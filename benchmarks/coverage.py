"""Does the 95% interval cover the true win rate, and does the test keep its 5%?

Questions of two turns are drawn with a known win rate, share of ties and turn correlation (the
second turn copies the first with that probability, else it is drawn anew). Printed: how often the
interval of `sami_eval.stats.win_rate` covers the true rate and, where that rate is 50%, how often
`sami_eval.stats.sign_flip_p` is at most .05. Beside it the naive way: turns as if independent, with
Wald's interval. Exits with 1 where coverage leaves 93-97.5% (n >= 80), falls below 92% (n = 10),
or false positives pass 5.5%. Where 90% of turns are ties, only the lower limits hold.

Then questions of 9 and 30 turns, as people's votes on several pairs of models or the turns of nine
pairs of training seeds are: the interval's mean width over that of 2 x 1.96 true standard errors
too. There it exits with 1 where coverage falls below 90%, or where turns are independent and the
interval is wider than 1.6 times.

    python benchmarks/coverage.py [--replicates 20000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache
from itertools import product

import numpy as np

from sami_eval.stats.intervals import Array, Z, cluster_variance, score_interval
from sami_eval.stats.tests import sign_flip_tails

SIZES = (10, 80, 400)
CORRELATIONS = (0.0, 0.3, 0.7, 1.0)
RATES = ((0.5, 0.0), (0.57, 0.0), (0.9, 0.0), (0.5, 0.3), (0.57, 0.3), (0.8, 0.3))
MOSTLY_TIES = ((0.5, 0.9), (0.525, 0.9), (0.55, 0.9))  # too few decided turns to cover exactly
TURNS = 2
CHUNK = 2_000
MANY_SIZES, MANY_TURNS, MANY_RATES = (10, 20, 80), (9, 30), ((0.5, 0.0), (0.66, 0.0), (0.9, 0.0))


def draw(
    rng: np.random.Generator,
    n: int,
    correlation: float,
    rate: float,
    ties: float,
    turns: int = TURNS,
    replicates: int = CHUNK,
) -> Array:
    """Score sums (replicate, question) of comparisons of n questions."""
    win, tie = rate - ties / 2, rate + ties / 2
    uniform = rng.random((replicates, n, turns), dtype=np.float32)
    scores = ((uniform < win) + (uniform < tie).astype(float)) / 2
    copied = rng.random((replicates, n, turns - 1), dtype=np.float32) < correlation
    rest = np.where(copied, scores[..., :1], scores[..., 1:])
    return np.asarray(scores[..., 0] + rest.sum(-1))


def covers(interval: tuple[Array, Array], rate: float) -> Array:
    low, high = interval
    return (low <= rate + 1e-9) & (rate - 1e-9 <= high)


def wald(rate: Array, n_turns: int) -> tuple[Array, Array]:
    half = Z * np.sqrt(rate * (1 - rate) / n_turns)
    return rate - half, rate + half


@cache
def tails(n_ones: int, n_twos: int) -> Array:
    return sign_flip_tails([1] * n_ones + [2] * n_twos)


def p_values(sums: Array) -> Array:
    """The sign-flip p-value of each replicate; gains in half points are 0, 1 or 2 a question."""
    gains = np.rint(2 * sums - TURNS).astype(int)
    ones, twos = (np.abs(gains) == 1).sum(1), (np.abs(gains) == 2).sum(1)
    total = np.abs(gains.sum(1))
    return np.array([tails(a, b)[s] for a, b, s in zip(ones, twos, total, strict=True)])


def measure(
    n: int, correlation: float, rate: float, ties: float, replicates: int, seed: int
) -> tuple[float, float, float | None]:
    """Coverage of ours and of the naive interval, and the false-positive rate at 50%."""
    rng = np.random.default_rng([seed, n, int(10 * correlation), int(1000 * rate), int(10 * ties)])
    counts, ours, naive, false = np.full(n, float(TURNS)), [], [], []
    for _ in range(replicates // CHUNK):
        sums = draw(rng, n, correlation, rate, ties)
        rates = sums.sum(1) / (n * TURNS)
        ours.append(covers(score_interval(rates, cluster_variance(sums, counts), counts), rate))
        naive.append(covers(wald(rates, n * TURNS), rate))
        if rate == 0.5:
            false.append(p_values(sums) <= 0.05)
    return np.mean(ours), np.mean(naive), np.mean(false) if false else None


def measure_many(
    n: int, turns: int, correlation: float, rate: float, ties: float, replicates: int, seed: int
) -> tuple[float, float]:
    """Coverage, and mean width over that of the true standard error."""
    rng = np.random.default_rng([seed, n, turns, int(10 * correlation), int(1000 * rate)])
    sums = draw(rng, n, correlation, rate, ties, turns, replicates)
    counts, rates = np.full(n, float(turns)), sums.sum(1) / (n * turns)
    low, high = score_interval(rates, cluster_variance(sums, counts), counts)
    return np.mean(covers((low, high), rate)), float((high - low).mean() / (2 * Z * rates.std()))


def many_turns(replicates: int, seed: int) -> int:
    """Print the cells of many turns a question; returns how many fail."""
    n_bad = 0
    print("   n  turns  turn corr   rate  coverage  width over the truth")
    for n, turns, correlation, (rate, ties) in product(
        MANY_SIZES, MANY_TURNS, (0.0, 0.3), MANY_RATES
    ):
        coverage, width = measure_many(n, turns, correlation, rate, ties, replicates, seed)
        bad = coverage < 0.9 or (not correlation and width > 1.6)
        n_bad += bad
        print(
            f"{n:>4} {turns:>6} {correlation:>10} {rate:>6} {coverage:>9.2%} {width:>8.2f}"
            f"{' FAILS' if bad else ''}"
        )
    return n_bad


def is_good(n: int, ties: float, coverage: float, false_positives: float | None) -> bool:
    low, high = (0.93, 0.975) if n >= 80 else (0.92, 1.0)
    high = 1.0 if ties >= 0.9 else high
    return low <= coverage <= high and (false_positives is None or false_positives <= 0.055)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=20_000, help=f"multiple of {CHUNK}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cells = list(product(SIZES, CORRELATIONS, RATES + MOSTLY_TIES))
    started, n_bad = time.perf_counter(), 0
    print("   n  turn corr   rate   ties  coverage  naive  p<=.05")
    for n, correlation, (rate, ties) in cells:
        cell = (n, correlation, rate, ties)
        coverage, naive, false = measure(*cell, options.replicates, options.seed)
        bad = not is_good(n, ties, coverage, false)
        n_bad += bad
        print(
            f"{n:>4} {correlation:>10} {rate:>6} {ties:>6} {coverage:>9.2%} {naive:>6.1%}"
            f"{'' if false is None else f'{false:>8.2%}'}{' FAILS' if bad else ''}"
        )
    seconds = time.perf_counter() - started
    n_good = len(cells) - n_bad
    print(f"{n_good} of {len(cells)} cells pass; {options.replicates} draws, {seconds:.0f} s")
    n_bad += many_turns(min(options.replicates, 4 * CHUNK), options.seed)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
