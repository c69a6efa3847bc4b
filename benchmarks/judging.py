"""2,000 judgments through judge_all, ledger and all, against a bare loop over the same client.

    python benchmarks/judging.py

Both ask the same loopback server (50 ms a reply, 64 at once), alternating; medians of the rounds.
The latency bound is what no client can beat: judgments / concurrency x latency.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from openai import AsyncOpenAI

from sami_eval import judge
from sami_eval.core import progress
from sami_eval.core.config import Config
from sami_eval.core.types import Prompt, Response
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings

ROOT = Path(__file__).resolve().parents[1]
LATENCY_S, CONCURRENCY = 0.05, 64


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


def ours(url: str, n_judgments: int) -> float:
    """Seconds for judge_all in both orders with a fresh ledger."""
    prompts, a, b = contestants(n_judgments // 2)
    settings = ClientSettings(url, concurrency=CONCURRENCY)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.db") as ledger:
        start = time.perf_counter()
        verdicts = judge.judge_all(
            judge.read_judge("quality"),
            prompts,
            a,
            b,
            tools=Tools(Config(Path.cwd()), ledger, progress.silent(), settings),
        )
        seconds = time.perf_counter() - start
    assert len(verdicts) == n_judgments
    assert all(verdict.winner for verdict in verdicts)
    return seconds


def bare(url: str, n_judgments: int) -> float:
    """Seconds for a plain loop over the client with the same messages, keeping nothing."""
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
        async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:
            await asyncio.gather(*(work(client) for _ in range(CONCURRENCY)))

    start = time.perf_counter()
    asyncio.run(loop())
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judgments", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    command = [sys.executable, "-m", "tests.loopback_judge", "--latency-s", str(LATENCY_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        rounds = [
            (ours(url, args.judgments), bare(url, args.judgments)) for _ in range(args.rounds + 1)
        ][1:]  # the first warms up
        server.terminate()
    mine, theirs = (statistics.median(side) for side in zip(*rounds, strict=True))
    print(f"judge_all with ledger  {mine:6.2f} s")
    print(f"bare loop              {theirs:6.2f} s")
    print(f"latency bound          {args.judgments / CONCURRENCY * LATENCY_S:6.2f} s")
    print(f"ratio                  {mine / theirs:6.2f}   (median of {args.rounds} rounds)")


if __name__ == "__main__":
    main()
