"""The command in processes of its own: started, watched through its ledger, killed.

They are forked from a server that has made the imports, which cost more than most of these
commands do; `COMMAND` starts one from nothing.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from sami_eval.cli import main; main()"]
_FORKS = multiprocessing.get_context("forkserver")
tempfile.gettempdir()  # where the server's socket lies: not in the TMPDIR of the test that is first
_OF_JUDGING = ["sami_eval.cli", "sami_eval.experiment.compare", "sami_eval.server.client"]
_OF_JUDGING += ["openai", "scipy.stats", "numpy.random"]
_OF_MODELS = ["peft", "accelerate", "sami_eval.align.training", "sami_eval.generate.hf"]
_OF_MODELS += [f"transformers.models.auto.{name}_auto" for name in ("modeling", "tokenization")]
_OF_MODELS += ["transformers.models.llama.modeling_llama"]
_FORKS.set_forkserver_preload(_OF_JUDGING)


def import_models_too() -> None:
    """Where many of the processes read or train a model: seconds, once."""
    _FORKS.set_forkserver_preload([*_OF_JUDGING, *_OF_MODELS])


def command(*words: str) -> None:
    """What `COMMAND` does with these words."""
    from sami_eval.cli import main

    sys.argv = ["sami-eval", *words]
    main()


class Started:
    """A forked process: what the tests use of a `subprocess.Popen`."""

    def __init__(
        self, folder: Path, call: Callable[..., object], *given: object, err: bool = False
    ):
        pipes = [_FORKS.Pipe(duplex=False) for _ in range(1 + err)]
        self._ours, theirs = [one for one, _ in pipes], [one for _, one in pipes]
        place = str(folder), {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = _FORKS.Process(target=_begin, args=(*place, theirs, call, given))
        self._process.start()
        for one in theirs:
            one.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked command", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def lines(self) -> Iterator[str]:
        """What it says, line by line as it says it."""
        with open(self._ours[-1].fileno(), closefd=False, encoding="utf-8") as stream:
            yield from stream

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it printed, and what it said beside it where that is kept, once it has ended."""
        texts = []
        for one in self._ours:
            with open(one.fileno(), closefd=False, encoding="utf-8") as stream:
                texts.append(stream.read())
        self.wait(timeout)
        return texts[0], texts[-1]


def _begin(
    folder: str,
    environment: dict[str, str],
    streams: Sequence[Connection],
    call: Callable[..., object],
    given: Sequence[object],
) -> None:
    """In the new process: its folder, its streams, a group of its own; then the call."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as TMPDIR now says
    gc.freeze()  # what was imported is not looked through again
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for number, one in enumerate(streams, 1):
        os.dup2(one.fileno(), number)
        one.close()
    call(*given)


def start(folder: Path, job: Sequence[str], err: bool = False) -> Started:
    return Started(folder, command, *job, err=err)


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


def kill_when(folder: Path, reached: Callable[[], bool], job: Sequence[str]) -> None:
    """Run the job and SIGKILL it once a stage is reached; it must not have ended by itself."""
    process = start(folder, job)
    try:
        while not reached():
            try:
                process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"ended with {process.returncode} before the stage was reached")
    finally:
        process.kill()
        process.wait()


def finish(folder: Path, job: Sequence[str]) -> Any:
    process = start(folder, job)
    text, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(text)


def at_least(folder: Path, n_replies: int) -> Callable[[], bool]:
    return lambda: count(folder, "replies") >= n_replies
