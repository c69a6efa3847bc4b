"""How long a large report takes to render, and how big it is.

    python benchmarks/report_time.py

A round robin of five contenders: 80 questions of two turns, ten pairs, both orders, answers of
2,000 characters and judgments of 800. Printed: the median of five renderings and the file's size.
"""

from __future__ import annotations

import itertools
import statistics
import time

from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.comparison_rows import comparison_row, rank_rows
from sami_eval.experiment.document import Document
from sami_eval.experiment.tallies import compare, correct_pairs, round_robin
from sami_eval.report.comparison_page import Run, comparison_page
from tests.documents import contender, document

N_QUESTIONS, N_ROUNDS = 80, 5


def large_run() -> Run:
    names = [f"model-{i}" for i in range(5)]
    prompts = [Prompt(f"q{i}", ("writing", "math")[i % 2], ("?" * 200,) * 2) for i in range(80)]
    answers = {
        name: [Response(prompt.id, name, ("word " * 400,) * 2) for prompt in prompts]
        for name in names
    }
    verdicts = {
        (a, b): [
            Verdict(
                prompt.id, turn, "quality", a, b, first, 0,
                "a" if (i * 7 + turn) % 5 else "b", text="because " * 100,
            )
            for i, prompt in enumerate(prompts)
            for turn in (0, 1)
            for first in ("a", "b")
        ]
        for a, b in itertools.combinations(names, 2)
    }  # fmt: skip
    compared = [compare(prompts, answers[a], answers[b], v) for (a, b), v in verdicts.items()]
    found: Document = document(*map(comparison_row, correct_pairs(compared)))
    found["contenders"] = [contender(name) for name in names]
    found["ranking"] = rank_rows(round_robin(compared))
    return Run(
        found,
        prompts,
        [response for several in answers.values() for response in several],
        [verdict for several in verdicts.values() for verdict in several],
    )


def main() -> None:
    run, seconds, html = large_run(), [], ""
    for _ in range(N_ROUNDS):
        start = time.perf_counter()
        html = comparison_page(run)
        seconds.append(time.perf_counter() - start)
    print(f"{len(run.verdicts):,} verdicts, {len(run.responses)} responses")
    print(f"{statistics.median(seconds):.2f} s, {len(html.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
