"""Do the intervals of the best of k, and of its paired differences, cover the truth in 95%?

A problem's chance of being solved is drawn from a Beta law, 16 samples each; a reward is the skill
of the reward model where a sample is right, plus normal noise, so a skill of 0 is a blind choice.
The second model is another draw of the same law. The truth is the mean of a million problems.
Exits with 1 where coverage leaves 92-98.5% at a truth within .1-.9; nearer 1 it may be higher.

    python benchmarks/best_of_coverage.py [--replicates 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from sami_eval.stats.intervals import Array
from sami_eval.stats.passk import best_of_every_k
from sami_eval.stats.problems import difference_interval, mean_scores

LAWS = ((1, 1), (0.3, 1.2), (1.2, 0.3))
SKILLS = (0.0, 1.0, 3.0)
KS = (4, 16)
N_SAMPLES, TRUTHS, CHUNK = 16, 1_000_000, 50_000


def drawn(
    n: int, law: tuple[float, float], skill: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Rewards of n problems' samples, and whether each is right: (n, samples)."""
    right = rng.random((n, N_SAMPLES)) < rng.beta(*law, (n, 1))
    return skill * right + rng.normal(size=right.shape), right


def truth(law: tuple[float, float], skill: float, rng: np.random.Generator) -> Array:
    """The mean accuracy of the best of the first k samples, at each k."""
    found = []
    for _ in range(TRUTHS // CHUNK):
        rewards, right = drawn(CHUNK, law, skill, rng)
        best = [rewards[:, :k].argmax(-1) for k in KS]
        found.append([right[np.arange(CHUNK), one].mean() for one in best])
    return np.asarray(np.mean(found, axis=0))


def scores(n: int, law: tuple[float, float], skill: float, rng: np.random.Generator) -> Array:
    """The best of each k on n problems: (K, n)."""
    rewards, right = drawn(n, law, skill, rng)
    rows = zip(rewards.tolist(), right.tolist(), strict=True)
    return np.array([best_of_every_k(*row, KS) for row in rows]).T


def cell(
    n: int, law: tuple[float, float], skill: float, replicates: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """The truth, and how often it and no difference are covered; at each k."""
    expected, hits, even = truth(law, skill, rng), [], []
    for _ in range(replicates):
        one, two = scores(n, law, skill, rng), scores(n, law, skill, rng)
        _, low, high = mean_scores(np.clip(one, 0, 1))
        hits.append((low <= expected) & (expected <= high))
        low, high = difference_interval(two - one)
        even.append((low <= 0) & (high >= 0))
    return expected, np.mean(hits, axis=0), np.mean(even, axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--problems", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, good = time.perf_counter(), []
    rng = np.random.default_rng(options.seed)
    print("law         skill   k   truth   cover   difference")
    for law in LAWS:
        for skill in SKILLS:
            rows = zip(
                KS, *cell(options.problems, law, skill, options.replicates, rng), strict=True
            )
            for k, expected, covered, even in rows:
                most = 0.985 if 0.1 <= expected <= 0.9 else 1.0
                good.append(all(0.92 <= share <= most for share in (covered, even)))
                mark = "" if good[-1] else "  FAILS"
                told = f"{expected:>6.3f}  {covered:>6.1%}  {even:>11.1%}{mark}"
                print(f"{law!s:<11} {skill:>5.1f} {k:>3}  {told}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{sum(good)} of {len(good)} cells pass; {options.problems} problems, {seconds:.0f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
