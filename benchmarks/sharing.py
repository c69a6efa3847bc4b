"""Several runs on one ledger: what it takes to wait for another, and to do one thing together.

    python -m benchmarks.sharing

A wait: one process leases 2,000 keys and stores replies, some 20 a second; another wants the same
and shows a bar. CPU is the waiting process's from its asking to its end. Lag: from the other's end,
or its death by SIGKILL, until the waiting one goes on.
Together: processes that ask the same judgments of one server at the same moment, against one.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import judging
from sami_eval.core import progress
from sami_eval.core.calls import Reply
from sami_eval.ledger.leases import Claim, share
from sami_eval.ledger.store import Ledger
from tests.loopback_judge import Behaviour, LoopbackJudge

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

PROCESS = multiprocessing.get_context("spawn")
KEYS = [f"{i:064x}" for i in range(2_000)]
A_SECOND = 20


class Waited(NamedTuple):
    """Of one core while it waited; seconds until it went on after the other's end, and death."""

    share: float
    after_end_s: float
    after_death_s: float


def _hold(path: Path, seconds: float, begun: Event, said: SimpleQueue[float]) -> None:
    def work(keys: Claim) -> None:
        begun.set()
        until = time.time() + seconds
        while time.time() < until:
            ledger.add_replies([(keys.pop(), "quality", Reply("[[A]]"))])
            time.sleep(1 / A_SECOND)
        ledger.add_replies((key, "quality", Reply("[[A]]")) for key in keys)

    with Ledger(path) as ledger:
        share(KEYS, ledger.replies, work, ledger, progress.silent())
        said.put(time.time())


class _Terminal(io.StringIO):
    """Where a bar is drawn, and nobody looks."""

    def isatty(self) -> bool:
        """As a terminal has it."""
        return True


def _wait(path: Path, said: SimpleQueue[tuple[float, float]]) -> None:
    begun: list[float] = []
    sys.stderr = _Terminal()
    bars = progress.terminal()
    with bars.track("what is loaded by the first", 1):
        pass

    def work(keys: Sequence[str]) -> None:
        begun.append(time.time())

    with Ledger(path) as ledger:
        wall, cpu = time.time(), time.process_time()
        share(KEYS, ledger.replies, work, ledger, bars)
        ended = begun[0] if begun else time.time()
        said.put((ended, (time.process_time() - cpu) / (ended - wall)))


def _waited(path: Path, seconds: float, killed: bool) -> tuple[float, float]:
    """The waiting process's part of a core, and seconds until it went on."""
    begun, ended, waited = PROCESS.Event(), PROCESS.SimpleQueue(), PROCESS.SimpleQueue()
    longer = 10 * seconds if killed else seconds
    holder = PROCESS.Process(target=_hold, args=(path, longer, begun, ended))
    waiter = PROCESS.Process(target=_wait, args=(path, waited))
    holder.start()
    begun.wait()
    waiter.start()
    if killed:
        time.sleep(seconds)
        holder.kill()
    since = time.time() if killed else ended.get()
    went_on, part = waited.get()
    for process in (holder, waiter):
        process.join()
    return part, went_on - since


def waiting(seconds: float) -> Waited:
    """A wait of so many seconds, for a run that ends and for one that is killed."""
    with tempfile.TemporaryDirectory() as folder:
        part, after_end_s = _waited(Path(folder) / "ended.db", seconds, killed=False)
        _, after_death_s = _waited(Path(folder) / "killed.db", min(seconds, 5), killed=True)
    return Waited(part, after_end_s, after_death_s)


def _ask(url: str, path: Path, n: int, ready: Barrier, said: SimpleQueue[float]) -> None:
    judging.ours(url, 64, 64)  # what is loaded by the first call
    ready.wait()
    said.put(judging.ours(url, n, 64, path).cpu)


def together(n_processes: int, n: int = 2_000) -> float:
    """CPU seconds of all processes; raises RuntimeError where a call was made twice or never."""
    ready, said = PROCESS.Barrier(n_processes), PROCESS.SimpleQueue()
    behaviour = Behaviour(latency_s=judging.LATENCY_S)
    with tempfile.TemporaryDirectory() as folder, LoopbackJudge(behaviour) as server:
        path = Path(folder) / "ledger.db"
        arguments = (server.url, path, n, ready, said)
        every = [PROCESS.Process(target=_ask, args=arguments) for _ in range(n_processes)]
        for process in every:
            process.start()
        for process in every:
            process.join()
        failed = sum(process.exitcode != 0 for process in every)
        calls = server.n_calls - 64 * n_processes
        if failed or calls != n:
            raise RuntimeError(f"{failed} processes failed; {calls} calls for {n} judgments")
        return sum(said.get() for _ in every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="that one waits")
    parser.add_argument("--processes", type=int, default=4)
    asked = parser.parse_args()
    found = waiting(asked.seconds)
    print(f"waiting: {found.share:.2%} of a core")
    print(f"goes on {found.after_end_s:.2f} s after the other's end", end=", ")
    print(f"{found.after_death_s:.2f} s after its death")
    one, several = together(1), together(asked.processes)
    print(f"{asked.processes} processes, each call made once: {several / one:.2f} x CPU of one")


if __name__ == "__main__":
    main()
