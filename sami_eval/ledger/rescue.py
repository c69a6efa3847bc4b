"""Rows that a ledger could not take, kept until the next start, and rows of a damaged ledger.

Replies are paid for. Where the disk is full or the file is damaged, they go into a file beside the
ledger, or where that cannot be written either, into the temporary folder; the ledger's next opening
reads them back.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

Row = tuple[str, str, Sequence[Any]]  # table, its columns as SQL lists them, their values

_RESERVED = 2**18
_STALE_S = 86_400.0


def damaged_path(path: Path) -> Path:
    """Where a damaged ledger is moved to; a new ledger takes over what it can read of it."""
    return path.with_name(f"{path.name}.damaged")


def _places(path: Path) -> tuple[Path, Path]:
    own = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    away = f"sami-eval-{os.getuid() if os.name == 'posix' else 0}-{own}.rescue.jsonl"
    return path.with_name("ledger.rescue.jsonl"), Path(tempfile.gettempdir()) / away


def reserve(path: Path) -> Path:
    """Hold some room beside the ledger, so that a full disk can still take what was paid for.

    Returns the file, which its owner removes in the end; those of killed runs go here.
    """
    for old in path.parent.glob(f"{path.name}.reserve-*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_S:
                old.unlink()
    place = path.with_name(f"{path.name}.reserve-{uuid.uuid4().hex}")
    place.write_bytes(b"\0" * _RESERVED)
    return place


def keep(path: Path, rows: Sequence[Row], reserved: Path | None) -> Path | None:
    """Write rows beside the ledger or, where that fails, away from it; None where all fails."""
    lines = (json.dumps([table, columns, list(row)]) for table, columns, row in rows)
    # The first line's end: what a full disk cut off before is no part of it.
    data = ("\n" + "\n".join(lines) + "\n").encode()
    beside, away = _places(path)
    for place in (beside, None, beside, away):
        if place is None:
            if reserved is not None:
                reserved.unlink(missing_ok=True)
            continue
        with suppress(OSError):
            _append(place, data)
            return place
    return None


def _append(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(place, flags, 0o600)
    try:
        if not _is_mine(os.fstat(handle)):
            raise PermissionError(f"`{place}` is another owner's")
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_mine(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid == os.geteuid()


def kept(path: Path) -> Iterator[tuple[Path, list[Row]]]:
    """The files of rows that were kept for a ledger, with their rows; unreadable lines left out."""
    for place in _places(path):
        with suppress(OSError):
            if not place.is_symlink() and _is_mine(place.stat()):
                text = place.read_bytes().decode("utf-8", "replace")
                yield place, [row for line in text.split("\n") if (row := _row(line)) is not None]


def _row(line: str) -> Row | None:
    try:
        table, columns, values = json.loads(line)
    except (ValueError, TypeError):
        return None
    good = isinstance(table, str) and isinstance(columns, str) and isinstance(values, list)
    return (table, columns, values) if good else None


def readable(path: Path, tables: Sequence[str]) -> Iterator[Row]:
    """The rows of a damaged ledger that can still be read, from both ends of each table."""
    if not damaged_path(path).is_file():
        return
    where = damaged_path(path).resolve().as_uri()
    for table in tables:
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error), closing(sqlite3.connect(where, uri=True)) as db:
                found = db.execute(f"SELECT * FROM {table} ORDER BY key {order}")
                columns = ", ".join(one[0] for one in found.description)
                for values in found:
                    yield table, columns, values
