"""A ledger's file: its tables, how it is opened, brought up to date, and mended. SQLite."""

from __future__ import annotations

import functools
import os
import shlex
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.ledger import rescue
from sami_eval.ledger.mounts import network_type, read_mounts

# Answers and replies have rowids: a row without one that is longer than a quarter of a page takes a
# page more to itself, four times its size. Ledgers from before keep such tables, which do the same.
SCHEMA = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL,
    token_ids TEXT NOT NULL, finished INTEGER, n_tokens INTEGER,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, token_logps TEXT, thoughts TEXT
);
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY NOT NULL, judge TEXT NOT NULL, text TEXT NOT NULL, model_reported TEXT,
    prompt_tokens INTEGER, completion_tokens INTEGER, finished INTEGER, failure TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, token_logps TEXT, thoughts TEXT
);
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_by_owner ON leases (owner);
CREATE TABLE IF NOT EXISTS batches (
    mark TEXT PRIMARY KEY, kind TEXT, engine TEXT, model TEXT, url TEXT, key_variable TEXT,
    dialect TEXT, n INTEGER, state TEXT, file TEXT, id TEXT, others TEXT, done INTEGER,
    failed INTEGER, created REAL, owner TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batched (key TEXT PRIMARY KEY, mark TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batched_by_mark ON batched (mark);
"""
# What a run that waits for another asks for: the rows since it looked last.
_INDEXES = tuple(
    f"CREATE INDEX IF NOT EXISTS {table}_by_time ON {table} (created)"
    for table in ("completions", "replies")
)
VERSION = 6  # 2: owners, leases; 3: token_logps; 4: thoughts; 5: rows by time; 6: batches
BUSY_S = 60.0  # how long a process waits for another's write


ANSWERS = ("completions", "replies")
TABLES = (*ANSWERS, "owners", "leases", "batches", "batched")
_NEVER_NULL = ("model", "judge", "text", "token_ids", "created")

# A table or column that is not there, pages that make no sense, a file of something else.
_DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


NOT_SO = (FileExistsError, NotADirectoryError, IsADirectoryError)


def misplaced(path: Path, error: OSError) -> UsageError:
    """That a file stands where a folder is needed, or a folder where a file is."""
    if isinstance(error, IsADirectoryError):
        said = "it is a folder, not a file"
    else:
        above = next(one for one in (path, *path.parents) if one.exists())
        said = f"`{above}` is no folder"
    return UsageError(f"cannot write `{path}`: {said}", "name another place, or move what is there")


def ledger_error(
    path: Path, error: OSError | sqlite3.Error, kept: Path | None = None
) -> SamiEvalError:
    """What to tell the user where the ledger cannot be read or written.

    kept: the file that holds what was answered and could not be stored.
    """
    if isinstance(error, NOT_SO):
        return misplaced(path, error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # above: which kind of it
    saved = f"; what was answered is kept in `{kept}`" if kept else ""
    if code not in _DAMAGED:
        hint = "free the disk or mend its rights, then run the same command: it resumes"
        return SamiEvalError(f"cannot write `{path}`: {error}{saved}", hint)
    away = shlex.join(["mv", str(path), str(rescue.damaged_path(path))])
    again = "the same command: it mends the table and resumes"
    hint = again if code == sqlite3.SQLITE_ERROR else f"{away}; a new one takes over what it can"
    return SamiEvalError(f"`{path}` is damaged: {error}{saved}", hint)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a ledger, each statement its own transaction unless one is begun.

    No file is made here: one that was removed would come back without its tables.
    """
    # A reply may arrive in the client's thread; no two threads ever write at once.
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def make(path: Path) -> bool:
    """Make the file for its owner alone, where there is none; whether that was so.

    SQLite gives the files it lays beside it the same rights.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    log, away = (one.with_name(f"{one.name}-wal") for one in (path, rescue.damaged_path(path)))
    if rescue.damaged_path(path).exists() and not path.exists() and log.exists():
        os.replace(log, away)  # it was moved without its log, which holds its latest rows
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def forget_log(path: Path) -> None:
    """Remove what a file that is gone left beside it: a new one must not read the old one's log."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def file_of(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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


def set_journal_mode(db: sqlite3.Connection, mode: str) -> None:
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


@functools.cache
def all_columns() -> dict[str, tuple[tuple[str, str], ...]]:
    """Of each table, its columns and their types, as a new ledger has them."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return {table: _columns_of(db, table) for table in TABLES}


def _columns_of(db: sqlite3.Connection, table: str) -> tuple[tuple[str, str], ...]:
    return tuple((row[1], row[2]) for row in db.execute(f"PRAGMA table_info({table})"))


def _refuse_what_cannot_be_mended(db: sqlite3.Connection) -> None:
    """Raise DatabaseError where what bears a table's name cannot hold each answer once.

    A view, a copy without its primary key, a trigger that drops rows: no column added mends it.
    """
    marks = ", ".join("?" for _ in TABLES)
    found = db.execute(
        f"SELECT type, name, tbl_name FROM sqlite_master WHERE tbl_name IN ({marks})", TABLES
    )
    for kind, name, table in found.fetchall():
        keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
        keyed = keys == [all_columns()[table][0][0]]
        if kind in ("view", "trigger") or not keyed:
            what = f"a {kind}" if kind in ("view", "trigger") else "without its primary key"
            error = sqlite3.DatabaseError(f"`{name}` is {what}")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error


def lacking_in(db: sqlite3.Connection) -> list[str]:
    """What a ledger lacks of this version: `replies`, `replies.failure`."""
    _refuse_what_cannot_be_mended(db)
    lacking = []
    for table, columns in all_columns().items():
        here = {name for name, _ in _columns_of(db, table)}
        lacking += (
            [f"{table}.{name}" for name, _ in columns if name not in here] if here else [table]
        )
    return lacking


def migrate(db: sqlite3.Connection) -> None:
    """Bring a file of any earlier version to this one; what it holds stays."""
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
    for table, columns in all_columns().items():
        here = {name for name, _ in _columns_of(db, table)}
        for name, kind in columns:
            if name not in here:
                of_old = " NOT NULL DEFAULT ''" if name in _NEVER_NULL else ""
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}{of_old}")
    for index in _INDEXES:
        db.execute(index)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def glance(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even the files SQLite lays beside an open one.

    An older ledger is seen as it will be: brought up to date in memory.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None)
    if path.exists():
        log = path.with_name(f"{path.name}-wal")
        # A file without a log is whole. One with a log is read together with it.
        how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
        stored = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", timeout=BUSY_S, uri=True)
        version = stored.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION or (version == VERSION and not lacking_in(stored)):
            memory.close()
            return stored
        stored.backup(memory)
        stored.close()
    migrate(memory)
    return memory


def unsaid(text: str) -> None:
    """Tell nobody."""


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, whatever goes wrong: no transaction is left open."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")


@functools.cache
def insertion(table: str, columns: str, replace: bool = False) -> str:
    """The statement that stores a row; one that is there already stays, unless replaced."""
    marks = ", ".join("?" for _ in columns.split(","))
    how, then = ("INSERT OR REPLACE", "") if replace else ("INSERT", " ON CONFLICT DO NOTHING")
    return f"{how} INTO {table} ({columns}) VALUES ({marks}){then}"


def add_rows(db: sqlite3.Connection, rows: Iterable[rescue.Row]) -> int:
    """Store answers from elsewhere, those that are there already left as they are; how many."""
    before = db.total_changes
    with transaction(db):
        for table, columns, values in rows:
            names = {name.strip() for name in columns.split(",")}
            known = {name for name, _ in all_columns().get(table, ())}
            # A row that fits no more, or was damaged itself, is no answer.
            if table in ANSWERS and names <= known:
                with suppress(sqlite3.IntegrityError, sqlite3.ProgrammingError):
                    db.execute(insertion(table, columns), values)
    return db.total_changes - before


def every_row(db: sqlite3.Connection) -> Iterator[rescue.Row]:
    """All answers of a ledger."""
    for table in ANSWERS:
        columns = ", ".join(name for name, _ in all_columns()[table])
        for values in db.execute(f"SELECT {columns} FROM {table}"):
            yield table, columns, values
