"""Is a judge that likes lists found out, and does style control recover the true win rate?

80 questions of two turns in eight categories. a's answers have more list items by `shift` standard
deviations on average; lengths grow with lists, headings and bold text vary by themselves and mean
nothing to the judge, whose log odds rise by `judge` for many more items. The truth is the mean
chance that a wins at equal lists. Printed: the mean raw rate, that at equal length, and that at
equal length and style; how often its 95% interval covers the truth; and how often the effect's
interval says that lists sway the judge, and that headings do, which is false. Exits with 1 where
coverage leaves 92-98% in a cell of which nine in ten are supported, or falls below 90% in any
other.

    python benchmarks/style_coverage.py [--replicates 400] [--draws 200] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product

import numpy as np

from sami_eval.core.comparison import Estimate
from sami_eval.stats.length import controlled, is_supported

SHIFTS = (0.0, 0.5, 1.0)
JUDGES = (0.0, 1.5)
ABILITIES = (0.0, 0.6)  # log odds of a at equal style, categories .5 above and below
N, TURNS, CATEGORIES = 80, 2, 8


def measure(
    shift: float, judge: float, ability: float, options: argparse.Namespace
) -> tuple[float, ...]:
    """Truth, raw rate, at equal length, at equal style, coverage, two shares, share supported."""
    rng = np.random.default_rng([options.seed, int(10 * shift), int(10 * judge), int(10 * ability)])
    questions = [i // TURNS for i in range(N * TURNS)]
    categories = [str(question % CATEGORIES) for question in questions]
    of_category = np.array([0.5 * (-1.0) ** (question % CATEGORIES) for question in questions])
    truth = float(np.mean(1 / (1 + np.exp(-(ability + of_category)))))
    rows = []
    for i in range(options.replicates):
        lists, headings, bold = rng.normal((shift, 0, 0), 1, (N * TURNS, 3)).T
        lengths = 0.5 * lists + rng.normal(0, 1, N * TURNS)
        odds = ability + of_category + judge * np.tanh(lists)
        scores = (rng.random(N * TURNS) < 1 / (1 + np.exp(-odds))).astype(float)
        columns = [list(one) for one in (lengths, headings, lists, bold)]
        asked = (scores.tolist(), questions)
        plain = controlled(*asked, columns[:1], categories, i, options.draws).rate
        found = controlled(*asked, columns, categories, i, options.draws)
        assert found.rate.value is not None
        assert found.rate.interval is not None
        low, high = found.rate.interval
        swayed = [_leaves_out_zero(one) for one in found.effects]
        supported = all(map(is_supported, columns))
        inside = low <= truth <= high
        rates = scores.mean(), plain.value, found.rate.value
        rows.append((*rates, inside, swayed[2], swayed[1], supported))
    return truth, *(float(np.mean(column)) for column in zip(*rows, strict=True))


def _leaves_out_zero(effect: Estimate) -> bool:
    low, high = effect.interval or (0.0, 0.0)
    return not low <= 0 <= high


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, n_bad = time.perf_counter(), 0
    print("judge  shift  truth    raw  length  style  covered  lists  headings  supported")
    for judge, ability, shift in product(JUDGES, ABILITIES, SHIFTS):
        found = measure(shift, judge, ability, options)
        truth, raw, at_length, at_style, coverage, lists, headings, supported = found
        low, high = (0.92, 0.98) if supported >= 0.9 else (0.9, 1.0)
        bad = not low <= coverage <= high
        n_bad += bad
        print(
            f"{judge:>5} {shift:>6} {truth:>6.1%} {raw:>6.1%} {at_length:>7.1%} {at_style:>6.1%} "
            f"{coverage:>8.1%} {lists:>6.0%} {headings:>9.0%} {supported:>10.0%}"
            f"{' FAILS' if bad else ''}",
            flush=True,
        )
    print(f"{n_bad} cells fail; {time.perf_counter() - started:.0f} s")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
