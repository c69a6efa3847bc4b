"""Python source as its tree; nothing of it is run."""

from __future__ import annotations

import ast
import threading

# Two threads that parse at once break each other's before Python 3.12 (python/cpython#106905).
_PARSING = threading.Lock()


def parsed(source: str) -> ast.Module:
    """The tree of a source, one thread at a time. Raises what `ast.parse` does."""
    with _PARSING:
        return ast.parse(source)
