"""Which of the verdicts a reply mentions are given, and which are only spoken of.

"The verdicts were [[A]], [[B]] and [[C]]", "[[A]] if A is better, [[B]] if ...", "not [[B]]" and
the ten of "[[8]] out of [[10]]" give none. Every look around a mention is bounded.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

Mention = tuple[str, re.Match[str]]
_LINK, _LEGEND, _BACK = 60, 200, 60  # characters between two of a list, a legend, before a mention

_DRESS = r"[\s*_`'\"“”‘’„«»()\[\]{}<>]{0,8}"
_AND = r"and|or|und|oder|et|ou|y|o|и|или|和|或|と|or/and|and/or|versus|vs\.?"
_LISTED = re.compile(
    rf"{_DRESS}(?:\([^()\n]{{1,40}}\){_DRESS})?[,;/|&+、，·•-]?{_DRESS}(?:{_AND})?{_DRESS}", re.I
)
_RANGE = re.compile(rf"{_DRESS}(?:to|through|until|bis|[-–—~]|\.\.\.?){_DRESS}", re.I)
_OF = re.compile(
    rf"{_DRESS}(?:/|(?:out[ ])?of|von|sur|из)[ ]?(?:an?[ ]|the[ ])?"
    rf"(?:possible[ ]|maximum[ ](?:of[ ])?|max\.?[ ])?{_DRESS}",
    re.I,
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|nor|neither|rather[ ]than|instead[ ]of|over|against|than)|n[’']t)"
    r"(?:[ ](?:an?|the|a[ ]plain|say|give|given|choose|pick|go[ ]with|call[ ]it|be|been|deserve))?"
    r"[ ]?[*_`'\"“‘(]{0,3}\Z",
    re.I,
)
_MEANS = re.compile(
    r"[*_`'\"”’)]{0,4}[ ]{0,3}(?:[=:→–—]|[-=]>|-\s|\(?\b(?:if|when|for|means?|meaning|where"
    r"|in[ ]case|would[ ]mean|stands|indicates|says|is[ ]for|otherwise|else)\b)",
    re.I,
)
_SUPPOSED = re.compile(
    r"(?:\b(?:for[ ](?:example|instance)|e\.g\.|such[ ]as)[:,]?[ ]?[*_`'\"“(]{0,3}"
    r"(?:[Rr]ating:[ ]?)?"
    r"|\b(?:would|could|might)[ ]have\b[^.!?\n]{0,40})\Z",
    re.I,
)
_SENTENCE = re.compile(r"[.!?](?=\s)|\n")


def given(text: str, mentions: Sequence[Mention], possible: int) -> list[Mention]:
    """The mentions of a verdict that give it, in the order of the text.

    possible: how many different verdicts there are; 0 for ratings.
    """
    left = _disjoint(mentions)
    for rule in (_of_legends, _of_lists, _of_denials):
        left = rule(text, left)
    if possible > 2:
        left = _of_whole_sentences(text, left, possible)
    real = [one for one in left if not _SUPPOSED.search(_before(text, one))]
    return real or left


def _before(text: str, mention: Mention) -> str:
    return text[max(mention[1].start() - _BACK, 0) : mention[1].start()]


def _between(text: str, one: Mention, other: Mention) -> str:
    return text[one[1].end() : other[1].start()]


def _said(mention: Mention) -> str:
    """What a mention says: the verdict's name, or the number of a rating."""
    name, match = mention
    return str(match[1]) if name == "rating" else name


def _disjoint(mentions: Sequence[Mention]) -> list[Mention]:
    """Where two patterns find overlapping places, the later one."""
    left: list[Mention] = []
    for one in sorted(mentions, key=lambda item: item[1].span()):
        if left and one[1].start() < left[-1][1].end():
            left.pop()
        left.append(one)
    return left


def _runs(
    mentions: Sequence[Mention], joined: Callable[[Mention, Mention], bool]
) -> Iterator[list[Mention]]:
    """The mentions in runs of neighbours that are joined."""
    run = list(mentions[:1])
    for one, other in pairwise(mentions):
        if not joined(one, other):
            yield run
            run = []
        run.append(other)
    yield run


def _of_lists(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without lists and ranges of different verdicts, and without what a rating is out of."""

    def joined(one: Mention, other: Mention) -> bool:
        between = _between(text, one, other)
        # Far apart, thoughts stood between them; beyond a blank line, a list of its own begins.
        bare = not between.strip()
        if len(between) > (4 if bare else _LINK) or ("\n\n" in between and not bare):
            return False
        ranged = one[0] == "rating" and _RANGE.fullmatch(between)
        return bool(ranged or _LISTED.fullmatch(between))

    whole = [
        other
        for one, other in zip([None, *mentions], mentions, strict=False)
        if one is None or one[0] != "rating" or not _is_out_of(_between(text, one, other))
    ]
    return [
        one for run in _runs(whole, joined) if len({_said(one) for one in run}) < 2 for one in run
    ]


def _is_out_of(between: str) -> bool:
    return len(between) <= _LINK and _OF.fullmatch(between) is not None


def _of_legends(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without "[[A]] if ..., [[B]] if ...": what each verdict would mean."""

    def explained(one: Mention) -> bool:
        return _MEANS.match(text, one[1].end(), one[1].end() + 40) is not None

    def joined(one: Mention, other: Mention) -> bool:
        near = other[1].start() - one[1].end() <= _LEGEND
        return near and explained(one) and explained(other)

    return [
        one
        for run in _runs(mentions, joined)
        if len({_said(one) for one in run}) < 2
        for one in run
    ]


def _of_denials(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without what the judge says its verdict is not."""
    return [one for one in mentions if not _DENIED.search(_before(text, one))]


def _of_whole_sentences(text: str, mentions: list[Mention], possible: int) -> list[Mention]:
    """Without sentences that name every verdict there is."""
    ends = [end.start() for end in _SENTENCE.finditer(text)]
    named: dict[int, set[str]] = {}
    for name, match in mentions:
        named.setdefault(bisect_left(ends, match.start()), set()).add(name)
    return [one for one in mentions if len(named[bisect_left(ends, one[1].start())]) < possible]
