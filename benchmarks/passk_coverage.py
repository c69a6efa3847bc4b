"""Do the intervals of pass@k, and of its paired differences, cover the truth 95% of the time?

Problems are drawn with a chance of being solved from several Beta laws, 32 samples each; the truth
is the law's own pass@k. A second model is the same one ("same"), a better one on every problem
("better": the chance to the power .7) or one that is another model on 15% of the problems
("mixed"). Printed: how often the 95% interval covers the truth, and its mean width. Exits with 1
where the true pass@k of both models lies in .1-.9 and coverage leaves 93-97.5%, or where any
interval has no width.

Then problems made from templates, five from each: the chance of a template's problems is drawn
once and moved a little from problem to problem, and a second model differs by template. Printed:
coverage with the problem as the unit, and with the template (`passk --cluster`). Exits with 1 where
the latter falls below 92%.

    python benchmarks/passk_coverage.py [--replicates 4000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np
from scipy.special import betaln

from sami_eval.stats.intervals import Array, score_interval
from sami_eval.stats.passk import pass_at_k
from sami_eval.stats.problems import difference, difference_interval, mean_score

SIZES = (80, 1319)
LAWS = ((1, 1), (0.5, 0.5), (0.3, 1.2), (1.2, 0.3), (2, 5), (5, 2), (0.1, 0.9), (5, 5), (0.02, 1))
KS = (1, 10, 32)
N_SAMPLES = 32
SECONDS = ("same", "better", "mixed")
POWER, SHARE = 0.7, 0.15
CHUNK = 500


def failing(law: tuple[float, float], k: int, power: float = 1.0) -> float:
    """E[(1 - p^power)^k] under a Beta law: by the Beta function, else by quadrature."""
    a, b = law
    if power == 1:
        return float(np.exp(betaln(a, b + k) - betaln(a, b)))
    from scipy.stats import beta

    q = (np.arange(200_000) + 0.5) / 200_000
    return float(((1 - beta.ppf(q, a, b) ** power) ** k).mean())


def second(p: Array, law: tuple[float, float], how: str, rng: np.random.Generator) -> Array:
    if how == "same":
        return p
    if how == "better":
        return np.asarray(p**POWER)
    return np.where(rng.random(p.shape) < SHARE, rng.beta(*law, p.shape), p)


def scores(p: Array, k: int, rng: np.random.Generator) -> Array:
    table = np.array([pass_at_k(N_SAMPLES, c, k) for c in range(N_SAMPLES + 1)])
    return np.asarray(table[rng.binomial(N_SAMPLES, p)])


def mean_intervals(values: Array) -> tuple[Array, Array]:
    rate = values.mean(-1)
    variance = ((values - rate[:, None]) ** 2).sum(-1) / values.shape[1] ** 2
    return score_interval(rate, variance, np.ones(values.shape[1]))


def cell(
    n: int, law: tuple[float, float], k: int, how: str | None, replicates: int, seed: int
) -> tuple[float, float, float, float, float]:
    """Truth, the outermost true pass@k, coverage, mean width and least width."""
    rng = np.random.default_rng([seed, n, k, *(int(100 * part) for part in law), len(how or "")])
    passed = 1 - failing(law, k)
    truth = passed
    if how is not None:
        truth = failing(law, k) - failing(law, k, POWER) if how == "better" else 0.0
    hits, widths = [], []
    for _ in range(max(replicates // CHUNK, 1)):
        p = rng.beta(*law, (CHUNK, n))
        one = scores(p, k, rng)
        low, high = (
            mean_intervals(one)
            if how is None
            else difference_interval(scores(second(p, law, how, rng), k, rng) - one)
        )
        hits.append((low <= truth + 1e-9) & (truth - 1e-9 <= high))
        widths.append(high - low)
    other = passed + truth if how == "better" else passed
    extreme = max(passed, other, key=lambda value: abs(value - 0.5))
    width = np.concatenate(widths)
    return truth, extreme, float(np.mean(hits)), float(width.mean()), float(width.min())


def cells(replicates: int, seed: int) -> Iterator[tuple[str, bool]]:
    """A printed line a cell, and whether it passes."""
    for how in (None, *SECONDS):
        for n in SIZES:
            for law in LAWS:
                for k in KS:
                    found = cell(n, law, k, how, replicates, seed)
                    truth, extreme, coverage, width, least = found
                    counts = 0.1 <= extreme <= 0.9
                    good = least > 0 and (not counts or 0.93 <= coverage <= 0.975)
                    mark = ("" if counts else "  beyond .1-.9") + ("" if good else " FAILS")
                    yield (
                        f"{how or 'pass@k':<7}{n:>5}  {law!s:<11}{k:>3}  {truth:>6.3f}"
                        f"  {coverage:>6.1%}  {width:>6.3f}{mark}",
                        good,
                    )


def templates(n: int, replicates: int, seed: int) -> tuple[Array, Array]:
    """How often pass@1 and a difference are covered: by problem, by template."""
    rng = np.random.default_rng([seed, n])
    labels = [i // 5 for i in range(5 * n)]
    hits = []
    for _ in range(replicates):
        # Of a template: log odds of the first model, and how far the second is from it.
        base = np.repeat(rng.normal(0, 1.5, n), 5) + rng.normal(0, 0.3, 5 * n)
        moved = base + np.repeat(rng.normal(0, 1, n), 5)
        one, two = (
            rng.binomial(N_SAMPLES, 1 / (1 + np.exp(-x))) / N_SAMPLES for x in (base, moved)
        )
        found = []
        for groups in (None, labels):
            rate = mean_score(one, groups).interval or (0.0, 0.0)
            gain = difference(one, two, N_SAMPLES, clusters=groups, draws=1).interval
            # By symmetry the true rate is a half; the second model's odds only spread further.
            found += [rate[0] <= 0.5 <= rate[1], gain[0] <= 0 <= gain[1]]
        hits.append(found)
    share = np.array(hits).mean(axis=0)
    return share[:2], share[2:]


def templated(replicates: int, seed: int) -> list[bool]:
    """Print a line a number of templates; whether each passes."""
    print("templates of five problems   pass@1: by problem, by template   difference: the same")
    good = []
    for n in (16, 40, 100):
        alone, together = templates(n, replicates, seed)
        good.append(bool(together.min() >= 0.92))
        print(
            f"{n:>9} {alone[0]:>34.1%} {together[0]:>13.1%} {alone[1]:>18.1%} {together[1]:>8.1%}"
            f"{'' if good[-1] else ' FAILS'}",
            flush=True,
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=4_000, help=f"multiple of {CHUNK}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, results = time.perf_counter(), []
    print("what       n  law          k   truth   cover   width")
    for line, good in cells(options.replicates, options.seed):
        print(line, flush=True)
        results.append(good)
    results += templated(min(options.replicates, 1000), options.seed)
    seconds = time.perf_counter() - started
    print(
        f"{sum(results)} of {len(results)} cells pass; {options.replicates} draws, {seconds:.0f} s"
    )
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
