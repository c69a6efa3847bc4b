"""Whether a response gives the right answer of its task, where the task has one."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from sami_eval.core.types import Prompt
from sami_eval.embedded.arithmetic import read_function
from sami_eval.embedded.entities import COLOURS, NAMES
from sami_eval.stats.quantities import MOST_DIGITS

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MARKED = re.compile(r"answer\W{0,3}(?:is\W{0,3})?(-?\d+(?:\.\d+)?)", re.IGNORECASE)


def last_number(text: str) -> Fraction | None:
    """The number after the last "answer", else the last number of all; None without one."""
    plain = text.replace("−", "-").replace("$", "")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    found = _MARKED.findall(plain) or _NUMBER.findall(plain)
    return _as_number(found[-1]) if found else None


def _as_number(text: str) -> Fraction | None:
    if len(text) > MOST_DIGITS:  # junk, and Python refuses to read very long ones
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _number_is(reference: str, prompt: Prompt, turn: int, text: str) -> bool | None:
    right = _as_number(reference.rpartition("####")[2].strip().replace(",", ""))
    return None if right is None else last_number(text) == right


def alternatives(prompt: Prompt, turn: int, reference: str) -> list[str]:
    """Names (or colours) of the puzzle up to this turn, the right one among them."""
    words = re.findall(r"\w+", " ".join(prompt.turns[: turn + 1]))
    kinds = NAMES if reference in NAMES else COLOURS
    return sorted({word for word in words if word in kinds} | {reference})


def _concludes(reference: str, prompt: Prompt, turn: int, text: str) -> bool | None:
    """Steps, reasons and what was ruled out set aside, only the right name is left."""
    if reference not in {*NAMES, *COLOURS}:
        return None
    lines = [
        re.split(r"\b(?:because|since|as|for)\b", line, maxsplit=1)[0]
        for line in text.splitlines()
        if not re.match(r"\s*(?:step\b|\d+[.):])", line, re.IGNORECASE)
        and "ruled out" not in line.lower()
    ]
    said = set(re.findall(r"\w+", " ".join(lines)))
    return said & set(alternatives(prompt, turn, reference)) == {reference}


def _states_facts(reference: str, prompt: Prompt, turn: int, text: str) -> bool:
    facts = reference.split("; ")
    return all(re.search(rf"\b{re.escape(fact)}\b", text) for fact in facts)


def function_source(text: str) -> str | None:
    """The first function in a response: its def line and what is indented below it."""
    found = re.search(r"^def [^\n]*\n(?:[ \t]+[^\n]*\n?)+", text, re.MULTILINE)
    return found.group(0) if found else None


def _code_works(reference: str, prompt: Prompt, turn: int, text: str) -> bool | None:
    """The same name, and the same results as the reference on a few inputs."""
    wanted, given = read_function(reference), read_function(function_source(text) or "")
    if wanted is None:
        return None
    if given is None or wanted.name != given.name:
        return False
    return wanted.results() == given.results()


# A reference that is no number, name or function, as people's prose, can be checked by no program.
_CHECKS: dict[str, Callable[[str, Prompt, int, str], bool | None]] = {
    "math": _number_is,
    "gsm": _number_is,
    "reasoning": _concludes,
    "extraction": _states_facts,
    "coding": _code_works,
}


def is_right(prompt: Prompt, turn: int, text: str) -> bool | None:
    """Whether the text answers this turn rightly; None where there is no right answer."""
    reference = prompt.reference[turn] if prompt.reference else ""
    check = _CHECKS.get(prompt.category)
    return check(reference, prompt, turn, text) if reference and check else None
