"""Do the intervals of Cohen's and Fleiss' kappa cover the true one?

Every turn has a true label; a judge knows it with some probability and otherwise guesses by the
labels' shares, so the true kappa is that probability squared. The second turn of a question repeats
the first, labels and all, with the probability `same`; so do the 19 later ones where a question has
20, as it has with votes on several pairs of models. Printed: how often the interval covers, and its
mean width over that of 2 x 1.96 standard deviations of kappa.

    python benchmarks/kappa_coverage.py [--replicates 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from itertools import product
from statistics import stdev
from typing import Any

from sami_eval.stats.intervals import Z
from sami_eval.stats.kappa import cohen_estimate, fleiss_estimate

LABELS = ("win", "tie", "loss")
SHARES = ((1, 1, 1), (6, 2, 2), (9, 1, 0.5))
KNOWS = (0.3, 0.7, 0.95)
SAME = (0.0, 0.7)
SIZES = ((10, 2), (20, 2), (80, 2), (10, 20))  # questions, turns of each
STATISTICS = (("Cohen, 2 judges", 2, cohen_estimate), ("Fleiss, 3 judges", 3, fleiss_estimate))


def question(
    rng: random.Random, n_judges: int, shares: Sequence[float], knows: float, same: float, n: int
) -> list[Any]:
    """The judges' labels of n turns."""

    def turn() -> tuple[str, ...]:
        truth, *guesses = rng.choices(LABELS, shares, k=n_judges + 1)
        return tuple(truth if rng.random() < knows else guess for guess in guesses)

    first = turn()
    return [first, *(first if rng.random() < same else turn() for _ in range(n - 1))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    columns = [f"{name:>17}" for name, _, _ in STATISTICS]
    print("labels' shares   knows  same  questions  turns", *columns)
    for shares, knows, same, (n, turns) in product(SHARES, KNOWS, SAME, SIZES):
        cells = []
        for _, n_judges, estimate in STATISTICS:
            drawn = [
                estimate(
                    {str(i): question(rng, n_judges, shares, knows, same, turns) for i in range(n)}
                )
                for _ in range(options.replicates)
            ]
            known = [one.interval for one in drawn if one.interval is not None]
            covered = sum(low <= knows**2 <= high for low, high in known) / len(known)
            values = [one.value for one in drawn if one.value is not None]
            width = sum(high - low for low, high in known) / len(known)
            over = width / (2 * Z * stdev(values))
            cells.append(f"{covered:>10.1%} {over:>6.2f}")
        named = " : ".join(map(str, shares))
        print(f"{named:<15} {knows:>6} {same:>5} {n:>10} {turns:>6}", *cells)
    return 0


if __name__ == "__main__":
    sys.exit(main())
