"""LaTeX and expressions, equal where they are worth the same: read by the package math-verify.

It is imported in a process of its own, where sympy may take for ever without harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any

from math_verify import parse, verify
from sympy import Expr, UnevaluatedExpr

INSTRUCTION = (
    "Solve the following problem. Show your reasoning step by step, then finish with the final "
    "answer, and nothing else, in \\boxed{}."
)
TIMEOUT_S = 5.0
LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy")

# Without a limit of its own, which is a signal's; each call would say so.
logging.getLogger("math_verify").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read: sympy's expression, or the text where that could be read as none."""

    said: str
    values: list[Any] = field(compare=False)

    def __str__(self) -> str:
        return self.said


def answer(text: str) -> Parsed | None:
    """The value of the last box, else of the last formula or number."""
    values = parse(text, parsing_timeout=None)
    return Parsed(_said(values), values) if values else None


def gold(text: str) -> Parsed | None:
    """The value of a gold text: of its last box, behind its `####`, or of the whole of it."""
    text = text.rpartition("####")[2].strip().strip("$")
    return answer(text if "\\boxed" in text else f"\\boxed{{{text}}}") if text else None


def same(a: Parsed, b: Parsed) -> bool:
    """Whether b is worth what a is, which is the gold one or another answer."""
    return not _far_apart(a.values[0], b.values[0]) and bool(
        verify(a.values, b.values, timeout_seconds=None)
    )


def _far_apart(a: object, b: object) -> bool:
    """Whether two numbers differ by more than any rounding; sympy takes long to prove it."""
    if not (isinstance(a, Expr) and isinstance(b, Expr)):
        return False
    x, y = _number(a), _number(b)
    return x is not None and y is not None and abs(x - y) > 1e-3 * max(1.0, abs(x), abs(y))


@lru_cache(maxsize=4096)
def _number(value: Expr) -> complex | None:
    # A percentage, whose hundredth is kept unevaluated, is held equal to two numbers.
    if value.free_symbols or value.has(UnevaluatedExpr):
        return None
    try:
        found = complex(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if isfinite(abs(found)) else None


def example(value: Parsed) -> str:
    """How a worked example ends."""
    return f"The answer is $\\boxed{{{value.values[-1]}}}$."


def _said(values: list[Any]) -> str:
    """The expression in one line; its LaTeX where it is too long to write out."""
    try:
        return " ".join(str(values[0]).split())
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        return str(values[-1])
