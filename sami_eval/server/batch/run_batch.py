"""Batch jobs that a person runs: vLLM's `run-batch` file, on any cluster.

The file is OpenAI's, one request a line; its answers are looked for beside it. vLLM writes them
whole at the end of its run.

https://docs.vllm.ai (examples: offline inference with the OpenAI batch file format)
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sami_eval.core.errors import SamiEvalError
from sami_eval.ledger.jobs import Job
from sami_eval.ledger.store import atomic_write, disk_error
from sami_eval.server.batch.vendor import Row, Status, read_rows

_STILL_S = 10.0  # a file that is short of rows and younger than this may still be written


class RunBatch:
    """A file for `vllm run-batch`; folder: where it is laid."""

    most_requests = 1_000_000
    most_bytes = 4 * 10**9
    names_jobs = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def line(self, key: str, body: Mapping[str, object]) -> str:
        """One request."""
        row = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(row, ensure_ascii=False)

    async def upload(self, job: Job, lines: Sequence[str]) -> str | None:
        """The path of the file."""
        path = self._folder / f"{job.mark}.jsonl"
        atomic_write(path, "\n".join(lines) + "\n")
        return str(path.resolve())

    async def create(self, job: Job, lines: Sequence[str]) -> str:
        """Nothing more: a person runs it."""
        return job.mark

    async def find(self, job: Job) -> str | None:
        """Whether the file is there."""
        return job.mark if job.file and Path(job.file).is_file() else None

    async def status(self, job: Job) -> Status:
        """Completed where its answers lie there."""
        out = answers_of(job)
        if not out.is_file():
            return Status("to be run")
        n = len(list(read_rows(_text(out))))
        if n < job.n and time.time() - out.stat().st_mtime < _STILL_S:
            return Status("being written", n)
        return Status("completed", n)

    async def rows(self, job: Job, status: Status) -> list[Row]:
        """What vLLM answered."""
        return list(read_rows(_text(answers_of(job))))

    async def cancel(self, job: Job) -> None:
        """Take the file away, and the answers with it."""
        for path in (Path(job.file or ""), answers_of(job)):
            if path.is_file():
                os.unlink(path)

    async def delete(self, job: Job, status: Status) -> str:
        """Nothing: they are the user's own."""
        return ""

    async def close(self) -> None:
        """Nothing is held."""


def answers_of(job: Job) -> Path:
    """Where the answers to a job are looked for."""
    path = Path(job.file or "")
    return path.with_name(f"{path.stem}.answers.jsonl")


def command_of(job: Job) -> str:
    """What a person types to have it run."""
    paths = ["-i", job.file or "", "-o", str(answers_of(job))]
    return shlex.join(["vllm", "run-batch", *paths, "--model", job.model])


def to_run(jobs: Sequence[Job]) -> SamiEvalError:
    """What to say where files wait to be run."""
    n = sum(job.n for job in jobs)
    files = "a file" if len(jobs) == 1 else f"{len(jobs)} files"
    return SamiEvalError(
        f"{n:,} requests wait in {files} for vLLM",
        "; ".join(map(command_of, jobs)) + "; then this same command reads the answers",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise disk_error(path, error) from None
