"""Judgments through judge_all, ledger and all, against a bare loop over the same client.

    python -m benchmarks.judging
    python -m benchmarks.judging --where    # shares of our time, by cProfile

Both ask the same loopback server (50 ms a reply), alternating; medians of the rounds. CPU is this
process's, without the server's. The latency bound is what no client can beat:
judgments / calls in flight x latency.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from openai import AsyncOpenAI

from sami_eval import judge
from sami_eval.core import progress
from sami_eval.core.config import Config
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings

ROOT = Path(__file__).resolve().parents[1]
LATENCY_S = 0.05


def contestants(n: int) -> tuple[list[Prompt], list[Response], list[Response]]:
    """One-turn prompts and two answers of some 200 words to each."""
    prompts = [Prompt(str(i), "writing", (f"Write about number {i}.",)) for i in range(n)]
    sides = [
        [
            Response(p.id, name, (f"{name} on {p.id}. " + "Some words follow. " * 70,))
            for p in prompts
        ]
        for name in ("sami", "dpo")
    ]
    return prompts, *sides


class Took(NamedTuple):
    """Seconds of a run: by the clock, and of this process's CPU."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    """What a piece of work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def ours(url: str, n_judgments: int, at_once: int, path: Path | None = None) -> Took:
    """judge_all in both orders. path: of a ledger that others write, too; else a fresh one."""
    prompts, a, b = contestants(n_judgments // 2)
    settings, verdicts = ClientSettings(url, concurrency=at_once), list[Verdict]()
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(path or Path(folder) / "ledger.db") as ledger,
    ):
        tools = Tools(Config(Path.cwd()), ledger, progress.silent(), settings)
        quality = judge.read_judge("quality")
        took = timed(lambda: verdicts.extend(judge.judge_all(quality, prompts, a, b, tools=tools)))
    assert len(verdicts) == n_judgments
    assert all(verdict.winner for verdict in verdicts)
    return took


def bare(url: str, n_judgments: int, at_once: int) -> Took:
    """A plain loop over the client with the same messages, keeping nothing."""
    prompts, a, b = contestants(n_judgments // 2)
    quality = judge.read_judge("quality")
    conversations = iter(
        [
            [
                {"role": role, "content": text}
                for role, text in judge.render(quality, prompt, 0, a[i], b[i], first)
            ]
            for i, prompt in enumerate(prompts)
            for first in judge.BOTH
        ]
    )

    async def work(client: AsyncOpenAI) -> None:
        for messages in conversations:
            reply = await client.chat.completions.create(
                model="gpt-4o", messages=messages, temperature=0, max_tokens=2048
            )
            assert reply.choices[0].message.content

    async def loop() -> None:
        async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0, timeout=600) as client:
            await asyncio.gather(*(work(client) for _ in range(at_once)))

    return timed(lambda: asyncio.run(loop()))


@contextmanager
def serving() -> Iterator[str]:
    """A loopback judge in a process of its own; its address."""
    command = [sys.executable, "-m", "tests.loopback_judge", "--latency-s", str(LATENCY_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def both(url: str, n: int, at_once: int, rounds: int) -> tuple[Took, Took]:
    """Ours and the bare loop's, medians of the rounds."""
    found = [(ours(url, n, at_once), bare(url, n, at_once)) for _ in range(rounds)]
    mine, theirs = (
        Took(*(statistics.median(one) for one in zip(*side, strict=True)))
        for side in zip(*found, strict=True)
    )
    return mine, theirs


def room_of(file: str, function: str) -> str:
    """Whose code a function of a profile is: a folder of ours, a library, a kind of built-in."""
    ours = re.search(r"sami_eval/(\w+)", file)
    library = re.search(r"(?:.*site-packages|.*python3\.\d+)/(\w+)", file)
    if ours or library:
        return f"sami_eval/{ours[1]}" if ours else library[1] if library else ""
    kinds = {"sqlite3": "sqlite3", "socket": "network", "epoll": "network", "json": "json"}
    return next((kind for word, kind in kinds.items() if word in function), "other")


def where(url: str, n_judgments: int, at_once: int) -> Counter[str]:
    """Seconds by whose code took them, under a profiler."""
    profile, spent = cProfile.Profile(), Counter[str]()
    profile.runcall(ours, url, n_judgments, at_once)
    for (file, _, function), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[room_of(file, function)] += row[2]
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judgments", type=int, default=2000)
    parser.add_argument("--at-once", type=int, nargs="+", default=[64, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--where", action="store_true", help="shares of our time, by cProfile")
    args = parser.parse_args()
    n = args.judgments
    with serving() as url:
        ours(url, 200, 64)  # the first warms up
        if args.where:
            for at_once in args.at_once:
                spent = where(url, n, at_once)
                shares = (f"{room} {s / spent.total():.0%}" for room, s in spent.most_common(12))
                print(f"{at_once} in flight: {', '.join(shares)}", flush=True)
            return
        print("in flight   ms of CPU a call: ours  bare  ratio   seconds: ours  bare  bound")
        for at_once in args.at_once:
            mine, theirs = both(url, n, at_once, args.rounds)
            print(
                f"{at_once:9}  {1e3 * mine.cpu / n:20.2f} {1e3 * theirs.cpu / n:6.2f} "
                f"{mine.cpu / theirs.cpu:6.2f}  {mine.wall:14.2f} {theirs.wall:6.2f} "
                f"{n / at_once * LATENCY_S:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
