"""A run that was stopped for longer than its leases last: nothing twice, nothing overwritten."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import Started, command, count
from tests.records import write_records

N = 160  # 40 questions, 2 turns, 2 orders
AT_ONCE = 4


def patient(expire_s: float, *words: str) -> None:
    from sami_eval.core import progress
    from sami_eval.ledger import leases

    leases.BEAT_S, leases.EXPIRE_S = 0.2, expire_s
    progress.LINE_EVERY_S = 0.1
    command(*words)


def begin(folder: Path, server: LoopbackJudge, expire_s: float) -> Started:
    asked = ["--judge", "quality", "--judge-model", "openai:x", "--base-url", server.url]
    records = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--json"]
    job = [*records, *asked, "--concurrency", str(AT_ONCE)]
    return Started(folder, patient, expire_s, *job, err=True)


def put_to_sleep(folder: Path, run: Started) -> None:
    """Stop a run between two writes: one stopped within a write keeps the ledger to itself."""
    while True:
        run.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(folder / ".sami-eval" / "ledger.db", timeout=0.2)) as ledger:
            try:
                ledger.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError:
                run.send_signal(signal.SIGCONT)
                time.sleep(0.01)


def stop_and_wake(folder: Path, expire_s: float, asleep_s: float) -> None:
    """One run is stopped in its midst, a second goes on in its place, the first wakes."""
    write_records(folder)
    with LoopbackJudge(Behaviour(better_rate=0.7, latency_s=0.1)) as server:
        first = begin(folder, server, expire_s)
        while count(folder, "replies") < 20:
            assert first.poll() is None
            time.sleep(0.01)
        put_to_sleep(folder, first)
        stopped, since = server.n_calls, time.monotonic()
        second = begin(folder, server, expire_s)
        while time.monotonic() - since < asleep_s or server.n_calls < stopped + 20:
            assert second.poll() in (None, 0)
            time.sleep(0.05)
        first.send_signal(signal.SIGCONT)
        said = [process.communicate(timeout=120) for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], said[0][1] + said[1][1]
        documents = [json.loads(text) for text, _ in said]
        assert documents[0]["comparisons"] == documents[1]["comparisons"]
        assert count(folder, "replies") == N
        assert documents[0]["run"] != documents[1]["run"]
        twice = Counter(json.dumps(call.body, sort_keys=True) for call in server.calls)
        assert len(twice) == N
        assert server.n_calls - N <= AT_ONCE  # what was in flight when it was stopped
        assert all(n <= 2 for n in twice.values())


def test_a_run_that_slept_beyond_its_leases_asks_for_nothing_twice(tmp_path: Path) -> None:
    stop_and_wake(tmp_path, expire_s=4.0, asleep_s=7.0)


@pytest.mark.slow
def test_a_run_that_slept_for_a_minute_asks_for_nothing_twice(tmp_path: Path) -> None:
    stop_and_wake(tmp_path, expire_s=30.0, asleep_s=60.0)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads a process's time there")
def test_a_run_that_waits_takes_next_to_nothing(tmp_path: Path) -> None:
    write_records(tmp_path)
    with LoopbackJudge(Behaviour(latency_s=3.0)) as server:
        first = begin(tmp_path, server, 30.0)
        while count(tmp_path, "replies") < 5:
            time.sleep(0.01)
        second = begin(tmp_path, server, 30.0)
        assert any(line.startswith("waiting for another run") for line in second.lines())
        before = cpu_s(second.pid)
        time.sleep(3)
        took = (cpu_s(second.pid) - before) / 3
        for process in (first, second):
            process.kill()
            process.communicate()
    print(f"{took:.2%} of a core")
    assert took <= 0.02
