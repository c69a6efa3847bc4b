"""Every ratio that can be had on one machine without a GPU, in one table.

    python -m benchmarks.all --quick                      # in some ten minutes, fewer rounds
    python -m benchmarks.all --json FILE                  # the rows kept
    python -m benchmarks.all --quick --beside FILE        # each row beside one kept before

Seconds are of the processor, not of the clock, where no other unit is said. Ratios say more than
they do: a busy machine slows both sides. `--beside` marks what is a fifth worse than it was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import growth, judging, sharing, start_time

ROOT = Path(__file__).resolve().parents[1]
WORSE = 1.2


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. wanted: what it should reach, as a person reads it; "" where nothing is said."""

    what: str
    against: str
    value: float
    unit: str
    wanted: str
    more_is_better: bool = False


def judged(rounds: int) -> Iterator[Row]:
    """Judgments at a server, against a bare loop over the client."""
    n, at_64 = 2_000, math.nan
    with judging.serving() as url:
        judging.ours(url, 200, 64)
        for at_once in (64, 1_000):
            mine, theirs = judging.both(url, n, at_once, rounds)
            what = f"judging, {at_once} in flight"
            yield Row(what, "a bare openai loop", mine.cpu / theirs.cpu, "x CPU", "at most 0.8")
            if at_once == 64:
                at_64, bound = mine.cpu, n / at_once * judging.LATENCY_S
                yield Row(what, "the latency bound", mine.wall / bound, "x time", "at most 1.6")
            else:
                yield Row(what, "its own at 64", mine.cpu / at_64, "x CPU", "at most 1.2")


def shared(rounds: int) -> Iterator[Row]:
    """Runs on one ledger: one that waits for another, and four that want the same."""
    found = [sharing.waiting(20.0) for _ in range(rounds)]
    share, end_s, death_s = (statistics.median(each) for each in zip(*found, strict=True))
    yield Row("a wait for another run", "a core", 100 * share, "%", "at most 2 %")
    yield Row("a wait, after the other's end", "", end_s, "s", "at most 2 s")
    yield Row("a wait, after its death", "", death_s, "s", "at most 2 s")
    ratio = statistics.median(sharing.together(4) / sharing.together(1) for _ in range(rounds))
    yield Row("judging, 4 processes, one ledger", "one process", ratio, "x CPU", "")


def grown(rounds: int) -> Iterator[Row]:
    """What is read back and computed, at two sizes."""
    wanted = {
        "read": "at most .03 ms",
        "statistics": "4 s at 60,000",
        "rerun": "6 s at 60,000",
        "passk-rerun": "at most .1 ms",
    }
    for row in growth.ROWS:
        small, large = (1_000, 1_000) if row.startswith("runs") else (4_000, 16_000)
        took = {
            n: statistics.median(growth.alone(row, n)[0] for _ in range(rounds))
            for n in dict.fromkeys((small, large))
        }
        if small == large:
            yield Row(f"{row}, {large:,}", "", took[large], "s", "at most 1 s")
            continue
        each = 1e3 * took[large] / large
        one = "sample" if row.startswith("passk") else "verdict"
        yield Row(f"{row}, {large:,} {one}s", f"a {one}", each, "ms", wanted.get(row, ""))
        grew = math.log(took[large] / took[small]) / math.log(large / small)
        yield Row(f"{row}, {small:,} to {large:,}", "its size", grew, "exponent", "at most 1.05")


def begun(rounds: int) -> Iterator[Row]:
    """How long a command takes to begin, against the two libraries it prints and parses with."""

    def seconds(*code: str) -> float:
        return statistics.median(start_time.spent(code) for _ in range(2 * rounds + 1))

    bare = seconds("-c", "import typer, rich.console, rich.table")
    for name, words in {
        "--help": ("-m", "sami_eval", "--help"),
        "import": ("-c", "import sami_eval"),
    }.items():
        yield Row(f"`{name}`", "typer and rich", seconds(*words) / bare, "x CPU", "at most 2")


def decoded(rounds: int) -> Iterator[Row]:
    """Our decoding against transformers' in batches as large, on the embedded base."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        words = ["-m", "benchmarks.generate", "--rounds", str(rounds), "--out", str(out)]
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())["sides"]["generate"]
    yield Row(
        "answers, embedded base",
        "generate() in batches",
        found["ours_against_it"],
        "x faster",
        "above 1",
        True,
    )


def stepped(rounds: int) -> Iterator[Row]:
    """A step of SAMI's training against plain rows."""
    from benchmarks import sami_step

    sami_step.torch.set_num_threads(1)
    wanted = {2: ("at least 2.2", "at least 5"), 4: ("at least 3.3", "at least 10")}
    for shape in (sami_step.HEAD, sami_step.BODY):
        for n in (2, 4):
            with redirect_stdout(sys.stderr):
                row = sami_step.compare(shape, n, rounds)
            time, room = wanted[n] if shape is sami_step.BODY else ("as now", "as now")
            for name, unit, goal in (
                ("times_faster", "x faster", time),
                ("times_leaner", "x leaner", room),
            ):
                value = float(str(row[name]))
                yield Row(f"SAMI step, {shape.name}, N={n}", "plain rows", value, unit, goal, True)


def trained(rounds: int) -> Iterator[Row]:
    """Trainings by SAMI, DPO and SFT beside TRL's, on the embedded base."""
    from benchmarks import trainers

    with redirect_stdout(sys.stderr):
        trainers.warm_up(trainers.embedded_base())
        found = trainers.compare(trainers.embedded_base(), "embedded", 2, rounds, steps=10)
    for method, against in (("sami", "dpo"), ("dpo", "dpo"), ("sft", "sft")):
        mine, other, beside = found[method]["ours"], found[against]["trl"], f"TRL's {against}"
        faster = mine.rate / other.rate
        yield Row(f"{method}, tokens a second", beside, faster, "x faster", "above 1", True)
        took = mine.whole / other.whole
        yield Row(f"{method}, with loading and saving", beside, took, "x CPU", "below 1")


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "start": begun,
    "judging": judged,
    "sharing": shared,
    "growth": grown,
    "generate": decoded,
    "step": stepped,
    "trainers": trained,
}


def machine() -> str:
    """What it ran on, and how busy that was."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else "unknown processor"
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def compared(row: Row, before: dict[str, float]) -> str:
    """What it was, and whether it is a fifth worse now."""
    was = before.get(f"{row.what} | {row.against} | {row.unit}")
    if was is None:
        return ""
    worse = was / row.value if row.more_is_better else row.value / was
    return f"{was:9.2f}{'  WORSE' if worse > WORSE else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="one round of each")
    parser.add_argument("--json", type=Path, help="a file for the rows")
    parser.add_argument("--beside", type=Path, help="a file of rows from an earlier run")
    asked = parser.parse_args()
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part `{unknown[0]}`; there are {', '.join(PARTS)}")
    kept = json.loads(asked.beside.read_text())["rows"] if asked.beside else []
    before = {f"{one['what']} | {one['against']} | {one['unit']}": one["value"] for one in kept}
    print(machine())
    print(f"{'what':34}{'against':24}{'':>9} {'':10}{'wanted':16}{'before' if before else ''}")
    rows = []
    for part in asked.parts or PARTS:
        for row in PARTS[part](1 if asked.quick else 3):
            rows.append(row)
            figures = f"{row.value:9.2f} {row.unit:10}{row.wanted:16}"
            print(f"{row.what:34}{row.against:24}{figures}{compared(row, before)}", flush=True)
    if asked.json:
        found = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
