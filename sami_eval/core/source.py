"""Python source as its tree; nothing of it is run."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

# Two threads that parse at once break each other's before Python 3.12 (python/cpython#106905).
_PARSING = threading.Lock()


def parsed(source: str) -> ast.Module:
    """The tree of a source, one thread at a time. Raises what `ast.parse` does."""
    with _PARSING:
        return ast.parse(source)


def constant(file: Path, name: str) -> object:
    """The literal that a source file gives a name at its top; None where it gives none.

    A file that cannot be read or parsed gives none: loading it says what is wrong.
    """
    try:
        body = parsed(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    for one in body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == name:
            try:
                return ast.literal_eval(one.value)
            except ValueError:
                return None
    return None
