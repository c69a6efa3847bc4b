"""A comparison of a million judgments: filled, resumed, reckoned and shown; time, memory, disk.

    OMP_NUM_THREADS=1 python -m benchmarks.million                        # a quarter of an hour
    OMP_NUM_THREADS=1 python -m benchmarks.million --sizes 10000 100000

Ten contenders in a round robin, questions of two turns, both orders, answers and judges' words of
some 750 characters. A simulated judge stands where the network is; whatever is kept goes through
the ledger, reply by reply, as in any run.

| step | what is done, each in a process of its own |
|-|-|
| fill | `compare`, nothing in the ledger |
| resume | `compare` again, every reply in the ledger |
| statistics | what of that is the statistics |
| page | `show --html` |

MB: the most the process held. disk: the ledger, the run's folder, the page. exponent: of the time,
from the size before; 1 is as long again for each.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.growth import peak, write
from sami_eval.core import progress
from sami_eval.core.calls import Reply, Request
from sami_eval.core.config import find_config
from sami_eval.core.types import Prompt, Response, Usage
from sami_eval.data.prompts import to_row
from sami_eval.experiment import compare
from sami_eval.experiment.frame import run
from sami_eval.experiment.settings import CompareSettings
from sami_eval.report import kept
from sami_eval.server import client

SIZES = (10_000, 100_000, 1_000_000)
N_CONTENDERS = 10
EACH = N_CONTENDERS * (N_CONTENDERS - 1) // 2 * 4  # judgments a question: pairs, turns, orders
WORDS = ("answer", "says", "more", "than", "other", "leaves", "out", "what", "was", "asked", "for")


def prose(rng: random.Random) -> str:
    """Some 750 characters."""
    return " ".join(rng.choices(WORDS, k=150)) + ". "


def prepare(n: int, folder: Path) -> None:
    """The questions and the contenders' answers of n judgments."""
    rng = random.Random(0)
    questions = [Prompt(f"q{i}", f"c{i % 8}", ("Why?", "And?")) for i in range(n // EACH)]
    (folder / "sami-eval.toml").write_text("")
    write(folder / "prompts.jsonl", [to_row(one) for one in questions])
    for name in range(N_CONTENDERS):
        answers = [
            Response(
                q.id, f"m{name}", (prose(rng), prose(rng)), n_tokens=(rng.randint(90, 300), 99)
            )
            for q in questions
        ]
        write(folder / f"m{name}.jsonl", [asdict(one) for one in answers])


def say(
    requests: Sequence[Request], _: object, on_reply: Callable[[int, Reply], None], *__: Any
) -> None:
    """Answer as a server would, at once."""
    rng = random.Random(len(requests))
    several = [prose(rng) for _ in range(1_000)]
    for i, _ in enumerate(requests):
        text = f"{i}. {several[i % 1_000]}[[{rng.choice('AABC')}]]"
        on_reply(i, Reply(text, "judge", Usage(900, 200), True))


def nobody(requests: Sequence[Request], *_: Any) -> None:
    raise AssertionError(f"{len(requests)} of them were paid for")


def judged(folder: Path, asked: Callable[..., None]) -> float:
    """`compare`; CPU seconds of its statistics."""
    estimate, took = compare.estimate, list[float]()

    def timed(*these: Any) -> Any:
        began = time.process_time()
        found = estimate(*these)
        took.append(time.process_time() - began)
        return found

    settings = CompareSettings(
        contenders=tuple(str(folder / f"m{name}.jsonl") for name in range(N_CONTENDERS)),
        prompts=folder / "prompts.jsonl",
        judge_model=("openai:judge",),
        base_url="http://127.0.0.1:9/v1",
        out=folder / "run",
    )
    with (
        mock.patch.object(client, "complete_all", asked),
        mock.patch.object(compare, "estimate", timed),
    ):
        run(compare, settings, find_config(folder), progress.silent())
    return sum(took)


def shown(folder: Path) -> float:
    """`show --html`."""
    page = kept.page(*kept.find(str(folder / "run"), folder))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return 0.0


STEPS: dict[str, Callable[[Path], float]] = {
    "fill": lambda folder: judged(folder, say),
    "resume": lambda folder: judged(folder, nobody),
    "page": shown,
}


def disk(folder: Path) -> str:
    """MB of the ledger, the run's folder and its page."""
    ledger = sum(one.stat().st_size for one in (folder / ".sami-eval").glob("ledger.db*"))
    files = sum(one.stat().st_size for one in (folder / "run").glob("*"))
    page = folder / "report.html"
    sizes = (ledger, files, page.stat().st_size if page.exists() else 0)
    return ", ".join(f"{size / 1e6:.1f}" for size in sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        began = time.process_time()
        statistics = STEPS[asked.here[0]](Path(asked.here[1]))
        print(json.dumps([time.process_time() - began, statistics, peak()]))
        return
    if min(asked.sizes) < EACH:
        parser.error(f"`--sizes {min(asked.sizes)}` is no question: one has {EACH} judgments")
    print("step            judgments   CPU s  us each  exponent      MB  disk MB")
    before: dict[str, tuple[int, float]] = {}
    for n in asked.sizes:
        with tempfile.TemporaryDirectory() as place:
            prepare(n, Path(place))
            for step in STEPS:
                command = [sys.executable, "-m", "benchmarks.million", "--here", step, place]
                seconds, of_it, held = json.loads(subprocess.check_output(command))
                took = {step: seconds, **({"statistics": of_it} if step == "resume" else {})}
                for name, spent in took.items():
                    size, less = before.get(name, (n, spent))
                    grown = math.log(spent / less) / math.log(n / size) if n > size else math.nan
                    before[name] = n, spent
                    print(
                        f"{name:14} {n // EACH * EACH:10,} {spent:7.1f} {1e6 * spent / n:8.0f} "
                        f"{grown:9.2f} {held / 1e6:7.0f}  {disk(Path(place))}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
