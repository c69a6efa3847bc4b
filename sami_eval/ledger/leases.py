"""Two runs on one ledger: each asks for what the other does not, and waits for what it does.

A run leases the keys it is about to work on, all in one transaction; its heartbeat keeps the
leases alive. They end when the work does, or with their owner: at once where its process is seen
to be gone, else when its heart has been silent for EXPIRE_S. A run that was itself stopped for so
long (a sleeping laptop, SIGSTOP) has lost them: before each further call it looks whether another
run has stored its reply or is at it.
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

from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Advance, Progress
from sami_eval.ledger.file import ANSWERS, connect, ledger_error, transaction
from sami_eval.ledger.store import Ledger

BEAT_S = 5.0
EXPIRE_S = 30.0
POLL_S = 0.25
PATIENCE_S = 1800.0  # without a single new result from a run that is alive

Stored = Callable[[Sequence[str]], Collection[str]]


class Claim(list[str]):
    """The keys that this run works on, and whether they are still its own."""

    def __init__(self, keys: Sequence[str], owner: str, ledger: Ledger, stored: Stored) -> None:
        super().__init__(keys)
        self._owner = owner
        self._ledger = ledger
        self._stored = stored
        self._beat = time.time()  # the last one that the ledger took
        self._lost = False
        self.left_to_others: set[str] = set()

    def holds(self, key: str) -> bool:
        """Whether a call for this key is still this run's to make; asked before each.

        By the clock, which a sleeping machine's runs on: nobody else takes a lease before
        EXPIRE_S. Afterwards the ledger is asked, and a key that nobody has is leased anew.
        """
        if not self._lost and time.time() - self._beat < EXPIRE_S:
            return True
        self._lost = True  # for good: a beat that comes after this must not hide it
        if not self._stored([key]) and self._leased(key):
            return True
        self.left_to_others.add(key)
        return False

    def _leased(self, key: str) -> bool:
        self._ledger.mend()
        try:
            with closing(connect(self._ledger.path)) as db, transaction(db):
                _release(db, _dead(db, but=self._owner))
                _enter(db, self._owner, [key])
                (owner,) = db.execute("SELECT owner FROM leases WHERE key = ?", [key]).fetchone()
                return bool(owner == self._owner)
        except sqlite3.Error as error:
            raise ledger_error(self._ledger.path, error) from None

    def beat(self) -> None:
        """Tell the other runs that this one lives."""
        now = time.time()
        # A beat that the disk refuses is missed; what matters is stored elsewhere, and reported.
        with suppress(sqlite3.Error), closing(connect(self._ledger.path)) as db:
            told = db.execute("UPDATE owners SET beat = ? WHERE owner = ?", (now, self._owner))
            if told.rowcount:
                self._beat = now
            else:  # another run took this one for dead: its leases are gone
                self._lost = True


def share(
    keys: Sequence[str],
    stored: Stored,
    work: Callable[[Claim], None],
    ledger: Ledger,
    progress: Progress,
) -> None:
    """Have each key worked on by one run only: by work(keys) here, or by the run that leases it.

    stored: which of some keys have their result in the ledger by now; asked at least once of every
        key that another run works on, after it is done. A key whose owner ended without a result is
        worked on here.
    Raises SamiEvalError where another run lives and stores nothing for PATIENCE_S.
    """
    left = list(keys)
    while left:
        with _claimed(ledger, left, stored) as mine:
            # Another run may have stored some between our looking and our claim.
            done = set(stored(mine))
            mine[:] = [key for key in mine if key not in done]
            tried = set(mine) | done
            if mine:
                work(mine)
        left = [key for key in left if key not in tried]
        if mine.left_to_others:
            others = list(mine.left_to_others)
            left += mine.left_to_others.difference(stored(others))
        if left:
            left = _wait(left, stored, ledger, progress)


@contextmanager
def _claimed(ledger: Ledger, keys: Sequence[str], stored: Stored) -> Iterator[Claim]:
    """Lease those of the keys that no live run has; they are free again afterwards."""
    owner = f"{this_node()}|{os.getpid()}|{uuid.uuid4().hex}"
    ended = threading.Event()
    ledger.mend()
    claim = Claim(_claim(ledger.path, owner, keys), owner, ledger, stored)
    heart = threading.Thread(target=_live, args=(claim, ended), daemon=True)
    try:
        heart.start()
        yield claim
    finally:
        ended.set()
        if heart.is_alive():
            heart.join()
        with suppress(sqlite3.Error), closing(connect(ledger.path)) as db:
            _release(db, [owner])


def _claim(path: Path, owner: str, keys: Sequence[str]) -> list[str]:
    try:
        with closing(connect(path)) as db, transaction(db):
            _release(db, _dead(db))
            _enter(db, owner, keys)
            mine = {row[0] for row in db.execute("SELECT key FROM leases WHERE owner = ?", [owner])}
    except sqlite3.Error as error:
        raise ledger_error(path, error) from None
    return [key for key in keys if key in mine]


def _enter(db: sqlite3.Connection, owner: str, keys: Sequence[str]) -> None:
    db.execute("INSERT OR REPLACE INTO owners (owner, beat) VALUES (?, ?)", (owner, time.time()))
    rows = [(key, owner) for key in keys]
    db.executemany("INSERT OR IGNORE INTO leases (key, owner) VALUES (?, ?)", rows)


def _release(db: sqlite3.Connection, owners: Sequence[str]) -> None:
    for owner in owners:
        db.execute("DELETE FROM leases WHERE owner = ?", [owner])
        db.execute("DELETE FROM owners WHERE owner = ?", [owner])


def _dead(db: sqlite3.Connection, but: str = "") -> list[str]:
    now = time.time()
    rows = db.execute("SELECT owner, beat FROM owners").fetchall()
    return [owner for owner, beat in rows if owner != but and not is_alive(owner, now - beat)]


def is_alive(owner: str, silent_s: float) -> bool:
    """Whether a lease's owner still works: it beat lately, and its process is not seen gone."""
    node, pid, _ = owner.split("|")
    if silent_s >= EXPIRE_S:
        return False
    return node != this_node() or os.name != "posix" or _exists(int(pid))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_unburied(pid)


def _is_unburied(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to look; by Linux's account."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[:1] == ["Z"]


def this_node() -> str:
    """This machine, and this container: a process id means something in there only."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{platform.node()} {space}"


def _live(claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        claim.beat()


class _News:
    """Which rows are new, by the ledger's own clock; no row is read but theirs."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._version = -1
        self._since = {table: self._newest(table) for table in ANSWERS}
        self._told: set[str] = set()

    def _newest(self, table: str) -> str:
        found = self._db.execute(f"SELECT max(created) FROM {table}").fetchone()[0]
        return str(found or "")

    def keys(self) -> set[str]:
        """Keys of the rows since the last look."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return set()  # nobody has written anything
        self._version = version
        found: set[str] = set()
        for table, since in self._since.items():
            query = f"SELECT key, created FROM {table} WHERE created >= ?"
            rows = self._db.execute(query, [since]).fetchall()
            found.update(key for key, _ in rows)
            self._since[table] = max([since, *(created for _, created in rows)])
        new, self._told = found - self._told, found  # those of one second come twice
        return new


def _wait(left: Sequence[str], stored: Stored, ledger: Ledger, progress: Progress) -> list[str]:
    """Wait for the live run that leases the keys; those that have no result when leases end."""
    with progress.track("waiting for another run", total=len(left)) as advance:
        waiting = set(left).difference(stored(left))
        missing = [key for key in left if key in waiting]
        advance(len(left) - len(waiting))
        ledger.mend()
        try:
            with closing(connect(ledger.path)) as db:
                _outwait(db, waiting, advance)
        except sqlite3.Error as error:
            raise ledger_error(ledger.path, error) from None
        # All are asked for, those seen to come too: a reply to other parameters than were asked is
        # stored under a key of its own, and whoever looks may keep what is found.
        done = set(stored(missing))
        advance(len(done & waiting))
    return [key for key in missing if key not in done]


def _outwait(db: sqlite3.Connection, waiting: set[str], advance: Advance) -> None:
    """Take from `waiting` what is stored, until no live run leases the others."""
    news, since = _News(db), time.monotonic()
    owners: set[str] | None = None
    while waiting:
        if new := news.keys():
            since = time.monotonic()
            advance(len(new & waiting))
            waiting -= new
        alive = _alive(db)
        # An owner keeps its leases as long as it works: only another set of owners is worth a look.
        if alive != owners and not _held(db, alive).issuperset(waiting):
            return
        owners = alive
        if time.monotonic() - since > PATIENCE_S:
            raise SamiEvalError(
                f"another run holds {len(waiting)} of the calls to make and makes none",
                "end it, then run the same command again: it resumes",
            )
        time.sleep(POLL_S)


def _alive(db: sqlite3.Connection) -> set[str]:
    dead = _dead(db)
    return {owner for (owner,) in db.execute("SELECT owner FROM owners") if owner not in dead}


def _held(db: sqlite3.Connection, owners: set[str]) -> set[str]:
    """The keys that these owners lease."""
    return {key for key, owner in db.execute("SELECT key, owner FROM leases") if owner in owners}
