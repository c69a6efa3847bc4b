"""A number in English words where an answer is announced: "eighteen", "two hundred and five"."""

from __future__ import annotations

import re

from sami_eval.stats.doubtful import DoubtfulError

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {
    **{word: n for n, word in enumerate(_SMALL)},
    **{word: 10 * n for n, word in enumerate(_TENS, 2)},
    "a": 1,
}
_UP_TO_99 = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_SMALL[1:10])}))?|{'|'.join(_SMALL)})\b"
_UP_TO_999 = (
    rf"(?:(?:(?:a|{'|'.join(_SMALL[1:10])})[ ]hundred(?:[ ](?:and[ ])?{_UP_TO_99})?\b)|{_UP_TO_99})"
)
_NUMBER = re.compile(
    r"[\s*_:`\"'=]{0,6}(?:(?:exactly|only|just|about|approximately)[ ])?[*_`\"']{0,3}"
    r"(?P<minus>minus[ ]|negative[ ])?"
    rf"(?:(?P<thousands>{_UP_TO_999})[ ]thousand(?:,?[ ](?:and[ ])?(?P<rest>{_UP_TO_999}))?\b"
    rf"|(?P<units>{_UP_TO_999}))",
    re.I,
)
# "Three quarters" and "five or six" are numbers, but not this one.
_MORE = re.compile(
    r"[ -](?:hal(?:f|ves)|thirds?|quarters?|(?:four|fif|six|seven|eigh|nin|ten)ths?|point|dozens?"
    r"|hundreds?|thousands?|millions?|billions?|and[ ]a"
    rf"|(?:or|to|{'|'.join(_SMALL + _TENS)})\b)",
    re.I,
)
# What may follow: a sentence that begins so is none.
_UNIT = re.compile(r"[ ]?(?:[ ][A-Za-z%]{1,15}){0,2}[ ]?(?:[.!,;)*_`\"'$]|\n|\Z)")
_SENTENCE = re.compile(r"[ ](?:of|times|plus|minus|more|less)\b")


def worded(text: str, start: int) -> int | None:
    """The number in words that begins at a place, or None. Raises DoubtfulError for a part."""
    found = _NUMBER.match(text, start)
    if found is None:
        return None
    more = _MORE.match(text, found.end())
    if more and _UNIT.match(text, more.end()):
        raise DoubtfulError
    if _SENTENCE.match(text, found.end()) or not _UNIT.match(text, found.end()):
        return None
    units = _below_1000(found["units"] or found["rest"] or "zero")
    value = 1000 * _below_1000(found["thousands"] or "zero") + units
    return -value if found["minus"] else value


def _below_1000(words: str) -> int:
    hundreds, has, rest = words.lower().rpartition("hundred")
    parts = [_VALUES[word] for word in re.findall(r"[a-z]+", rest) if word != "and"]
    return sum(parts) + (100 * _VALUES[hundreds.strip()] if has else 0)
