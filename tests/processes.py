"""The command in processes of its own: started, watched through its ledger, killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from sami_eval.cli import main; main()"]


def count(folder: Path, table: str = "completions") -> int:
    """Rows in a table of the ledger; 0 before it exists."""
    path = folder / ".sami-eval" / "ledger.db"
    if not path.exists():
        return 0
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            rows = db.execute(f"SELECT count(*) FROM {table}").fetchone()
        except sqlite3.OperationalError:
            return 0
        finally:
            db.rollback()
    db.close()
    return int(rows[0])


def start(folder: Path, job: Sequence[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *job],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def kill_when(folder: Path, reached: Callable[[], bool], job: Sequence[str]) -> None:
    """Run the job and SIGKILL it once a stage is reached; it must not have ended by itself."""
    process = start(folder, job)
    assert process.stdout is not None
    try:
        while not reached():
            try:
                process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"ended with {process.returncode} before the stage was reached")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def finish(folder: Path, job: Sequence[str]) -> Any:
    process = start(folder, job)
    text, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(text)


def at_least(folder: Path, n_replies: int) -> Callable[[], bool]:
    return lambda: count(folder, "replies") >= n_replies
