"""What does stopping when it is clear cost, and does it keep its 5%?

Questions of two turns are drawn with a known win rate, share of ties and turn correlation (the
second turn copies the first with that probability, else it is drawn anew). Each comparison is
looked at after every block of the rule of `sami_eval.stats.sequential`, as `--until-decided` does.
Printed: how often it is decided, the mean number of questions asked, and how often it is decided
for the worse side; beside it the power of the exact fixed test of all questions, and both figures
without giving up. Then, at 50%, the false positives over turn correlations 0 to 1 and ties 0 to
60%. Last, round robins whose pairs share contenders, corrected by Holm: how often any pair of
equals is told apart, where all are equal and where one is far ahead. Exits with 1 where false
positives pass 5%.

    python benchmarks/sequential.py [--replicates 2000] [--seed 0] [--round-robins]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sami_eval.stats.intervals import Array
from sami_eval.stats.sequential import (
    Capital,
    Rule,
    best_rest,
    chance_of_deciding,
    log_capital,
    mixed,
    rule_of,
    stakes,
)
from sami_eval.stats.tests import holm, sign_flip_tails

SIZES = (80, 400, 1000)
RATES = (0.5, 0.55, 0.6, 0.65, 0.75)
CORRELATIONS, TIES = (0.0, 0.3, 0.7, 1.0), (0.0, 0.3, 0.6)
USUAL = (0.3, 0.3)  # correlation and ties of the table of rates
AHEAD = 0.6  # standard deviations: the one ahead has a win rate of some 65%
CHUNK = 250
TURNS = 2


@dataclass(frozen=True)
class Ends:
    """How comparisons end: decided for a, for b, questions asked; with and without giving up."""

    for_a: NDArray[np.bool_]
    for_b: NDArray[np.bool_]
    asked: NDArray[np.int64]
    decided_ever: NDArray[np.bool_]
    asked_ever: NDArray[np.int64]
    fixed: NDArray[np.bool_]


def draw(rng: np.random.Generator, n: int, correlation: float, rate: float, ties: float) -> Array:
    """Gains from -1 to 1 (replicate, question) of comparisons of n questions."""
    win, tie = rate - ties / 2, rate + ties / 2
    uniform = rng.random((CHUNK, n, TURNS))
    scores = (uniform < win) * 0.5 + (uniform < tie) * 0.5
    copied = rng.random((CHUNK, n)) < correlation
    second = np.where(copied, scores[..., 0], scores[..., 1])
    return np.asarray(scores[..., 0] + second - 1)


@cache
def tails(n_ones: int, n_twos: int) -> Array:
    return sign_flip_tails([1] * n_ones + [2] * n_twos)


def fixed_test(gains: Array) -> NDArray[np.bool_]:
    """Whether the exact test of all questions rejects; gains are halves."""
    steps = np.rint(2 * gains).astype(int)
    ones, twos = (np.abs(steps) == 1).sum(1), (np.abs(steps) == 2).sum(1)
    total = np.abs(steps.sum(1))
    p = [tails(a, b)[s] for a, b, s in zip(ones, twos, total, strict=True)]
    return np.array(p) <= 0.05


def walk(gains: Array, rule: Rule, beside: bool) -> Ends:
    """Every comparison, look by look. beside: with the fixed test, which takes longer."""
    sizes, weights = stakes(rule.n, rule.alpha)
    capital = log_capital(gains, sizes)
    n = len(gains)
    asked, asked_ever = np.full(n, rule.n), np.full(n, rule.n)
    given_up, decided, ever = (np.zeros(n, bool) for _ in range(3))
    ahead = np.zeros(n)
    threshold = log(1 / rule.alpha)
    for look in rule.looks:
        now: Capital = capital[0][..., look - 1], capital[1][..., look - 1]
        there = mixed(now, weights) >= threshold
        first = there & ~ever
        asked_ever[first] = look
        ever |= there
        new = first & ~given_up
        asked[new], decided = look, decided | new
        ahead[new] = gains[new, :look].sum(1)
        rest = rule.n - look
        if rest:
            chance = chance_of_deciding(gains[:, :look], now, rest, threshold, rule)
            out = (chance < rule.hopeless) | (best_rest(now, rest, rule) < threshold)
            out &= ~ever & ~given_up
            asked[out], given_up = look, given_up | out
    fixed = fixed_test(gains) if beside else np.zeros(n, bool)
    return Ends(decided & (ahead > 0), decided & (ahead < 0), asked, ever, asked_ever, fixed)


def measure(
    n: int, correlation: float, rate: float, ties: float, replicates: int, seed: int, beside: bool
) -> Ends:
    """The ends of so many comparisons."""
    rng = np.random.default_rng([seed, n, int(10 * correlation), int(1000 * rate), int(10 * ties)])
    rule = rule_of(n)
    parts = [
        walk(draw(rng, n, correlation, rate, ties), rule, beside)
        for _ in range(max(replicates // CHUNK, 1))
    ]
    names = Ends.__annotations__
    return Ends(*[np.concatenate([getattr(one, name) for one in parts]) for name in names])


def power_table(replicates: int, seed: int) -> None:
    """Power and questions over true rates, at the usual correlation and ties."""
    correlation, ties = USUAL
    print(f"turn correlation {correlation}, {ties:.0%} ties; two turns a question")
    print(
        "   n   rate  fixed test  until decided  asked  of all  worse side  never giving up: asked"
    )
    for n, rate in product(SIZES, RATES):
        ends = measure(n, correlation, rate, ties, replicates, seed, beside=True)
        decided = ends.for_a | ends.for_b
        print(
            f"{n:>4} {rate:>6} {ends.fixed.mean():>11.1%} {decided.mean():>14.1%}"
            f" {ends.asked.mean():>6.0f} {ends.asked.mean() / n:>7.0%} {ends.for_b.mean():>11.1%}"
            f" {ends.decided_ever.mean():>16.1%} {ends.asked_ever.mean():>6.0f}"
        )


def false_positives(replicates: int, seed: int) -> int:
    """Print false positives at 50% after peeking at every look; returns how many cells fail."""
    worst, n_bad, asked = 0.0, 0, []
    print("false positives at a true 50%, looked at after every block, never giving up")
    print("   n  turn corr   " + "".join(f"{ties:>6.0%} ties" for ties in TIES))
    for n, correlation in product(SIZES, CORRELATIONS):
        row = []
        for ties in TIES:
            ends = measure(n, correlation, 0.5, ties, replicates, seed, beside=False)
            row.append(float(ends.decided_ever.mean()))
            asked.append(float(ends.asked.mean() / n))
        n_bad += sum(one > 0.05 for one in row)
        worst = max(worst, *row)
        print(f"{n:>4} {correlation:>10}   " + "".join(f"{one:>11.2%}" for one in row))
    print(f"most {worst:.2%}; asked when giving up, of all: {min(asked):.0%} to {max(asked):.0%}")
    return n_bad


def qualities(rng: np.random.Generator, n: int, k: int, correlation: float, ahead: float) -> Array:
    """(replicate, question, turn, contender), all alike but the first, who is so far ahead."""
    drawn = rng.normal(size=(CHUNK, n, TURNS, k))
    copied = rng.random((CHUNK, n)) < correlation
    drawn[:, :, 1] = np.where(copied[..., None], drawn[:, :, 0], drawn[:, :, 1])
    drawn[..., 0] += ahead
    return np.asarray(drawn)


def likeliest(gains: Array, rule: Rule) -> Array:
    """The log of the largest e-value of each comparison at the looks, none given up."""
    sizes, weights = stakes(rule.n, rule.alpha)
    capital = log_capital(gains, sizes)
    looks = np.array(rule.looks) - 1
    return mixed((capital[0][..., looks], capital[1][..., looks]), weights).max(-1)


def told_apart(k: int, n: int, ahead: float, replicates: int, seed: int) -> tuple[float, float]:
    """How often Holm tells any two equals apart by the last look; and of those ahead, how many.

    Never giving up and asking on after a decision only lowers p-values: the most there can be.
    """
    correlation, ties = USUAL
    rng, rule = np.random.default_rng([seed, k, n, int(10 * ahead)]), rule_of(n)
    near = sqrt(2) * float(ndtri((1 + ties) / 2))  # between two equals a tie is so near
    pairs = list(combinations(range(k), 2))
    is_equal = np.array([a > 0 or not ahead for a, _ in pairs])
    wrong, right = [], []
    for _ in range(max(replicates // CHUNK, 1)):
        drawn = qualities(rng, n, k, correlation, ahead)
        apart = [drawn[..., a] - drawn[..., b] for a, b in pairs]
        gains = [(np.sign(d) * (np.abs(d) >= near)).sum(-1) / TURNS for d in apart]
        p = np.exp(-np.maximum([likeliest(one, rule) for one in gains], 0)).T
        significant = np.array([holm(list(row)) for row in p]) <= rule.alpha
        wrong.append((significant & is_equal).any(1))
        right.append(significant[:, ~is_equal].mean(1) if ahead else np.zeros(len(p)))
    return float(np.concatenate(wrong).mean()), float(np.concatenate(right).mean())


def round_robins(replicates: int, seed: int) -> int:
    """Print how often round robins tell equals apart; returns how many cells fail."""
    correlation, ties = USUAL
    print(
        f"round robins under Holm, never giving up; turn correlation {correlation}, {ties:.0%} ties"
    )
    print("   n  contenders  all equal: any pair  one ahead: any equals  its own pairs")
    n_bad = 0
    for n, k in product(SIZES, (3, 5)):
        null, _ = told_apart(k, n, 0.0, replicates, seed)
        mixed_up, found = told_apart(k, n, AHEAD, replicates, seed)
        n_bad += (null > 0.05) + (mixed_up > 0.05)
        print(f"{n:>4} {k:>11} {null:>20.2%} {mixed_up:>22.2%} {found:>14.1%}")
    return n_bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=2_000, help=f"multiple of {CHUNK}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--round-robins", action="store_true", help="these alone")
    options = parser.parse_args()
    started = time.perf_counter()
    n_bad = 0
    if not options.round_robins:
        power_table(options.replicates, options.seed)
        n_bad += false_positives(options.replicates, options.seed)
    n_bad += round_robins(options.replicates, options.seed)
    seconds = time.perf_counter() - started
    print(f"{options.replicates} draws a cell, {seconds:.0f} s; {n_bad} cells fail")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
