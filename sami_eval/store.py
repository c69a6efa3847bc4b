"""The ledger of everything expensive, in SQLite, and atomic writes of small files.

A completion or a reply is stored the moment it exists, under the SHA-256 of what determines it, so
a rerun asks only for what is missing and a kill loses at most what was in flight. A judge's raw
reply is stored and parsed on reading.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from sami_eval.calls import Completion, Reply, TokenLogps
from sami_eval.errors import SamiEvalError, UsageError
from sami_eval.mounts import network_type, read_mounts
from sami_eval.types import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, token_ids TEXT NOT NULL,
    finished INTEGER, n_tokens INTEGER, created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    token_logps TEXT, thoughts TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, text TEXT NOT NULL, model_reported TEXT,
    prompt_tokens INTEGER, completion_tokens INTEGER, finished INTEGER, failure TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, token_logps TEXT, thoughts TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_by_owner ON leases (owner);
"""
_VERSION = 4  # 2: owners and leases; 3: token_logps; 4: thoughts
BUSY_S = 60.0  # how long a process waits for another's write
_CHUNK = 500  # SQLite allows 999 variables a statement in old builds


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"a key cannot hold {type(value).__name__}")


def key(*parts: object) -> str:
    """SHA-256 of the canonical JSON of the parts; dataclasses count by their fields."""
    text = json.dumps(parts, default=_plain, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def disk_error(path: Path, error: OSError | sqlite3.Error) -> SamiEvalError:
    """What to tell the user when the disk refuses: nothing stored so far is lost."""
    return SamiEvalError(
        f"cannot write `{path}`: {error}",
        "free the disk or choose another place with --out, then run the same command: it resumes",
    )


def atomic_write(path: Path, text: str) -> None:
    """Write a text file that is either the old one or the whole new one, never a part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise disk_error(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise disk_error(path, error) from None


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a ledger's file, each statement its own transaction unless one is begun."""
    # A reply may arrive in the client's thread; no two threads ever write at once.
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


Say = Callable[[str], None]


def journal_mode(path: Path, say: Say) -> str:
    """How SQLite keeps the file whole: a write-ahead log, unless a network lies between."""
    kind = network_type(path.resolve(), read_mounts())
    if kind is None:
        return "WAL"
    say(
        f"`{path}` lies on a network file system ({kind}): its ledger is kept without a "
        "write-ahead log, which is slower"
    )
    return "DELETE"


def _set_journal_mode(db: sqlite3.Connection, mode: str) -> None:
    """Set it, waiting for other processes that open the same new file.

    SQLite itself does not: its timeout is not for two that both want to change the mode.
    """
    give_up = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # above: which kind of busy
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _migrate(db: sqlite3.Connection) -> None:
    """Bring a file of any earlier version to this one; what it holds stays."""
    db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
    for table in ("completions", "replies"):
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in {"token_logps", "thoughts"} - columns:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def _glance(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even the files SQLite lays beside an open one.

    An older ledger is seen as it will be: brought up to date in memory.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None)
    version = 0
    if path.exists():
        log = path.with_name(f"{path.name}-wal")
        # A file without a log is whole. One with a log is read together with it.
        how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
        stored = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", timeout=BUSY_S, uri=True)
        version = stored.execute("PRAGMA user_version").fetchone()[0]
        if version >= _VERSION:
            memory.close()
            return stored
        stored.backup(memory)
        stored.close()
    _migrate(memory)
    return memory


def _unsaid(text: str) -> None:
    pass


class Ledger:
    """What has been generated and judged so far, in one SQLite file; safe for several processes."""

    def __init__(self, path: Path, read_only: bool = False, say: Say = _unsaid) -> None:
        """Open the ledger of this path, new where there is none.

        read_only: nothing is written; where there is none, it is empty and stays away.
        say: tells the user what the place of the file means for it.
        """
        self.path = path
        try:
            if read_only:
                self._db = _glance(path)
                self._check_version()
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(path)
            self._prepare(say)
        except (OSError, sqlite3.OperationalError) as error:
            raise disk_error(path, error) from None
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"`{path}` is not a ledger: {error}", "move it away; a new one is begun"
            ) from None

    def _check_version(self) -> int:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise UsageError(
                f"`{self.path}` was written by a newer sami-eval (ledger version {version})",
                "pip install --upgrade sami-eval",
            )
        return int(version)

    def _prepare(self, say: Say) -> None:
        version = self._check_version()
        _set_journal_mode(self._db, journal_mode(self.path, say))
        self._db.execute("PRAGMA synchronous = NORMAL")
        if version < _VERSION:
            _migrate(self._db)

    def __enter__(self) -> Ledger:
        """Use as a context manager; leaving closes the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; every row given so far is stored."""
        self._db.close()

    def _select(self, columns: str, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, {columns} FROM {table} WHERE key IN ({marks})"
            yield from self._db.execute(query, chunk)

    def _insert(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        marks = ",".join("?" * len(rows[0]))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", rows
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise disk_error(self.path, error) from None

    def has_completions(self) -> bool:
        """Whether anything was ever generated."""
        return self._db.execute("SELECT 1 FROM completions LIMIT 1").fetchone() is not None

    def completions(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The stored completions among the keys."""
        columns = "text, token_ids, finished, n_tokens, token_logps, thoughts"
        return {
            row_key: Completion(text, tuple(json.loads(ids)), _truth(ended), n, _logps(logps), said)
            for row_key, text, ids, ended, n, logps, said in self._select(
                columns, "completions", keys
            )
        }

    def add_completions(self, rows: Iterable[tuple[str, str, Completion]]) -> None:
        """Store (key, model name, completion) rows in one transaction."""
        self._insert(
            "completions",
            "key, model, text, token_ids, finished, n_tokens, token_logps, thoughts",
            [
                (
                    *(k, name, c.text, json.dumps(c.token_ids), c.finished, c.n_tokens),
                    *(_json(c), c.thoughts),
                )
                for k, name, c in rows
            ],
        )

    def replies(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The stored judge replies among the keys."""
        columns = (
            "text, model_reported, prompt_tokens, completion_tokens, finished, failure, "
            "token_logps, thoughts"
        )
        return {
            row_key: Reply(
                text,
                model,
                None if n_in is None else Usage(n_in, n_out),
                _truth(finished),
                failure,
                token_logps=_logps(logps),
                thoughts=said or "",
            )
            for row_key, text, model, n_in, n_out, finished, failure, logps, said in self._select(
                columns, "replies", keys
            )
        }

    def add_replies(self, rows: Iterable[tuple[str, str, Reply]]) -> None:
        """Store (key, judge name, reply) rows in one transaction."""
        self._insert(
            "replies",
            "key, judge, text, model_reported, prompt_tokens, completion_tokens, finished, "
            "failure, token_logps, thoughts",
            [
                (
                    k,
                    judge,
                    r.text,
                    r.model_reported,
                    r.usage.prompt_tokens if r.usage else None,
                    r.usage.completion_tokens if r.usage else None,
                    r.finished,
                    r.failure,
                    _json(r),
                    r.thoughts,
                )
                for k, judge, r in rows
            ],
        )


def _json(row: Completion | Reply) -> str | None:
    """Log-probabilities as [[text, [[text, logp], ...]], ...]; NULL without."""
    tokens = [[token.text, token.likeliest] for token in row.token_logps]
    return json.dumps(tokens, ensure_ascii=False, separators=(",", ":")) if tokens else None


def _logps(stored: str | None) -> tuple[TokenLogps, ...]:
    return tuple(
        TokenLogps(text, tuple((one, logp) for one, logp in likeliest))
        for text, likeliest in json.loads(stored or "[]")
    )


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)
