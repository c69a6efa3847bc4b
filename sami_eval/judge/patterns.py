"""A judge file's regular expressions: tried when it is read, and never left to run for long."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from sami_eval.core.errors import UsageError

MOST_S = 2.0  # for one pattern over one text
_TRIAL_S, _TRIAL = 0.3, 8000  # seconds for, and characters of, a text that a pattern is tried on
HINT = "name the verdict itself, with no repeat inside a repeat and at most one `.*`"
_COUNT, _MOST_TIMES = re.compile(r"\{(\d*)(?:,(\d*))?\}"), 10_000
# Every letter and digit as a word of its own: at the beginning, amid, and at the end.
_PROSE = " ".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_SENTENCES = ("{0} is short, so option {0}, or plan {0}; it is (for me) {0}.", "It is {0}")


_OPENING = re.compile(r"(?:\\[^\w\s](?![?*{]))*")  # signs, each there just once

_PLAIN = re.compile(r"(?:(?:\\s[*+?]?)?(?:\\[^\w\s]|[A-Za-z0-9])(?![*+?{]))+")


@lru_cache(maxsize=256)
def opening(pattern: str) -> str:
    """What every match begins with, as far as that is seen at a glance: `[[` of `\\[\\[A\\]\\]`."""
    found = _OPENING.match(pattern)
    return "" if found is None or "|" in pattern else re.sub(r"\\(.)", r"\1", found[0])


@lru_cache(maxsize=256)
def _is_plain(pattern: str) -> bool:
    """Whether it is letters and signs, with spaces between them at most: no text can hold it up."""
    return _PLAIN.fullmatch(pattern) is not None


def matches(pattern: str, text: str) -> list[re.Match[str]]:
    """Every match in a text. Raises UsageError where the search takes longer than it may."""
    if opening(pattern) not in text:
        return []
    if _is_plain(pattern):  # a search that may be ended takes five times as long to begin
        return list(_compiled(pattern).finditer(text))
    try:
        return list(_compiled(pattern).finditer(text, timeout=MOST_S))
    except TimeoutError:
        what = f"the judge's pattern `{pattern}` takes over {MOST_S:.0f} s"
        raise UsageError(f"{what} on {len(text):,} characters", HINT) from None


class _Expression(Protocol):
    """An expression whose searches can be ended, which those of `re` cannot."""

    def search(self, text: str, *, timeout: float) -> re.Match[str] | None: ...

    def finditer(self, text: str, *, timeout: float | None = None) -> Iterator[re.Match[str]]: ...


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Expression:
    import regex

    expression: _Expression = regex.compile(pattern)
    return expression


def fault(pattern: str, bare_letters: bool) -> str | None:
    """What is wrong with a pattern, or None.

    bare_letters: whether it may match a letter that stands in prose.
    """
    import regex

    if _n_times(pattern) > _MOST_TIMES:
        return f"repeats something more than {_MOST_TIMES:,} times"
    try:
        with warnings.catch_warnings():  # on what may mean another thing one day
            warnings.simplefilter("ignore")
            re.compile(pattern)
            expression = _compiled(pattern)
        if expression.search("", timeout=_TRIAL_S):
            return "matches an empty reply"
        if any(_hangs(pattern, text) for text in _hostile(pattern)):
            return "can take for ever on a reply"
    except (re.error, regex.error, OverflowError) as error:
        return f"is no regular expression: {error}"
    except (RecursionError, MemoryError):
        return "is no regular expression: it is nested too deeply"
    letter = None if bare_letters else next(_letters(pattern), None)
    return letter and f"matches the bare letter `{letter}` of any sentence"


def _n_times(pattern: str) -> float:
    """How often what is repeated can be unfolded in memory, were every repeat inside the others."""
    pairs = _COUNT.findall(pattern)
    return math.prod(max((float(n) for n in pair if n), default=1.0) or 1.0 for pair in pairs)


def _hangs(pattern: str, text: str) -> bool:
    try:
        for _ in _compiled(pattern).finditer(text, timeout=_TRIAL_S):
            pass
    except TimeoutError:
        return True
    return False


def _hostile(pattern: str) -> Iterator[str]:
    """Texts that repeat what the pattern is made of, and end in something else."""
    words = re.findall(r"\w+", pattern)[:8]
    signs = "".join(dict.fromkeys(re.sub(r"\\[A-Za-z]", "", pattern)))[:24]
    pairs = [pattern[i : i + 2] for i in range(min(len(pattern) - 1, 16))]
    for unit in dict.fromkeys((*words, *signs, *pairs, "a", "A", "7", " ", "\n", "[", "a ", "é")):
        if unit:
            text = (unit * (_TRIAL // len(unit)))[:_TRIAL]
            yield f"{text}\x00"
            yield f"{text}\x00{pattern}"  # what it must hold, further on
            yield f"{text}\n{pattern}"


def _letters(pattern: str) -> Iterator[str]:
    """The single letters or digits that the pattern finds in prose."""
    for text in (_PROSE, *(s.format(one) for s in _SENTENCES for one in _PROSE.split())):
        for found in matches(pattern, text):
            bare = found[0].strip(" .,;:!?")
            if len(bare) == 1 and bare.isalnum():
                yield bare
