"""What texts take on the disk: rows of the ledger, and lines of a run's folder.

    python -m benchmarks.laid  # bytes of a row and of a line, by tokens of the text

`sami_eval/experiment/disk.py` reckons with what comes out; a test holds both together.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sami_eval.core.calls import Completion, Reply
from sami_eval.core.types import Prompt, Usage, Verdict
from sami_eval.data.marker import read_marker
from sami_eval.data.problem_sets import Problem
from sami_eval.experiment import passk, runs
from sami_eval.experiment.likely import BYTES_A_TOKEN
from sami_eval.experiment.samples import Attempts
from sami_eval.ledger.store import Ledger, key

WORDS = "One of both answers says more, and says it in fewer words than the other does. "
SAMPLES = 32
SPREAD = 0.5  # of the logarithm of lengths
REPORTED = "gpt-4o-2024-08-06"


@dataclass(frozen=True, slots=True)
class Laid:
    """Bytes of a row of the ledger, and of a line of the run's folder."""

    row: float
    line: float


def texts(n: int, tokens: float, seed: int = 0) -> list[str]:
    """Texts of so many tokens each, the mean, some of them twice as long."""
    draw = random.Random(seed)
    drawn = [draw.lognormvariate(0, SPREAD) for _ in range(n)]
    each = BYTES_A_TOKEN * tokens / fmean(drawn)
    endless = WORDS * 400
    return [f"{i}. {endless}"[: max(8, round(each * one))] for i, one in enumerate(drawn)]


def of_replies(n: int, tokens: float) -> Laid:
    """A judgment's, stored when it comes."""
    said = texts(n, tokens)

    def fill(ledger: Ledger) -> None:
        for i, text in enumerate(said):
            reply = Reply(text, REPORTED, Usage(1_300, 300), True)
            ledger.add_replies([(key(i), "quality", reply)])

    verdicts = (
        Verdict(
            *(f"q{i // 4}", i // 2 % 2, "quality", "adapter-1", "baseline", ("a", "b")[i % 2]),
            *(0, "a"),
            text=text,
            model_reported=REPORTED,
            usage=Usage(1_300, 300),
        )
        for i, text in enumerate(said)
    )
    return _laid(n, fill, "verdicts.jsonl", verdicts)


def of_samples(n: int, tokens: float) -> Laid:
    """A sample's, with its token ids, 32 stored at a time."""
    ids = range(10_000, 100_000)
    rows = [
        Completion(text, tuple(ids[: len(text) // BYTES_A_TOKEN]), True, 200)
        for text in texts(n, tokens)
    ]

    def fill(ledger: Ledger) -> None:
        for first in range(0, n, SAMPLES):
            several = enumerate(rows[first : first + SAMPLES], first)
            ledger.add_completions([(key(i), "adapter-1", row) for i, row in several])

    problem = Problem(Prompt("gsm8k-1319", "math", ("?",)), "18", read_marker())
    tried = Attempts(problem, tuple(rows), ("18",) * n)
    return _laid(n, fill, "samples.jsonl", passk.sample_rows({"adapter-1": [tried]}))


def _laid(n: int, fill: Callable[[Ledger], None], name: str, rows: Iterable[object]) -> Laid:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ledger.db"
        with Ledger(path) as ledger:
            fill(ledger)
        runs.save(Path(place), "document.json", {}, {name: rows})
        return Laid(path.stat().st_size / n, (Path(place) / name).stat().st_size / n)


def main() -> None:
    print("tokens  judgment: row   line   sample: row   line")
    for tokens in (50, 100, 200, 300, 500, 1_000):
        reply, sample = of_replies(2_000, tokens), of_samples(2_000, tokens)
        both = f"{reply.row:14,.0f} {reply.line:6,.0f} {sample.row:13,.0f} {sample.line:6,.0f}"
        print(f"{tokens:6,}{both}")


if __name__ == "__main__":
    main()
