"""Texts to values: every answer to a problem read, and which of them are one value.

gold text, texts -> values, as texts. A marker without a limit runs here; another's process is kept
until this one ends, and begun again where a call takes too long.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sami_eval.core.errors import UsageError
from sami_eval.core.source import fault
from sami_eval.core.thoughts import spoken
from sami_eval.data.marker import BUNDLED, Marker
from sami_eval.data.marker_code import Code, Said, patience_s

STARTING_S = 120.0  # a library's import on a busy machine is no hang
SHOWN = 60  # characters of a text that an error shows


class EndedError(Exception):
    """A call of a marker took longer than it may, or its process died of it."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Answers to one problem. values: None where there is none; equal texts are one value.

    Those that are right are the gold value's text. ended: which calls for took too long; their
    value is None.
    """

    values: tuple[str | None, ...]
    ended: tuple[bool, ...]


def gold_of(marker: Marker, text: str) -> str | None:
    """What a problem's gold text says. Raises UsageError where reading it takes too long."""
    return _trusted(marker, "gold", text)


def example_of(marker: Marker, text: str) -> str:
    """How a worked example ends, whose gold text this is."""
    return _trusted(marker, "example", text) or ""


def _trusted(marker: Marker, name: str, text: str) -> str | None:
    try:
        said = _hand(marker).call(name, text)
    except EndedError:
        raise UsageError(
            f"marker `{marker.name}`: `{text[-SHOWN:]}` takes more than {marker.timeout_s:g} s",
            "raise TIMEOUT_S in a copy of the marker in ./markers, or leave the problem out",
        ) from None
    assert said is None or isinstance(said, str)
    return said


def mark(marker: Marker, gold_text: str, texts: Sequence[str]) -> Marked:
    """The values of a problem's answers; each text is read once."""
    hand = _hand(marker)
    gold = gold_of(marker, gold_text)
    groups = _Groups(hand, gold_text, gold)
    found: dict[str, str | None] = {}
    ended: set[str] = set()
    for text in dict.fromkeys(map(spoken, texts)):
        try:
            found[text] = groups.value(text)
        except EndedError:
            found[text] = None
            ended.add(text)
    said = [spoken(text) for text in texts]
    return Marked(tuple(found[one] for one in said), tuple(one in ended for one in said))


class _Groups:
    """The values of one problem so far, each with the first answer that gave it."""

    def __init__(self, hand: _Hand, gold_text: str, gold: str | None) -> None:
        self._hand, self._gold_text, self._gold = hand, gold_text, gold
        self._known: dict[str, str] = {} if gold is None else {gold: gold}  # shown -> its group
        self._first: dict[str, str] = {}  # group -> the text that began it

    def value(self, text: str) -> str | None:
        """The group of an answer."""
        said = self._hand.call("answer", text)
        if said is None:
            return None
        shown = str(said)
        if shown not in self._known:
            self._known[shown] = self._group(text) or shown
            if self._known[shown] == shown:
                self._first[shown] = text
        return self._known[shown]

    def _group(self, text: str) -> str | None:
        """The gold value or the one of an earlier answer that this is."""
        if self._gold is not None and self._hand.call("right", self._gold_text, text):
            return self._gold
        for group, first in self._first.items():
            if self._hand.call("alike", first, text):
                return group
        return None


class _Hand(Protocol):
    def call(self, name: str, *texts: str) -> Said:
        """What a marker's code says (marker_code.Code.call). Raises EndedError, UsageError."""


@cache
def _hand(marker: Marker) -> _Hand:
    if not marker.is_ours:  # --quiet is about progress alone
        print(running(marker), file=sys.stderr, flush=True)
    return _Here(marker) if marker.timeout_s is None else _Apart(marker, marker.timeout_s)


def running(marker: Marker) -> str:
    """What to say before a user's file is run: it is code, and may stand in for ours."""
    ours = (BUNDLED / Path(marker.file).name).is_file()
    instead = ", not the one that comes with sami-eval" if ours else ""
    return f"marker `{marker.name}`: the code of {marker.file} is run{instead}"


class _Here:
    """A marker in this process."""

    def __init__(self, marker: Marker) -> None:
        self._marker = marker
        try:
            with redirect_stdout(sys.stderr):  # what a marker prints is no result
                self._code = Code(Path(marker.file))
        except (Exception, SystemExit) as error:  # code of theirs raises whatever it pleases
            raise _not_loaded(marker, fault(error)) from error

    def call(self, name: str, *texts: str) -> Said:
        try:
            with redirect_stdout(sys.stderr):
                return self._code.call(name, *texts)
        except (Exception, SystemExit) as error:  # as above
            raise _failed(self._marker, texts, fault(error)) from error


def _not_loaded(marker: Marker, why: str) -> UsageError:
    hint = "define answer(text); docs/passk.md shows a whole marker"
    return UsageError(f"cannot load marker `{marker.name}`: {why}", hint, marker.file)


def _failed(marker: Marker, texts: Sequence[str], why: str) -> UsageError:
    said = f"marker `{marker.name}` raised {why} at `{texts[-1][-SHOWN:]}`"
    return UsageError(said, "return None for what cannot be read", marker.file)


class _Apart:
    """A marker in a process of its own, which no call outlives by more than its limit.

    What has been asked is not asked again, a call that took too long least of all.
    """

    def __init__(self, marker: Marker, limit_s: float) -> None:
        self._marker, self._limit_s = marker, limit_s
        self._process: subprocess.Popen[str] | None = None
        self._known: dict[tuple[str, ...], Said | EndedError] = {}
        self._lock = threading.Lock()
        atexit.register(self._end)

    def call(self, name: str, *texts: str) -> Said:
        with self._lock:
            asked = (name, *texts)
            if asked not in self._known:
                self._known[asked] = self._asked(asked)
            said = self._known[asked]
        if isinstance(said, EndedError):
            raise said
        return said

    def _asked(self, asked: tuple[str, ...]) -> Said | EndedError:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        try:
            row = _reply(self._process or self._started(), patience_s(self._limit_s), asked)
        except BaseException:  # Ctrl-C leaves a reply behind that is of no later call
            self._end()
            raise
        if row is None:
            self._end()
        if row is None or "ended" in row:
            return EndedError()
        if "fault" in row:
            raise _failed(self._marker, asked[1:], row["fault"])
        said: Said = row["said"]
        return said

    def _started(self) -> subprocess.Popen[str]:
        package = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._process = process = subprocess.Popen(
            # -P: a file of the current folder is no module of a marker's
            [
                sys.executable,
                "-P",
                "-m",
                Code.__module__,
                self._marker.file,
                str(self._limit_s),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is ours
            env={**os.environ, "PYTHONPATH": path},
        )
        row = _reply(process, STARTING_S)
        if row is None or "fault" in row:
            self._end()
            raise _not_loaded(self._marker, row["fault"] if row else "its process ended")
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _reply(
    process: subprocess.Popen[str], limit_s: float, asked: Sequence[str] = ()
) -> dict[str, Any] | None:
    """What the process answers; None where it had to be ended, or ended itself."""
    assert process.stdin is not None
    assert process.stdout is not None
    timer = threading.Timer(limit_s, process.kill)
    timer.start()
    try:
        if asked:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    finally:
        timer.cancel()
    return json.loads(line) if line else None
