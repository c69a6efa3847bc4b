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
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from sami_eval.core.calls import Completion, Reply
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.ledger import file as ledger_file
from sami_eval.ledger import rescue
from sami_eval.ledger.file import (
    ANSWERS,
    NOT_SO,
    VERSION,
    Say,
    file_of,
    ledger_error,
    misplaced,
)
from sami_eval.ledger.file import connect as connect
from sami_eval.ledger.rows import completion_of, json_of, reply_of, storable


def plain(value: object) -> object:
    """A dataclass as JSON holds it. Raises TypeError for what JSON does not hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names, held = _fields(type(value))
        return dict(zip(names, held(value), strict=True))
    raise TypeError(f"JSON cannot hold {type(value).__name__}")


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[object], Iterable[object]]]:
    names = tuple(field.name for field in dataclasses.fields(kind))
    if len(names) < 2:  # of which an attrgetter makes no tuple
        return names, lambda value: [getattr(value, name) for name in names]
    return names, attrgetter(*names)


_CHUNK = 500  # SQLite allows 999 variables a statement in old builds


# Made once: a run has as many keys as it has answers and replies.
_CANONICAL = json.JSONEncoder(default=plain, sort_keys=True, ensure_ascii=False, allow_nan=False)
written = _CANONICAL.encode  # of a text alone by far the quickest


def key(*parts: object) -> str:
    """SHA-256 of the canonical JSON of the parts; dataclasses count by their fields."""
    return hashlib.sha256(_bytes(parts)).hexdigest()


def _bytes(parts: tuple[object, ...]) -> bytes:
    return _CANONICAL.encode(parts).encode("utf-8", "surrogatepass")


class Opening:
    """The parts that several keys begin with, hashed once."""

    def __init__(self, *parts: object) -> None:
        self._hashed = hashlib.sha256(_bytes(parts).removesuffix(b"]") + b", ")

    def key(self, *parts: object) -> str:
        """`key` of the opening's parts and at least one more."""
        whole = self._hashed.copy()
        whole.update(_bytes(parts).removeprefix(b"["))
        return whole.hexdigest()


def disk_error(path: Path, error: OSError | sqlite3.Error) -> SamiEvalError:
    """What to tell the user when the disk refuses: nothing stored so far is lost."""
    if isinstance(error, NOT_SO):
        return misplaced(path, error)
    return SamiEvalError(
        f"cannot write `{path}`: {error}",
        "free the disk or choose another place with --out, then run the same command: it resumes",
    )


def atomic_write(path: Path, text: str | Iterable[str]) -> None:
    """Write a text file that is either the old one or the whole new one, never a part.

    text: whole, or in pieces. The rights follow the umask, as those of any file a person makes.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Half a character of a file's name that is not UTF-8 is written out, as JSON reads it.
        with temporary.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines([text] if isinstance(text, str) else text)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(path, error) from None


class Ledger(AbstractContextManager["Ledger"]):
    """What has been generated and judged so far, in one SQLite file; safe for several processes."""

    def __init__(self, path: Path, read_only: bool = False, say: Say = ledger_file.unsaid) -> None:
        """Open the ledger of this path, new where there is none.

        read_only: nothing is written; where there is none, it is empty and stays away.
        say: tells the user what the place of the file means for it, and what was mended.
        """
        self.path = path
        self._say = say
        self._read_only = read_only
        self._reserved: Path | None = None
        self._spoilt: set[str] = set()  # keys of rows that hold nothing usable
        try:
            self._db = ledger_file.glance(path) if read_only else self._open()
            self._check_version(self._db)
            self._file = file_of(path)
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
                hint = "move it away; a new one is begun"
                raise UsageError(f"`{path}` is not a ledger: {error}", hint) from None
            raise ledger_error(path, error) from None

    def _check_version(self, db: sqlite3.Connection) -> int:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise UsageError(
                f"`{self.path}` was written by a newer sami-eval (ledger version {version})",
                "pip install --upgrade sami-eval",
            )
        return int(version)

    def _open(self) -> sqlite3.Connection:
        """The file, made where there is none, mended where tables or columns are missing."""
        new = ledger_file.make(self.path)
        db = connect(self.path)
        try:
            version = self._check_version(db)
            ledger_file.set_journal_mode(db, ledger_file.journal_mode(self.path, self._say))
            db.execute("PRAGMA synchronous = NORMAL")
            lacking = ledger_file.lacking_in(db)
            if version < VERSION or lacking:
                ledger_file.migrate(db)
            if lacking and version == VERSION:
                names = ", ".join(f"`{name}`" for name in lacking)
                self._say(f"`{self.path}` was damaged: it lacked {names}, begun anew")
            self._reserved = rescue.reserve(self.path)
            self._take_back(db, new)
        except BaseException:
            db.close()
            raise
        return db

    def _take_back(self, db: sqlite3.Connection, new: bool) -> None:
        """Rows that an earlier run could not store, and a new ledger's from a damaged one."""
        for place, rows in rescue.kept(self.path):
            n = ledger_file.add_rows(db, rows)
            place.unlink()
            self._say(f"{n} answers that could not be stored are back, from `{place}`")
        if new and rescue.damaged_path(self.path).exists():
            n = ledger_file.add_rows(db, rescue.readable(self.path, ANSWERS))
            self._say(f"{n} answers were still readable in `{rescue.damaged_path(self.path)}`")

    def mend(self) -> None:
        """Write the file again where it was removed under this run, which still holds it open."""
        try:
            self._mend()
        except (OSError, sqlite3.Error) as error:
            raise ledger_error(self.path, error) from None

    def _mend(self) -> None:
        if self._read_only or file_of(self.path) == self._file:
            return
        if file_of(self.path) is None:
            ledger_file.forget_log(self.path)
        held, again = self._db, self._open()
        n = ledger_file.add_rows(again, ledger_file.every_row(held))
        self._db, self._file = again, file_of(self.path)
        held.close()
        self._say(f"`{self.path}` was removed while in use: written again, with {n} answers")

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; every row given so far is stored."""
        try:
            self.mend()
        finally:
            self._db.close()
            if self._reserved is not None:
                with suppress(OSError):
                    self._reserved.unlink(missing_ok=True)

    def _select(self, columns: str, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(dict.fromkeys(keys))
        self.mend()
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, {columns} FROM {table} WHERE key IN ({marks})"
            yield from self._read(query, chunk)

    def _read(self, query: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ledger_error(self.path, error) from None

    def _usable(self, key: str, row: object) -> bool:
        """Whether a row could be read; one that could not is asked for again, and replaced."""
        if row is None and key not in self._spoilt:
            if not self._spoilt:
                self._say(f"`{self.path}` holds damaged rows: what they held is asked for again")
            self._spoilt.add(key)
        return row is not None

    def _insert(
        self, table: str, columns: str, rows: list[tuple[Any, ...]], replace: bool = False
    ) -> None:
        """Store rows, in one transaction; a row that is there already stays, unless replaced.

        What cannot be stored is kept in a file that the next opening reads back, and raised.
        """
        if not rows:
            return
        rows = [tuple(map(storable, row)) for row in rows]
        try:
            self._mend()
            # A row by itself is a transaction by itself.
            with ledger_file.transaction(self._db) if len(rows) > 1 else nullcontext():
                for row in rows:
                    again = replace or row[0] in self._spoilt
                    self._db.execute(ledger_file.insertion(table, columns, again), row)
        except (OSError, sqlite3.Error) as error:
            kept = rescue.keep(self.path, [(table, columns, row) for row in rows], self._reserved)
            raise ledger_error(self.path, error, kept) from None

    def has_completions(self) -> bool:
        """Whether anything was ever generated."""
        return bool(self._read("SELECT 1 FROM completions LIMIT 1"))

    def has_replies(self) -> bool:
        """Whether anything was ever judged, or noted of a server."""
        return bool(self._read("SELECT 1 FROM replies LIMIT 1"))

    def completions(self, keys: Iterable[str], ids: bool = True) -> dict[str, Completion]:
        """The stored completions among the keys. ids: with their tokens, most of their room."""
        tokens = "token_ids" if ids else "NULL"
        columns = f"text, {tokens}, finished, n_tokens, token_logps, thoughts"
        rows = (
            (row[0], completion_of(*row[1:])) for row in self._select(columns, "completions", keys)
        )
        return {k: found for k, found in rows if self._usable(k, found) and found is not None}

    def add_completions(self, rows: Iterable[tuple[str, str, Completion]]) -> None:
        """Store (key, model name, completion) rows; one of a key that is stored already stays."""
        self._insert(
            "completions",
            "key, model, text, token_ids, finished, n_tokens, token_logps, thoughts",
            [
                (
                    *(k, name, c.text, json.dumps(c.token_ids), c.finished, c.n_tokens),
                    *(json_of(c), c.thoughts),
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
        rows = ((row[0], reply_of(*row[1:])) for row in self._select(columns, "replies", keys))
        return {k: found for k, found in rows if self._usable(k, found) and found is not None}

    def add_replies(self, rows: Iterable[tuple[str, str, Reply]], replace: bool = False) -> None:
        """Store (key, judge name, reply) rows; one of a key that is stored already stays.

        replace: it does not stay.
        """
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
                    json_of(r),
                    r.thoughts,
                )
                for k, judge, r in rows
            ],
            replace,
        )
