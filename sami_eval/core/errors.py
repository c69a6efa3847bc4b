"""Errors a user can act on.

SamiEvalError            exit 1   something failed or is incomplete; a rerun resumes
├── UsageError           exit 2   wrong usage, config or input file
└── KeyMissingError      exit 4   an API key is missing or was refused

Every one carries one line that says what was wrong (the literal in backticks), the file and line
where there is one, and the next command to type. Python's traceback shows all of it, and a notebook
shows nothing else.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable

from sami_eval.core.terminal import trusted, visible

_SHOWN = 60  # letters of one value: enough to find it again


class SamiEvalError(Exception):
    """A failure with its hint and exit code.

    where: "FILE" or "FILE:LINE", printed on a `-->` line.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        for line in self.beside:
            self.add_note(line)

    @property
    def beside(self) -> list[str]:
        """What is said below the message."""
        lines = [f"  --> {self.where}"] if self.where else []
        return [*lines, *(["", f"hint: {self.hint}"] if self.hint else [])]

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback: the cell is in sight."""
        said = [f"{type(self).__name__}: {self.message}", *self.beside]
        return [visible(line) for line in said]


class UsageError(SamiEvalError):
    """Wrong usage, configuration or input file."""

    exit_code = 2


class KeyMissingError(SamiEvalError):
    """An API key is missing or was refused by the server."""

    exit_code = 4


def shown(value: object, bare: bool = False) -> str:
    """A value as an error shows it: in backticks, on one line, cut where it is long.

    bare: a text without its quotes.
    """
    text = repr(value)
    text = text[1:-1] if bare and isinstance(value, str) else text
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'}`"


def did_you_mean(word: str, known: Iterable[str], every: str = "known: ") -> str:
    """A hint for a misspelt word: the nearest there is, else all of them behind `every`."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean `{close[0]}`?" if close else every + ", ".join(names)


def report_error(error: SamiEvalError) -> None:
    """Print what was wrong, where, and the next command to type."""
    color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    red, plain = ("\033[1;31m", "\033[0m") if color else ("", "")
    lines = [f"{red}error:{plain} {visible(error.message)}", *map(visible, error.beside)]
    print("\n".join(lines), file=trusted(sys.stderr))
