"""What an answer says that is no one number: a root, a range, a sum, a time, a pair, "unknown".

The first digits of 2√3, "5 to 10" or 10:30 are no answer: none beats a guess.
"""

from __future__ import annotations

import re

from sami_eval.stats.quantities import Quantity, quantities

_NAMED = r"\\(?:sqrt|pi|log|ln|exp|sin|cos|tan|infty|pm|leq?|geq?|overline)(?![A-Za-z])"
_BOX = re.compile(
    rf"{_NAMED}|[√π∞≤≥±]"
    r"|(?:\\\{|[(\[])[^(){}\[\]]*[,;][^(){}\[\]]*(?:\\\}|[)\]])"  # a pair, an interval, a set
    r"|[0-9][ ]*[,;][ ]+-?(?![0-9]{3}(?![0-9]))[0-9]"  # a list
    r"|[0-9](?:_|!|:[0-9])"  # another base, a factorial, a time or a ratio
    r"|(?<![A-Za-z\\])[xyznabk][ ]*(?:\^|[-+][ ]*[0-9])|[0-9][ ]*[-+][ ]*[0-9.]*[a-z](?![A-Za-z])"
)
_SEVERAL = re.compile(r"=[^=]*(?:,|\b(?:or|and)\b)[^=]*=")  # x = 3, y = 4
_ROOT_OF = re.compile(rf"(?:√|{_NAMED}|\b(?:sqrt|log|ln)\b)[ ({{\[]*\Z")
_TIMES = re.compile(rf"[ ]?(?:√|π|\.?{_NAMED}|sqrt\b|pi\b|\.\([0-9])")
_MOMENT = re.compile(
    r"[0-9]+(?::[0-9]+){1,2}"
    r"|[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2[0-9]{4}"
)
_AROUND = re.compile(r"[0-9:/.-]{0,12}\Z"), re.compile(r"[0-9:/.-]{0,12}")
_OTHER = re.compile(
    r"(?:[ {]{0,2}[A-Za-z%°€£]{1,12}){0,2}?[ {}]{1,3}"
    r"(?P<word>to|or|through|and|bis|oder|und)[ {}]{1,3}"
    r"(?:[A-Za-z][ ]?=[ ]?)?[$€£¥₹]?"
    r"|[ ]?(?:h|hrs?|hours?|min|minutes?|ft|feet|foot|lbs?|pounds?),?[ ]"  # 2 hours 30 minutes
)
_ENDS = re.compile(r"(?:[ ]{0,2}[A-Za-z%°€£]{1,12}){0,2}[ ]{0,2}(?:[.!?)*]|\n|\Z)")
_UNKNOWN = re.compile(
    r"[\s*_:\"'`=-]{0,8}(?:unknown|none|null|nothing|n/?a|undefined|undetermined|indeterminate"
    r"|impossible|(?:(?:can(?:no|['’])t|could[ ]not)[ ])?be[ ](?:determined|known|found|calculated"
    r"|computed|given|reached|answered)|not[ ](?:known|given|possible|enough|clear|determinable)"
    r"|unbekannt|desconocid[oa]|inconnue?|неизвест\w{1,4}"
    r"|no[ ](?:answer|number|solution)|infinit[ey]|∞|不知道|未知|不能确定"
    r"|[无無](?:解|法[^0-9]{0,8}))"
    r"(?![A-Za-z])",
    re.I,
)


class DoubtfulError(ValueError):
    """What is said is no one number."""


def check_box(text: str, start: int, end: int) -> None:
    """Raise for a box that holds more than a number; what equals it stands behind its last `=`."""
    value = text[max(text.rfind("=", start, end) + 1, start) : end]
    if _BOX.search(value) or _SEVERAL.search(text, start, end):
        raise DoubtfulError


def check_known(text: str, start: int) -> None:
    """Raise where the answer is said to be unknown, and no number follows."""
    if _UNKNOWN.match(text, start) and next(quantities(text, start), None) is None:
        raise DoubtfulError


def check_whole(text: str, one: Quantity) -> None:
    """Raise for a number that is only a part of what is said: a root's, a time's, a date's."""
    before = text[max(one.start - 16, 0) : one.start]
    if _ROOT_OF.search(before) or _TIMES.match(text, one.end) or is_moment(text, one):
        raise DoubtfulError


def check_only(text: str, one: Quantity, other: Quantity) -> None:
    """Raise where another value is given beside the first: 5 or 10, between 5 and 10."""
    link = _OTHER.fullmatch(text, one.end, other.start)
    if link is None or other.value == one.value:
        return
    between = text[max(one.start - 16, 0) : one.start].lower()
    if link["word"] not in ("and", "und") or "between" in between or _ENDS.match(text, other.end):
        raise DoubtfulError


def is_moment(text: str, one: Quantity) -> bool:
    """Whether a number is a part of a time, a date or a ratio."""
    before = _AROUND[0].search(text, max(one.start - 12, 0), one.start)
    behind = _AROUND[1].match(text, one.start)
    run = (before[0] if before else "") + (behind[0] if behind else "")
    return _MOMENT.fullmatch(run.rstrip(".:-/")) is not None
