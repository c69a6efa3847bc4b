"""A number, exactly: behind the last `####`, box or "the answer is", else the last one there is."""

from __future__ import annotations

import re
from fractions import Fraction

from sami_eval.stats.extract import extract_answer
from sami_eval.stats.quantities import normalise, quantities

INSTRUCTION = (
    "Solve the following problem. Show your reasoning step by step, then finish with one line that "
    "says: The answer is NUMBER."
)
SHORT = 40  # a gold text up to so long is the number itself; in a longer one `####` says where
# A root, an interval, a pair, a base: what stands there is more than its number.
_MORE = re.compile(
    r"\\(?:sqrt|infty|pi|log|ln|sin|cos|tan)(?![A-Za-z])|[√∞π\[\]]|[({][^(){}]*,[^(){}]*[)}]|\d_"
)


def answer(text: str) -> Fraction | None:
    """The number an answer gives."""
    return extract_answer(text)


def gold(text: str) -> Fraction | None:
    """The number behind the last `####`, or the one that a short text is."""
    _, marked, after = text.rpartition("####")
    if marked or (len(text) <= SHORT and _is_one_number(text)):
        return extract_answer(f"#### {after.strip()}") if after.strip() else None
    return None


def _is_one_number(text: str) -> bool:
    return len(list(quantities(normalise(text)))) == 1 and not _MORE.search(text)


def example(value: Fraction) -> str:
    """How a worked example ends."""
    return f"The answer is {number_text(value)}."


def number_text(value: Fraction) -> str:
    """A number as a person writes it: 18, 2.5, 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.6f}".rstrip("0")
    return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"
