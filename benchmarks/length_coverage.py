"""Does the interval of the length-controlled win rate cover the true one?

80 questions of two turns in eight categories; the second turn repeats the first, lengths and all,
with probability .3. a's responses are longer by `shift` standard deviations on average, and the
judge's log odds rise by `judge` from far shorter to equal and again to far longer; the truth is the
mean chance that a wins at equal length. Printed: how often the 95% interval covers it, bias,
spread and mean width, the share of comparisons that are called supported, and coverage of the
others. Exits with 1 where coverage leaves 92-97% in a cell of which nine in ten are supported, or
falls below 90% in any other.

    python benchmarks/length_coverage.py [--replicates 1000] [--draws 200] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product

import numpy as np

from sami_eval.stats.length import is_supported, length_controlled

SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0)
JUDGES = (1.0, 3.0)  # shallow and steep
ABILITIES = (0.3, 1.0)  # log odds of a at equal length, categories .5 above and below
N, TURNS, CATEGORIES, COPIED = 80, 2, 8, 0.3


def draw(
    rng: np.random.Generator, shift: float, judge: float, ability: float
) -> tuple[list[float], list[float]]:
    """Scores and length differences, a question's turns side by side."""
    differences = rng.normal(shift, 1, (N, TURNS))
    of_category = 0.5 * (-1.0) ** (np.arange(N) % CATEGORIES)
    odds = ability + of_category[:, None] + judge * np.tanh(differences)
    scores = (rng.random((N, TURNS)) < 1 / (1 + np.exp(-odds))).astype(float)
    copied = rng.random(N) < COPIED
    for values in (differences, scores):
        values[copied, 1] = values[copied, 0]
    return list(scores.ravel()), list(100 * differences.ravel())


def measure(
    shift: float, judge: float, ability: float, options: argparse.Namespace
) -> tuple[float, float, float, float, float, float]:
    """Coverage, bias, spread, width, share supported, and coverage of the unsupported."""
    cell = [options.seed, int(10 * shift), int(judge), int(10 * ability)]
    rng = np.random.default_rng(cell)
    truth = float(np.mean([1 / (1 + np.exp(-(ability + one))) for one in (0.5, -0.5)]))
    questions = [i // TURNS for i in range(N * TURNS)]
    categories = [str(question % CATEGORIES) for question in questions]
    rows = []
    for i in range(options.replicates):
        scores, differences = draw(rng, shift, judge, ability)
        found = length_controlled(scores, questions, differences, categories, i, options.draws)
        if found.value is None or found.interval is None:  # every turn won
            continue
        low, high = found.interval
        inside, is_within = low <= truth <= high, is_supported(differences)
        rows.append((inside, found.value - truth, high - low, is_within))
    covered, off, width, supported = (np.array(column, float) for column in zip(*rows, strict=True))
    beyond = covered[supported == 0]
    rest = float(beyond.mean()) if len(beyond) else float("nan")
    return covered.mean(), off.mean(), off.std(), width.mean(), supported.mean(), rest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, n_bad = time.perf_counter(), 0
    print("judge  shift  log odds  coverage    bias  spread  width  supported  cover beyond")
    for judge, ability, shift in product(JUDGES, ABILITIES, SHIFTS):
        found = measure(shift, judge, ability, options)
        coverage, bias, spread, width, supported, beyond = found
        low, high = (0.92, 0.97) if supported >= 0.9 else (0.9, 1.0)
        bad = not low <= coverage <= high
        n_bad += bad
        print(
            f"{judge:>5} {shift:>6} {ability:>9} {coverage:>9.1%} {bias:>+7.3f} {spread:>7.3f} "
            f"{width:>6.2f} {supported:>10.0%} {beyond:>13.1%}{' FAILS' if bad else ''}",
            flush=True,
        )
    print(f"{n_bad} cells fail; {time.perf_counter() - started:.0f} s")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
