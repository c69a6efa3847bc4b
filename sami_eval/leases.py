"""Two runs on one ledger: each asks for what the other does not, and waits for what it does.

A run leases the keys it is about to work on, all in one transaction; its heartbeat keeps the
leases alive. They end when the work does, or with their owner: at once where its process is seen
to be gone, else when its heart has been silent for EXPIRE_S.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sami_eval.errors import SamiEvalError
from sami_eval.progress import Progress
from sami_eval.store import Ledger, connect, disk_error

BEAT_S = 5.0
EXPIRE_S = 30.0
POLL_S = 0.25
PATIENCE_S = 1800.0  # without a single new result from a run that is alive

Stored = Callable[[Sequence[str]], Collection[str]]


def share(
    keys: Sequence[str],
    stored: Stored,
    work: Callable[[list[str]], None],
    ledger: Ledger,
    progress: Progress,
) -> None:
    """Have each key worked on by one run only: by work(keys) here, or by the run that leases it.

    stored: which of some keys have their result in the ledger by now. A key whose owner ended
        without a result is worked on here.
    Raises SamiEvalError where another run lives and stores nothing for PATIENCE_S.
    """
    left = list(keys)
    while left:
        with _claimed(ledger.path, left) as mine:
            # Another run may have stored some between our looking and our claim.
            done = set(stored(mine))
            if todo := [key for key in mine if key not in done]:
                work(todo)
        claimed = set(mine)
        left = [key for key in left if key not in claimed]
        if left:
            left = _wait(left, stored, ledger.path, progress)


@contextmanager
def _claimed(path: Path, keys: Sequence[str]) -> Iterator[list[str]]:
    """Lease those of the keys that no live run has; they are free again afterwards."""
    owner = f"{_node()}|{os.getpid()}|{uuid.uuid4().hex}"
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, owner, ended), daemon=True)
    try:
        yield _claim(path, owner, keys, heart)
    finally:
        ended.set()
        if heart.is_alive():
            heart.join()
        with closing(connect(path)) as db, suppress(sqlite3.Error):
            _release(db, [owner])


def _claim(path: Path, owner: str, keys: Sequence[str], heart: threading.Thread) -> list[str]:
    try:
        with closing(connect(path)) as db:
            db.execute("BEGIN IMMEDIATE")
            _release(db, _dead(db))
            db.execute("INSERT INTO owners (owner, beat) VALUES (?, ?)", (owner, time.time()))
            rows = [(key, owner) for key in keys]
            db.executemany("INSERT OR IGNORE INTO leases (key, owner) VALUES (?, ?)", rows)
            mine = {row[0] for row in db.execute("SELECT key FROM leases WHERE owner = ?", [owner])}
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise disk_error(path, error) from None
    heart.start()
    return [key for key in keys if key in mine]


def _release(db: sqlite3.Connection, owners: Sequence[str]) -> None:
    for owner in owners:
        db.execute("DELETE FROM leases WHERE owner = ?", [owner])
        db.execute("DELETE FROM owners WHERE owner = ?", [owner])


def _dead(db: sqlite3.Connection) -> list[str]:
    now = time.time()
    rows = db.execute("SELECT owner, beat FROM owners").fetchall()
    return [owner for owner, beat in rows if not is_alive(owner, now - beat)]


def is_alive(owner: str, silent_s: float) -> bool:
    """Whether a lease's owner still works: it beat lately, and its process is not seen gone."""
    node, pid, _ = owner.split("|")
    if silent_s >= EXPIRE_S:
        return False
    return node != _node() or os.name != "posix" or _exists(int(pid))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _node() -> str:
    """This machine, and this container: a process id means something in there only."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{platform.node()} {space}"


def _beat(path: Path, owner: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        # A beat that the disk refuses is missed; what matters is stored elsewhere, and reported.
        with suppress(sqlite3.Error), closing(connect(path)) as db:
            db.execute("UPDATE owners SET beat = ? WHERE owner = ?", (time.time(), owner))


def _wait(left: Sequence[str], stored: Stored, path: Path, progress: Progress) -> list[str]:
    """Wait for the live run that leases the keys; those that have no result when leases end."""
    waiting, since = list(left), time.monotonic()
    with progress.track("waiting for another run", total=len(left)) as advance:
        while True:
            held = _held(path)
            done = set(stored(waiting))
            if done:
                since = time.monotonic()
                advance(len(done))
                waiting = [key for key in waiting if key not in done]
            if not waiting or not held.issuperset(waiting):
                return waiting
            if time.monotonic() - since > PATIENCE_S:
                raise SamiEvalError(
                    f"another run holds {len(waiting)} of the calls to make and makes none",
                    "end it, then run the same command again: it resumes",
                )
            time.sleep(POLL_S)


def _held(path: Path) -> set[str]:
    """The keys that live runs lease."""
    with closing(connect(path)) as db:
        dead = set(_dead(db))
        return {
            key for key, owner in db.execute("SELECT key, owner FROM leases") if owner not in dead
        }
