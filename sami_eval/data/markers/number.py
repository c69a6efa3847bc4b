"""A number, exactly: behind the last `####`, box or "the answer is", else the last one there is."""

from __future__ import annotations

from fractions import Fraction

from sami_eval.stats.extract import extract_answer

INSTRUCTION = (
    "Solve the following problem. Show your reasoning step by step, then finish with one line that "
    "says: The answer is NUMBER."
)
SHORT = 40  # a gold text up to so long is the number itself; in a longer one `####` says where


def answer(text: str) -> Fraction | None:
    """The number an answer gives."""
    return extract_answer(text)


def gold(text: str) -> Fraction | None:
    """The number behind the last `####`, or the one that a short text is."""
    _, marked, after = text.rpartition("####")
    if not after.strip() or not (marked or len(text) <= SHORT):
        return None
    return extract_answer(f"#### {after.strip()}")


def example(value: Fraction) -> str:
    """How a worked example ends."""
    return f"The answer is {number_text(value)}."


def number_text(value: Fraction) -> str:
    """A number as a person writes it: 18, 2.5, 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.6f}".rstrip("0")
    return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"
