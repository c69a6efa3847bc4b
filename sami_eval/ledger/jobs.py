"""Batch jobs: what was handed in, where, and which requests stand in it.

A job is written down before anything of it is sent, so that whatever ends a run, the next one finds
it. A request stands in one job at a time: no two runs can hand it in twice.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sami_eval.ledger.file import connect, glance, ledger_error, transaction
from sami_eval.ledger.leases import is_alive, this_node

WRITTEN = "written"  # here alone: nothing was sent
SENDING = "sending"  # its end was not seen: the vendor may have it
READ = "read"  # every row of it was taken, or given up
ABANDONED_S = 3600.0  # a job that is being handed in for longer has nobody left who does it
_CHUNK = 500  # SQLite allows 999 variables a statement in old builds


@dataclass(frozen=True, slots=True)
class Job:
    """One batch job.

    mark: ours; goes to the vendor with it, so that it can be found there. kind: how it is asked.
    engine, model, url, key_variable: who is asked, where, with the key in which variable.
    dialect: how its requests are phrased. n: the requests in it.
    state: WRITTEN, SENDING, then as the vendor calls it, READ in the end.
    file: the vendor's id of its input, or the path. id: the vendor's of the job; None: not known.
    others: ids that were taken for it and are not. done, failed: rows, at the last look.
    created: seconds since 1970. owner: the process that hands it in.
    """

    mark: str
    kind: str
    engine: str
    model: str
    url: str
    key_variable: str | None
    dialect: tuple[str, ...]
    n: int
    state: str = WRITTEN
    file: str | None = None
    id: str | None = None
    others: tuple[str, ...] = ()
    done: int | None = None
    failed: int | None = None
    created: float = dataclasses.field(default_factory=time.time)
    owner: str = ""

    @property
    def name(self) -> str:
        """As a person names it: the vendor's id, else our mark."""
        return self.id or self.mark

    @property
    def is_being_sent(self) -> bool:
        """Whether another live process is handing it in."""
        if self.id is not None or not self.owner or self.state not in (WRITTEN, SENDING):
            return False
        age = time.time() - self.created
        mine = self.owner.split("|")[1:2] == [str(os.getpid())]
        elsewhere = self.owner.split("|")[0] != this_node()
        return not mine and age < ABANDONED_S and (elsewhere or is_alive(self.owner, 0.0))


_COLUMNS = tuple(field.name for field in dataclasses.fields(Job))
_LISTS = ("dialect", "others")


def new_mark() -> str:
    """A job's name, which nobody else has."""
    return f"sami-eval-{uuid.uuid4().hex}"


class Jobs:
    """The jobs of one ledger; safe for several processes.

    read_only: nothing is written; a ledger that is not there has none.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._connect = glance if read_only else connect

    def begin(self, job: Job, keys: Sequence[str]) -> list[str]:
        """Write a job down with those of the keys that stand in no other; which those are."""
        owner = f"{this_node()}|{os.getpid()}|{job.mark}"
        with self._open() as db, transaction(db):
            db.executemany(
                "INSERT OR IGNORE INTO batched (key, mark) VALUES (?, ?)",
                [(key, job.mark) for key in keys],
            )
            taken = {k for (k,) in db.execute("SELECT key FROM batched WHERE mark = ?", [job.mark])}
            if taken:
                _store(db, dataclasses.replace(job, n=len(taken), owner=owner))
        return [key for key in keys if key in taken]

    def holding(self, keys: Iterable[str]) -> dict[str, str]:
        """The marks of the jobs that some keys stand in, by key."""
        wanted = list(keys)
        found: dict[str, str] = {}
        with self._open() as db:
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, mark FROM batched WHERE key IN ({marks})"
                found.update(db.execute(query, chunk).fetchall())
        return found

    def hold_any(self) -> bool:
        """Whether any request stands in a job."""
        with self._open() as db:
            return db.execute("SELECT 1 FROM batched LIMIT 1").fetchone() is not None

    def read(self, mark: str) -> Job | None:
        """A job; None where it was dissolved."""
        return next(iter(self._jobs("WHERE mark = ?", [mark])), None)

    def every(self) -> list[Job]:
        """All jobs, the oldest first."""
        return self._jobs("ORDER BY created", [])

    def note(self, job: Job) -> None:
        """Write down what a job is like by now."""
        with self._open() as db, transaction(db):
            _store(db, job)

    def free(self, keys: Iterable[str], mark: str) -> bool:
        """The answers to these were taken, or will not come: they stand in the job no more.

        Whether nothing stands in it now. What was stored before is on the disk by then: this
        connection, unlike the ledger's, waits for that.
        """
        with self._open() as db, transaction(db):
            rows = [(key, mark) for key in keys]
            db.executemany("DELETE FROM batched WHERE key = ? AND mark = ?", rows)
            left = db.execute("SELECT 1 FROM batched WHERE mark = ? LIMIT 1", [mark]).fetchone()
            if left is None:
                db.execute("UPDATE batches SET state = ? WHERE mark = ?", [READ, mark])
        return left is None

    def dissolve(self, job: Job) -> None:
        """Forget a job that was never handed in."""
        with self._open() as db, transaction(db):
            db.execute("DELETE FROM batched WHERE mark = ?", [job.mark])
            db.execute("DELETE FROM batches WHERE mark = ?", [job.mark])

    def _jobs(self, where: str, values: Sequence[str]) -> list[Job]:
        with self._open() as db:
            rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM batches {where}", values)
            return [_job(dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect(self.path)) as db:
                yield db
        except sqlite3.Error as error:
            raise ledger_error(self.path, error) from None


def _store(db: sqlite3.Connection, job: Job) -> None:
    row = {name: getattr(job, name) for name in _COLUMNS}
    row |= {name: json.dumps(row[name]) for name in _LISTS}
    marks = ", ".join("?" * len(row))
    statement = f"INSERT OR REPLACE INTO batches ({', '.join(row)}) VALUES ({marks})"
    db.execute(statement, list(row.values()))


def _job(row: Mapping[str, Any]) -> Job:
    return Job(**{**row, **{name: tuple(json.loads(row[name] or "[]")) for name in _LISTS}})
