"""A letter from A to J: the one in the last box or behind the last "answer is", else a lone one."""

from __future__ import annotations

import re

INSTRUCTION = (
    "Answer the following question. Show your reasoning step by step, then finish with one line "
    "that says: The answer is LETTER."
)
# A and I are words too: what follows them must not make them one.
_NO_WORD = r"(?=[*_`.,:;)\]}$]|\s*\Z|\s*\n|\s+(?:because|since)\b|\s+[-–—]\s)"
_ONE = rf"(?:[B-HJ](?![\w'’])|[AI]{_NO_WORD})"
# "B or C" chooses nothing; "B, I think" does.
_SEVERAL = rf"(?![)\]*_`]*\s*(?:,|/|&|\band\b|\bor\b)\s*(?:[(\[]\s*[A-Ja-j]\s*[)\]]|[*_`]*{_ONE}))"
_LETTER = (
    r"(?:\\(?:text|textbf|mathrm|mathbf)\{\s*)?(?:[(\[]\s*(?P<inside>[A-Ja-j])(?=\s*[)\]])"
    rf"|(?P<alone>{_ONE})){_SEVERAL}"
)
_BEHIND = re.compile(
    r"(?:\\boxed\s*\{\s*|<answer>\s*|\#{4}\s*"
    r"|\b(?:[Aa]nswer|ANSWER|[Oo]ption|[Cc]hoice)\b[*_` ]*(?:\b(?:is|IS)\b|[:=])"
    r"[\s:*_`$]*(?:\\boxed\s*\{\s*)?)"
    r"(?:(?:the\s+)?(?:[Oo]ption|[Cc]hoice|[Ll]etter)\b[\s:*_`]*)?" + _LETTER
)
_ALONE = re.compile(r"[\s*_`$]*" + _LETTER + r"[\s*_`$})\].:]*")
_FIRST = re.compile(r"[\s*_`]*(?:\((?P<inside>[A-Ja-j])\)|(?P<alone>[A-J])[).:])[*_`]*\s+\S")


def answer(text: str) -> str | None:
    """The letter an answer chooses."""
    behind = list(_BEHIND.finditer(text))
    lines = text.strip().splitlines() or [""]
    found = behind[-1] if behind else _ALONE.fullmatch(lines[-1]) or _first(lines)
    return (found["inside"] or found["alone"]).upper() if found else None


def _first(lines: list[str]) -> re.Match[str] | None:
    """The letter before an option that is written out, where nothing else is."""
    return _FIRST.match(lines[0]) if len(lines) == 1 else None
