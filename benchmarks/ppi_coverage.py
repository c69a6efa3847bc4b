"""Does the win rate corrected for a judge's errors cover what people would say?

Questions of two turns are drawn with the people's win rate, ties and turn correlation known. The
judge says the same but for an error rate (a decided turn goes to the other side, a tied one to
either), and its position bias turns that share of its outcomes into ties, as two orders that
disagree do. People vote on n of the N questions. Printed: coverage of the interval of
`sami_eval.stats.ppi` and of the votes alone (`win_rate`), the judge's mean weight, the median width
over that of the votes alone, and how often the judge's own interval covers what people say. Exits
with 1 where coverage leaves 93-97.5% (n = 80) or 93-98% (n = 30), or a median width is over 1.04
times the votes'.

A judge that hardly errs (2% or less) may cover too often, no cell with it too seldom: a mistake not
seen in n questions is not one never made, and the interval allows for it. Below n = 30 and at a
rate of .9 only the lower limit holds.

    python benchmarks/ppi_coverage.py [--replicates 4000] [--seed 0] [--voted 30]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import product

import numpy as np

from sami_eval.stats.intervals import Array, cluster_variance, score_interval
from sami_eval.stats.ppi import Sums, prediction_powered

SIZES = ((30, 80), (30, 400), (80, 400), (80, 80))  # voted, judged
FEW = ((5, 80), (10, 80), (10, 400))
RATES = ((0.5, 0.0), (0.57, 0.3), (0.8, 0.1), (0.9, 0.0))  # people's win rate, share of ties
CORRELATIONS = (0.0, 0.7)
JUDGES = ((0.0, 0.0), (0.02, 0.0), (0.1, 0.0), (0.1, 0.4), (0.3, 0.0), (0.3, 0.3), (0.5, 0.0))
TURNS = 2
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Cell:
    """n_voted of n_judged questions; errors: the judge's; bias: share it makes ties."""

    n_voted: int
    n_judged: int
    rate: float
    ties: float
    correlation: float
    errors: float
    bias: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Coverage of the corrected interval, the votes' and the judge's; width over the votes'."""

    ours: float
    people: float
    judge: float
    weight: float
    width: float

    def is_good(self, cell: Cell) -> bool:
        """Whether coverage and width are as promised (docstring of this file)."""
        exact = cell.errors > 0.02 and cell.rate < 0.9 and cell.n_voted >= 30
        low = 0.93 if cell.n_voted >= 30 else 0.92
        high = 1 if not exact else 0.975 if cell.n_voted >= 80 else 0.98
        return low <= self.ours <= high and self.width <= 1.04


def draw(rng: np.random.Generator, cell: Cell) -> tuple[Array, Array]:
    """Scores (replicate, question, turn) of people and of the judge."""
    shape = (CHUNK, cell.n_judged, TURNS)
    uniform = rng.random(shape)
    win, tie = cell.rate - cell.ties / 2, cell.rate + cell.ties / 2
    people = ((uniform < win) + (uniform < tie).astype(float)) / 2
    copied = rng.random(shape[:2]) < cell.correlation
    people[..., 1] = np.where(copied, people[..., 0], people[..., 1])
    other = np.where(people == 0.5, rng.integers(0, 2, shape), 1 - people)
    judge = np.where(rng.random(shape) < cell.errors, other, people)
    return people, np.where(rng.random(shape) < cell.bias, 0.5, judge)


def covers(interval: tuple[Array, Array], rate: float) -> Array:
    low, high = interval
    return (low <= rate + 1e-9) & (rate - 1e-9 <= high)


def of_means(sums: Array, counts: Array) -> tuple[Array, Array]:
    return score_interval(sums.sum(-1) / counts.sum(), cluster_variance(sums, counts), counts)


def measure(cell: Cell, replicates: int, seed: int) -> Measured:
    rng = np.random.default_rng([seed, *(int(1000 * x) for x in (cell.rate, cell.errors))])
    voted = (np.arange(cell.n_judged) < cell.n_voted).astype(float)
    turns = np.full(cell.n_judged, float(TURNS))
    covered, widths, weights = [], [], []
    for _ in range(max(1, replicates // CHUNK)):
        people, judge = (scores.sum(-1) for scores in draw(rng, cell))
        sums = Sums(judge, turns, judge * voted, people * voted, turns * voted)
        rate, variance, weight = prediction_powered(sums)
        n_voted = turns[: cell.n_voted]
        intervals = (
            score_interval(rate, variance, n_voted),
            of_means(people[:, : cell.n_voted], n_voted),
            of_means(judge, turns),
        )
        covered.append([covers(one, cell.rate).mean() for one in intervals])
        widths.append([high - low for low, high in intervals[:2]])
        weights.append(weight.mean())
    ours, votes = np.median(np.concatenate(widths, axis=-1), axis=-1)
    ours_in, people_in, judge_in = np.mean(covered, axis=0)
    weight = float(np.mean(weights))
    return Measured(ours_in, people_in, judge_in, weight, float(ours / votes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=4_000, help=f"multiple of {CHUNK}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--voted", type=int, help="only the cells with so many voted questions")
    options = parser.parse_args()
    cells = [
        Cell(voted, judged, rate, ties, correlation, errors, bias)
        for (voted, judged), (rate, ties), correlation, (errors, bias) in product(
            SIZES + FEW, RATES, CORRELATIONS, JUDGES
        )
        if options.voted in (None, voted)
    ]
    started, n_bad = time.perf_counter(), 0
    print("voted judged  rate ties corr errors bias  coverage votes judge weight width")
    for cell in cells:
        found = measure(cell, options.replicates, options.seed)
        good = found.is_good(cell)
        n_bad += not good
        print(
            f"{cell.n_voted:>5} {cell.n_judged:>6} {cell.rate:>5} {cell.ties:>4} "
            f"{cell.correlation:>4} {cell.errors:>6} {cell.bias:>4} {found.ours:>9.1%} "
            f"{found.people:>5.1%} {found.judge:>5.1%} {found.weight:>6.2f} {found.width:>5.2f}"
            f"{'' if good else ' FAILS'}",
            flush=True,
        )
    seconds = time.perf_counter() - started
    n_good = len(cells) - n_bad
    print(f"{n_good} of {len(cells)} cells pass; {options.replicates} draws, {seconds:.0f} s")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
