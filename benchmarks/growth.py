"""What reading back and reckoning cost as verdicts grow: CPU seconds, exponent, memory.

    OMP_NUM_THREADS=1 python -m benchmarks.growth                  # every row
    OMP_NUM_THREADS=1 python -m benchmarks.growth statistics --sizes 2000 60000 200000
    OMP_NUM_THREADS=1 python -m benchmarks.growth runs-forecast runs --sizes 1000

| row | what is measured |
|-|-|
| read | `runs.read_verdicts`: verdicts.jsonl of a run, judgments of 800 characters |
| statistics | `tallies.compare`: two contenders, questions of two turns, both orders |
| rerun | all of `sami-eval compare` on answers of 750 characters, every reply in the ledger |
| forecast | the same with `--dry-run` |
| passk-rerun | all of `sami-eval passk`, 4 models x 32, samples in the ledger |
| runs | the list behind `sami-eval ls runs`, of that many runs |
| runs-forecast | `--dry-run` of a small comparison beside that many runs |

Each is measured in a process of its own, once before for what is loaded. kB: the most it held
beyond that, for each verdict or run. exponent: 1 is as long again for each.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from benchmarks import statistics_time, stored_samples
from sami_eval.core import progress
from sami_eval.core.calls import Reply
from sami_eval.core.config import Config, find_config
from sami_eval.core.types import Prompt, Response, Usage, Verdict
from sami_eval.data.prompts import to_row
from sami_eval.experiment import compare as kind
from sami_eval.experiment import passk, runs
from sami_eval.experiment.frame import forecast, run
from sami_eval.experiment.settings import CompareSettings
from sami_eval.experiment.tallies import compare
from sami_eval.generate.tools import Tools
from sami_eval.judge import to_ask
from sami_eval.ledger.store import Ledger

VERDICTS, RUNS = (2_000, 8_000, 30_000), (1_000,)
WORDS = "One of both answers says more, and says it in fewer words than the other does. "


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(n: int, folder: Path) -> Callable[[], object]:
    """Of n verdicts of a run."""
    rows = [
        Verdict(
            *(f"q{i // 4}", i // 2 % 2, "quality", "sami", "base", ("a", "b")[i % 2], 0, "a"),
            text=f"{i} " + WORDS * 10,
            model_reported="judge",
            usage=Usage(900, 200),
        )
        for i in range(n)
    ]
    write(folder / "verdicts.jsonl", [asdict(row) for row in rows])
    return partial(runs.read_verdicts, folder)


def reckon(n: int, folder: Path) -> Callable[[], object]:
    """The statistics of n verdicts."""
    statistics_time.N_QUESTIONS = n // 4
    rng = random.Random(0)
    a, b = (statistics_time.responses(name, rng) for name in ("sami", "base"))
    judged = statistics_time.verdicts("sami", "base", rng)
    return partial(compare, statistics_time.prompts(), a, b, judged)


def _stored(n: int, folder: Path) -> tuple[CompareSettings, Config]:
    """A comparison of two recorded contenders whose n replies the ledger holds."""
    (folder / "sami-eval.toml").write_text("")
    questions = [Prompt(f"q{i}", f"c{i % 8}", (f"Ask {i}.", "And then?")) for i in range(n // 4)]
    prompts = write(folder / "prompts.jsonl", [to_row(one) for one in questions])
    files = tuple(
        str(
            write(
                folder / f"{name}.jsonl",
                [
                    asdict(Response(one.id, name, tuple(f"{name} {one.id} {t}. " + WORDS * 9
                           for t in (1, 2)), n_tokens=(200 + i % 90, 180 + i % 70)))
                    for i, one in enumerate(questions)
                ],
            )
        )
        for name in ("sami", "base")
    )  # fmt: skip
    settings = CompareSettings(
        contenders=files,
        prompts=prompts,
        judge_model=("openai:judge",),
        base_url="http://127.0.0.1:9/v1",
    )
    config = find_config(folder)
    plan = kind.make_plan(settings, config)
    with Ledger(config.ledger_path) as ledger:
        drawn = kind.draw(plan, plan.sides, Tools(config, ledger, progress.silent(), plan.client))
        (seat,), (a, b) = plan.seats, drawn.responses.values()
        asked = to_ask(seat.judge, drawn.prompts, a, b, plan.orders, 1, seat.at).requests
        rows = (
            Reply(f"{i}. {WORDS * 9}[[{'AABC'[i % 4]}]]", "judge", Usage(900, 200), True)
            for i in range(len(asked))
        )
        ledger.add_replies((k, "quality", row) for k, row in zip(asked, rows, strict=True))
    return settings, config


def rerun(n: int, folder: Path) -> Callable[[], object]:
    """`compare` where nothing is left to ask."""
    settings, config = _stored(n, folder)
    return partial(run, kind, settings, config, progress.silent())


def dry_run(n: int, folder: Path) -> Callable[[], object]:
    """`compare --dry-run` where nothing is left to ask."""
    settings, config = _stored(n, folder)
    return partial(forecast, kind, settings, config)


def passk_again(n: int, folder: Path) -> Callable[[], object]:
    """`passk` where every sample is drawn."""
    settings, config = stored_samples.fill(n, folder)
    return partial(run, passk, settings, config, progress.silent())


def _runs(n: int, folder: Path) -> tuple[CompareSettings, Config]:
    """A small comparison, and n finished runs of it."""
    settings, config = _stored(32, folder)
    run(kind, settings, config, progress.silent())
    (first,) = (folder / "runs").iterdir()
    for i in range(n - 1):
        shutil.copytree(first, folder / "runs" / f"run-{i}")
    return settings, config


def listed(n: int, folder: Path) -> Callable[[], object]:
    """What `ls runs` reads."""
    _runs(n, folder)
    return partial(runs.list_runs, folder)


def beside_runs(n: int, folder: Path) -> Callable[[], object]:
    """`--dry-run` where there are n runs."""
    settings, config = _runs(n, folder)
    return partial(forecast, kind, replace(settings, seed=1), config)


ROWS = {
    "read": read,
    "statistics": reckon,
    "rerun": rerun,
    "forecast": dry_run,
    "passk-rerun": passk_again,
    "runs": listed,
    "runs-forecast": beside_runs,
}


def peak() -> int:
    """The most bytes this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(row: str, n: int) -> tuple[float, float]:
    """CPU seconds, and bytes; in this process, which has done nothing else."""
    with tempfile.TemporaryDirectory() as place:
        (small := Path(place) / "small").mkdir()
        (large := Path(place) / "large").mkdir()
        ROWS[row](8, small)()
        before = peak()
        work = ROWS[row](n, large)
        began = time.process_time()
        work()
        return time.process_time() - began, peak() - before


def alone(row: str, n: int) -> tuple[float, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", row, "--sizes", str(n), "--here"]
    seconds, held = json.loads(subprocess.check_output(command))
    return seconds, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--sizes", type=int, nargs="+", help=f"{VERDICTS}, {RUNS} runs")
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = [row for row in asked.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row `{unknown[0]}`; there are {', '.join(ROWS)}")
    if asked.here:
        print(json.dumps(measured(asked.rows[0], asked.sizes[0])))
        return
    print("row             size  CPU s  ms each  exponent  kB each")
    for row in asked.rows:
        took: dict[int, float] = {}
        for n in asked.sizes or (RUNS if row.startswith("runs") else VERDICTS):
            rounds = [alone(row, n) for _ in range(asked.rounds)]
            took[n] = statistics.median(seconds for seconds, _ in rounds)
            held = statistics.median(held for _, held in rounds)
            least = min(took)
            grown = math.log(took[n] / took[least]) / math.log(n / least) if n > least else math.nan
            print(
                f"{row:14} {n:6,} {took[n]:6.2f} {1e3 * took[n] / n:8.3f} {grown:9.2f} "
                f"{held / n / 1e3:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
