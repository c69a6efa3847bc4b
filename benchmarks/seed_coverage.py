"""Does the interval over questions and training seeds cover the true win rate?

Scores are drawn from a crossed design: a turn is won when the sum of question, seed,
question-by-seed and noise effects (normal, on the probit scale) passes a threshold. The true rate
is over all questions and all seeds. Printed: how often the interval of
`sami_eval.stats.seeds.win_rate_over_seeds` covers it, beside the one over questions alone, and
their mean widths. Exits with 1 where coverage falls below 93% or the interval is ever narrower.

    python benchmarks/seed_coverage.py [--replicates 1000] [--seeds 3] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from statistics import NormalDist

import numpy as np

from sami_eval.stats.intervals import win_rate
from sami_eval.stats.seeds import SeedScores, pool, win_rate_over_seeds

SIZES = (80, 240)
THRESHOLDS = (0.0, 0.2, 1.0)
# Standard deviations of question, seed and question-by-seed effects; the noise has 1.
EFFECTS = ((0.7, 0.0, 0.3), (0.7, 0.1, 0.3), (0.7, 0.25, 0.3), (0.7, 0.6, 0.3), (0.0, 0.25, 0.0))
TURNS = 2


def draw(
    rng: np.random.Generator, n: int, n_seeds: int, mean: float, spread: tuple[float, float, float]
) -> SeedScores:
    question, seed, both = spread
    effect = (
        mean
        + question * rng.standard_normal((1, n, 1))
        + seed * rng.standard_normal((n_seeds, 1, 1))
        + both * rng.standard_normal((n_seeds, n, 1))
    )
    won = (effect + rng.standard_normal((n_seeds, n, TURNS)) > 0).astype(float)
    return {
        (s, s): {str(q): list(row) for q, row in enumerate(rows)} for s, rows in enumerate(won, 1)
    }


def measure(
    n: int,
    n_seeds: int,
    mean: float,
    spread: tuple[float, float, float],
    replicates: int,
    seed: int,
) -> tuple[float, list[float], list[float]]:
    """The true rate; coverage and mean width of our interval and of the questions' alone."""
    rng = np.random.default_rng([seed, n, n_seeds, int(10 * mean), *(int(100 * x) for x in spread)])
    true = NormalDist().cdf(mean / (1 + sum(x**2 for x in spread)) ** 0.5)
    covered, widths = [], []
    for _ in range(replicates):
        scores = draw(rng, n, n_seeds, mean, spread)
        both = win_rate_over_seeds(scores)[0].interval, win_rate(pool(scores)).interval
        ends = np.array(both, float)
        covered.append((ends[:, 0] <= true) & (true <= ends[:, 1]))
        widths.append(ends[:, 1] - ends[:, 0])
    assert all(ours >= alone - 1e-12 for ours, alone in widths), "narrower than questions alone"
    return true, list(np.mean(covered, axis=0)), list(np.mean(widths, axis=0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    worst = 1.0
    print("questions  sd of seeds  true rate  coverage  width  questions alone: coverage  width")
    for n, spread, mean in product(SIZES, EFFECTS, THRESHOLDS):
        true, covered, widths = measure(
            n, options.seeds, mean, spread, options.replicates, options.seed
        )
        worst = min(worst, covered[0])
        print(
            f"{n:>9} {spread[1]:>12} {true:>10.1%} {covered[0]:>9.1%} {widths[0]:>6.3f}"
            f" {covered[1]:>26.1%} {widths[1]:>6.3f}"
        )
    print(f"lowest coverage {worst:.1%}; {options.seeds} seeds, {options.replicates} draws a cell")
    return 0 if worst >= 0.93 else 1


if __name__ == "__main__":
    sys.exit(main())
