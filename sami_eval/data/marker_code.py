"""A marker's functions, called by texts: in this process, or in one of its own.

    python -m sami_eval.data.marker_code FILE SECONDS

answers a line of JSON, [name, text, ...], by a line of JSON: {"said": ...} or {"fault": "..."}.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sami_eval.core.source import fault, import_as_written

Said = str | bool | None
OURS = "sami_eval.data.markers"
MEMORY = 4 << 30  # bytes; a power of a power would take the machine's
PATIENCE = 10  # a call that waits, or shares its processor, may take so many times its limit
GRACE_S = 5.0  # a process whose parent is gone ends itself so long after that
_BOOLEANS = ("bool_", "bool", "BooleanTrue", "BooleanFalse")  # of numpy, and of sympy
HAS_TIMERS = hasattr(signal, "setitimer")


class Code:
    """A marker that was imported. Values stay in here: what comes out is text.

    Raises whatever the code raises; AttributeError where it has no `answer`.
    """

    def __init__(self, file: Path) -> None:
        module = imported(file)
        answer: Callable[[str], Any] = module.answer
        self._answer = lru_cache(maxsize=4096)(answer)
        self._gold = lru_cache(maxsize=4096)(getattr(module, "gold", answer))
        self._same: Callable[[Any, Any], Any] = getattr(module, "same", lambda a, b: a == b)
        self._example: Callable[[Any], Any] = getattr(module, "example", _example)

    def call(self, name: str, *texts: str) -> Said:
        """`gold` or `answer` of a text, as text; whether an answer is `right` or two are `alike`.

        right: of a gold text and an answer's. alike: of two answers'. example: of a gold text.
        """
        if name == "gold":
            return _shown(self._gold(*texts))
        if name == "answer":
            return _shown(self._answer(*texts))
        if name == "example":
            return str(self._example(self._gold(*texts)))
        first, second = texts
        read = self._gold if name == "right" else self._answer
        return _truth(self._same(read(first), self._answer(second)))


def _truth(said: object) -> bool:
    """Yes or no. A text would be true whatever it says, and nothing is often a forgotten return."""
    if not isinstance(said, bool) and type(said).__name__ not in _BOOLEANS:
        raise TypeError(f"`same` gave {said!r}, neither True nor False")
    return bool(said)


def _shown(value: object) -> str | None:
    """A value as text. One that shows its place in memory is like no other, nor itself again."""
    text = None if value is None else str(value)
    if text and f"0x{id(value):x}" in text.lower():
        raise TypeError(f"a value of type {type(value).__name__} shows no more than its address")
    return text


def _example(value: object) -> str:
    return f"The answer is {value}."


def imported(file: Path) -> ModuleType:
    """The module of a marker's file; ours by its name in the package."""
    if file.resolve().parent == Path(__file__).with_name("markers").resolve():
        return importlib.import_module(f"{OURS}.{file.stem}")
    if file.suffix != ".py":
        raise ImportError(f"`{file}` is no Python file")
    return import_as_written(f"sami_eval_marker_{file.stem}", file)


def main(file: str, seconds: str) -> None:
    """Answer lines until there are no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a marker prints is no reply
    _bound_memory()

    def reply(**row: Said) -> None:
        replies.write(json.dumps(row) + "\n")
        replies.flush()

    try:
        code = Code(Path(file))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # code of others raises whatever it pleases
        return reply(fault=fault(error))
    reply(said=None)
    for line in sys.stdin:
        name, *texts = json.loads(line)
        _end_after(float(seconds))
        try:
            reply(said=code.call(name, *texts))
        except (MemoryError, RecursionError):
            reply(ended=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # as above
            reply(fault=fault(error))
        _end_after(0)
    return None


def _bound_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def patience_s(limit_s: float) -> float:
    """How long a call may take by the clock. Its limit is of computing, where that is counted."""
    return limit_s * PATIENCE if HAS_TIMERS else limit_s


def _end_after(limit_s: float) -> None:
    """Let the system end this process when it has computed so long; 0: no more.

    By the clock, too: who would end it is gone, maybe.
    """
    if HAS_TIMERS:
        signal.setitimer(signal.ITIMER_PROF, limit_s)
        signal.setitimer(signal.ITIMER_REAL, patience_s(limit_s) + GRACE_S if limit_s else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
