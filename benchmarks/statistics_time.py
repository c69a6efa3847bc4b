"""How long do the statistics of 10,000 verdicts take, every interval included?

2,500 questions of two turns in eight categories, both orders: one `compare`, and for a round robin
of four contenders the ranking besides. The second run is the warm one; the first pays the imports.

    OMP_NUM_THREADS=1 python benchmarks/statistics_time.py
"""

from __future__ import annotations

import random
import time
from itertools import combinations

from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.tallies import compare, round_robin

N_QUESTIONS = 2_500
LIMIT_S = 3.0


def prompts() -> list[Prompt]:
    return [Prompt(str(i), f"category {i % 8}", ("?", "?")) for i in range(N_QUESTIONS)]


def responses(model: str, rng: random.Random) -> list[Response]:
    return [
        Response(str(i), model, ("", ""), n_tokens=(rng.randint(20, 400), rng.randint(20, 400)))
        for i in range(N_QUESTIONS)
    ]


def verdicts(a: str, b: str, rng: random.Random) -> list[Verdict]:
    return [
        Verdict(str(i), turn, "judge", a, b, first, 0, rng.choices(("a", "b", "tie"), (4, 3, 2))[0])
        for i in range(N_QUESTIONS)
        for turn in (0, 1)
        for first in ("a", "b")
    ]


def main() -> None:
    rng = random.Random(0)
    names = ("base", "sft", "dpo", "sami")
    answers = {name: responses(name, rng) for name in names}
    pairs = [(a, b, verdicts(a, b, rng)) for a, b in combinations(names, 2)]
    comparisons = []
    for a, b, judged in pairs:
        started = time.perf_counter()
        comparisons.append(compare(prompts(), answers[a], answers[b], judged))
        print(
            f"{len(judged):,} verdicts: {time.perf_counter() - started:.2f} s (limit {LIMIT_S} s)"
        )
    started = time.perf_counter()
    round_robin(comparisons)
    print(f"ranking of {len(names)}: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
