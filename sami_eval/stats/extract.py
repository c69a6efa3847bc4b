"""A number out of an answer: behind the last explicit marker, else the last number there is.

Markers: `#### 18`, `\\boxed{18}`, "the answer is 18", "Answer: 18", `A: 18`, <answer>18</answer>,
and some of other languages. What a model thought before it answered is not read.
The value behind one is the first number of its sentence, or what its first chain of sums comes to
("9 * 2 = 18"); prose may follow it. A marker without a number is none: the one before it counts;
one with what is no one number (`doubtful`) is the end: there is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from sami_eval.core.thoughts import spoken
from sami_eval.stats import doubtful
from sami_eval.stats.number_words import worded
from sami_eval.stats.quantities import Quantity, normalise, quantities

WINDOW = 240  # characters behind a marker that are looked at

MOST_MARKERS = 2_000  # the last ones; no answer that a person reads has as many

_MARKER = re.compile(
    r"(?P<hashes>\#{4})(?!\#)"
    r"|\\f?box(?:ed)?(?P<boxed>(?![A-Za-z]))"
    r"|(?P<tag><answer>)"
    r"|(?P<says>(?<![A-Za-z0-9_/])answer(?![A-Za-z0-9_])"
    r"(?:[*_` ]{1,3}(?:to|for|in|of)\b[^.:=\n]{1,60}?|[*_` ]{0,3}\([^()\n]{1,40}\))?"
    r"[*_` ]{0,3}(?:\b(?:is|was|equals|(?:would|will|should|must)[ ]be|comes[ ]to|becomes"
    r"|can(?:not|['’]t)(?=[ ]be[ ])|could[ ]not(?=[ ]be[ ]))\b"
    r"|'s[ ]|是|は)"
    r"|答案?(?:是|为|為|:)|答え[ ]?(?:は|:)|정?답[ ]?(?:은|는|:)|คำตอบ[ ]?(?:คือ|:)"
    r"|\b(?:antwort|respuesta|réponse|resposta|risposta|ответ)[*_` ]{0,3}"
    r"(?::|\b(?:ist|lautet|beträgt|es|est|é|è|ser[áà])\b))"
    r"|(?P<colon>(?<!/)\b(?P<final>final[ _])?ans(?:wer)?\b(?:[*_` ]{0,3}\([^()\n]{1,40}\))?"
    r"(?:[*_` ]{0,4}|[\"'][ ]?)(?:[:=\-\u2014>\u2192]|\.(?=[ ]?[$\d])|\n))"
    r"|(?P<letter>^[*_` ]{0,3}A[*_` ]{0,3}:)",
    re.IGNORECASE | re.MULTILINE,
)
# Where a marker may begin: a character and a look around it. A search for it finds its next place
# many times faster than one for `_MARKER`, whose first character may be written in two ways.
_PLACE = re.compile(
    r"(?-i:[#\\<aAfFrRоОᲂ答답정ค*_` ])"
    r"(?:(?<=\#)(?=\#{3})|(?<=\\)(?=f?box)|(?<=<)(?=a)|(?<=a)(?=n|[*_` ]{0,3}:)|(?<=f)(?=i)"
    r"|(?<=r)(?=[eéi])|(?<=[о答정답ค])|(?<=^[*_` ]))",
    re.IGNORECASE | re.MULTILINE,
)
# "The answer is found by ..." announces no value.
_NO_VALUE = re.compile(
    r"[ *_:,]*(?:not|n't|(?:in)?correct|right|wrong|true|false|found|obtained|calculated|computed|"
    r"based|reached|determined|given|derived|because|still|also|clear|simple|easy|below|above|"
    r"unknown|be|in|on|as|by|if|when|where|whether)\b",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:[^0-9A-Za-z\n]|\n(?=[ \n]*[^ \n])|\b(?:approximately|approx|about|around|exactly|roughly|"
    r"only|simply|just|therefore|thus|equal|to|the|number|value|of|usd|eur|gbp|inr|rs|us|php|rm|"
    r"[a-z])\b){0,40}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"[ ]?([0-9]{1,3})[.):][ ]+[A-Za-z]")
_OPENING = re.compile(r"[\s*_:`]*")
_BRACE = re.compile(r"[ ]{0,3}\{")
_SENTENCE_END = re.compile(r"(?<!\bRs)(?<!\bapprox)(?<!\bNo)[.!?](?=\s|$)|[。｡]|\n")
# What may stand between two numbers of one sum: units, brackets and an operator.
_CHAIN = re.compile(
    r"[ ]{0,2}(?:(?!(?:for|when|if|where|with|at|since|because|as|given|or|so|while|in)\b)"
    r"/?[A-Za-z%°][A-Za-z%°/]{0,20}[ ]{0,2}){0,3}[()\[\]{} ]{0,4}"
    r"(?P<operator>[-+*x×·/÷=]|\b(?:times|plus|minus|equals|divided[ ]by|multiplied[ ]by"
    r"|of(?:[ ](?:the|these|those|his|her|its|their))?)\b)"
    r"[()\[\]{} $€£¥₹]{0,4}"
)
_REASON = re.compile(r"\b(?:because|since|as|for|if|when|where)\b", re.IGNORECASE)
_RATE = re.compile(
    r"[ ](?:[a-z]+[ ]){1,2}(?:in|per|every|over|within|for|after|each)[ ][0-9]+[ ][a-z]+\W*",
    re.IGNORECASE,
)


def extract_answer(text: str) -> Fraction | None:
    """The number an answer gives, exactly; None where it holds none, or a root or logarithm.

    25% is 25 and $1,000.00 is 1000: units are not converted. Time is linear in the text's length.
    """
    text = normalise(spoken(text))
    try:
        announced = _announced(text)
        return _last(text) if announced is None else announced
    except doubtful.DoubtfulError:
        return None


def _announced(text: str) -> Fraction | None:
    """The value behind the last marker that has one."""
    markers = _markers(text)
    headings = _headings(text, markers)
    kept = [one for one in reversed(markers[-MOST_MARKERS:]) if one.start() not in headings]
    if kept:
        doubtful.check_known(text, kept[0].end())
    return next((value for one in kept if (value := _behind(text, one)) is not None), None)


def _markers(text: str) -> list[re.Match[str]]:
    """All matches of `_MARKER`."""
    found: list[re.Match[str]] = []
    end = 0
    for place in _PLACE.finditer(text):
        start = place.start()
        if start >= end and (marker := _MARKER.match(text, start)):
            found.append(marker)
            end = marker.end()
    return found


def _headings(text: str, markers: list[re.Match[str]]) -> frozenset[int]:
    """Where `#### 1. Words`, `#### 2. Words`, ... are numbered headings, not answers."""
    found: list[int] = []
    for marker in markers:
        numbered = _NUMBERED.match(text, marker.end())
        if marker["hashes"] and numbered and int(numbered[1]) == len(found) + 1:
            found.append(marker.start())
    return frozenset(found)


def _behind(text: str, marker: re.Match[str]) -> Fraction | None:
    """The value a marker announces, or None. Raises DoubtfulError for what is no one number."""
    if marker["boxed"] is not None:
        return _boxed(text, marker.end())
    start, end = marker.end(), min(marker.end() + WINDOW, len(text))
    if marker["says"] and _NO_VALUE.match(text, start, end):
        return None
    filler = _FILLER.match(text, start, end)
    direct = filler.end() if filler else start
    lenient = bool(marker["says"] or marker["final"])
    if lenient:
        opening = _OPENING.match(text, start, end)
        stop = _SENTENCE_END.search(text, max(direct, opening.end() if opening else start), end)
        limit = stop.start() if stop else end
    else:
        limit = end
    values = quantities(text, start, end)
    first = next(values, None)
    if first is None or first.start > (limit if lenient else direct):
        in_words = worded(text, start)
        return None if in_words is None else Fraction(in_words)
    if lenient and first.start > direct:
        return _concluded(text, first, limit)
    return _chained(text, first, values)


def _concluded(text: str, first: Quantity, limit: int) -> Fraction:
    """What a sentence says in prose: what its first equation comes to, else its first value."""
    reason = _REASON.search(text, first.end, limit)
    limit = reason.start() if reason else limit
    equals = text.find("=", first.end, limit)
    values = quantities(text, equals + 1 if equals >= 0 else first.start, limit)
    return _chained(text, next(values, first), values)


def _chained(text: str, first: Quantity, rest: Iterator[Quantity]) -> Fraction:
    """The first value, or what a chain of sums from it comes to; a sum without its end is none."""
    result, last, is_open = first, first, False
    for value in rest:
        link = _CHAIN.fullmatch(text, last.end, value.start)
        if link is None:
            doubtful.check_only(text, last, value)
            break
        comes_to = link["operator"] in ("=", "equals")
        is_open = not comes_to and not link["operator"].startswith("of")
        result, last = value if comes_to else result, value
    if is_open:
        raise doubtful.DoubtfulError
    doubtful.check_whole(text, result)
    return result.value


def _boxed(text: str, start: int) -> Fraction | None:
    """The value in the braces that open here, or right behind where none do."""
    brace = _BRACE.match(text, start)
    if brace is None:
        first = next(quantities(text, start, min(start + WINDOW, len(text))), None)
        return first.value if first is not None and first.start <= start + 2 else None
    end = _closing(text, brace.end())
    doubtful.check_box(text, brace.end(), end)
    # What equals it stands behind the last equals sign.
    values = quantities(text, max(text.rfind("=", brace.end(), end) + 1, brace.end()), end)
    first = next(values, None)
    return None if first is None else _chained(text, first, values)


def _closing(text: str, start: int) -> int:
    """Where the brace before `start` closes, or as far as a marker is looked at."""
    depth, end = 1, min(start + WINDOW, len(text))
    for at in range(start, end):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    return end


def _last(text: str) -> Fraction | None:
    first = last = None
    for last in quantities(text):
        first = first or last
    if first is None or last is None:
        return None
    if doubtful.is_moment(text, last):
        raise doubtful.DoubtfulError
    rate = _RATE.fullmatch(text, first.end)
    # "18 dollars in 7 days", and nothing else: what is asked for comes first.
    if rate is not None and not text[: first.start].strip(" $€£*-"):
        return first.value
    return last.value
