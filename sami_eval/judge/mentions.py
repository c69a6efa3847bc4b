"""Which of the verdicts a reply mentions are given, and which are only spoken of.

"The verdicts were [[A]], [[B]] and [[C]]", "[[A]] if A is better, [[B]] if ...", "not [[B]]" and
the ten of "[[8]] out of [[10]]" give none. Every look around a mention is bounded.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
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
    rf"{_DRESS}(?:/|(?:out[ ])?of|von|sur|sobre|de|di|su|из|[分点，、（ ]{{0,3}}"
    r"(?:[满滿]分|満点)[是为為は:：]?)[ ]?(?:an?[ ]|the[ ])?"
    rf"(?:possible[ ]|maxim(?:um|al)[ ](?:of[ ])?|max\.?[ ])?{_DRESS}",
    re.I,
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|nor|neither|rather[ ]than|instead[ ]of|over|against|than"
    r"|(?:refuse|decline)[sd]?[ ]to)|n[’']t)"
    r"(?:[ ](?:an?|the|a[ ]plain|say|give|given|choose|pick|go[ ]with|call[ ]it|be|been|deserve"
    r"|output|write|print|award|select|end[ ]with"
    r"|(?:read|take|mistake|interpret|count|treat|understand)[ ](?:it|this|that)[ ](?:as|for)))?"
    r"[ ]?[*_`'\"“‘(]{0,3}\Z"
    r"|(?:\b(?:nicht|kein|weder|noch|ni|ни|(?:an)?statt|pas|plutôt[ ]que|non|no|não|не|вместо"
    r"|(?:au[ ]lieu|en[ ]lugar|en[ ]vez|em[ ]vez|anstelle)[ ](?:de|von|d))|[不非])"
    r"[是选選]?[ ]?[*_`'\"“‘„«「(（]{0,3}\Z",
    re.I,
)
_DENIED_BEHIND = re.compile(
    r"[*_`'\"”’」)]{0,4}[ ]?(?:ではな|でな|じゃな|[은는이가]?[ ]?아[니닌]"
    r"|(?:would[ ]be|is|was|seems)[ ](?:(?:wrong|incorrect|mistaken|worse|weaker)\b"
    r"|not[ ](?:right|correct|justified|my|the)\b)"
    r"|(?:lacks?|lacked|misses|missed|fails?|failed|falls[ ]short|omits|omitted|ignores|ignored)\b"
    r"|(?:wäre|serait|ser[ií]a)[ ](?:falsch|faux|incorrect))",
    re.I,
)
_QUOTING = "*_`'\"“‘„«「(（ "  # may stand between a denial and what it denies
_MEANS = re.compile(
    r"[*_`'\"”’)]{0,4}[ ]{0,3}(?:[=:→–—]|[-=]>|-\s|\(?\b(?:if|when|for|means?|meaning|where"
    r"|in[ ]case|would[ ]mean|stands|indicates|says|is[ ]for|otherwise|else)\b)",
    re.I,
)
_SUPPOSED = re.compile(
    r"(?:\b(?:for[ ](?:example|instance)|e\.g\.|such[ ]as)[:,]?[ ]?[*_`'\"“(]{0,3}"
    r"(?:[Rr]ating:[ ]?)?"
    r"|\b(?:would|could|might)[ ](?:have|get|earn|receive)\b[^.!?\n]{0,40}"
    r"|\([^()\n]{0,30}\d[ ]?[-+−–*×/][ ]?"  # (10 - [[2]]): a part of a sum
    r"|\b(?:minus|deduct(?:ing|ed)?|subtract(?:ing|ed)?)[ ]"
    # What an answer says or asks for.
    r"|\b(?:answer|assistant|response|reply|text|it|which|that|A|B)(?:[’']s)?[ ][^.!?,;:\n]{0,30}"
    r"\b(?:sa(?:id|ys)|claim(?:s|ed)|ask(?:s|ed)|wr(?:ote|ites)|contain(?:s|ed)|includ(?:es|ed)"
    r"|tr(?:ies|ied)|instruct(?:s|ed)|demand(?:s|ed)|inject(?:s|ed)|insert(?:s|ed)|t(?:ells|old)"
    r"|(?:ends|ended)[ ]with)\b[^.!?,;:\n]{0,40}(?::[ ]?[\"'“‘`])?"
    r"|\bif\b[^.!?\n]{0,40}\b(?:had|were)\b[^.!?\n]{0,40})\Z",
    re.I,
)
_CONDITIONAL = re.compile(
    r"[*_`'\"”’)]{0,4}[ ]{1,3}(?:if|when|in[ ]case|means"
    r"|(?:would|could|might)[ ](?:mean|need|require|take|have|demand)\b"
    r"|(?:would|could|might)\b[^.!?\n]{0,80}\b(?:if|had|were))\b",
    re.I,
)
# A sentence about what a verdict would be, or about an answer under the verdict's name.
_ABOUT = re.compile(
    r"[*_`'\"”’)]{0,4}[ ]{1,3}(?:would|could|might|wäre|würde|serait|ser[ií]a|has|had|was|does|did"
    r"|contains|makes|made|gives|gave|repeats|only)\b"
)
# "Accuracy: [[A]]" in a line, "Depth: [[B]]" in the next: parts, of which none is the verdict.
_ROW = re.compile(
    r"(?:\A|\n)[\s*_|>#-]*(?:\d{1,2}[.)]|(?P<label>[^\n:：|\[]{1,40})[:：|])[\s*_|]*\Z"
)
_WHOLE = re.compile(
    r"final|overall|average|mean|verdict|rating|score|conclu|decision|total|summar|result|winner|revis|correct"
    r"|updated|instead|judge?ment|answer|therefore|\b(?:now|so|mine|better|best)\b|urteil|gesamt"
    r"|fazit|最终|最終|结论|結論|总|判定|裁决",
    re.I,
)
_SENTENCE = re.compile(r"[.!?](?=\s)|[。！？\n]")
# What leads from a verdict that was weighed to the one that is given.
_TURN = re.compile(
    r"[:：;→]|=>|\b(?:but|yet|however|final(?:ly)?|verdict|rating|choose|pick|go[ ]with|settle"
    r"|so|thus|therefore|hence|then|conclu\w+"
    r"|wait|actually|no(?=[ ]?[,;–—-])|aber|sondern|mais|pero|sino|но)\b|但|最终|最終|结论|結論",
    re.I,
)
_CONTINUES = re.compile(r"[\w,;/|、，]")  # a list goes on in the next line
_QUOTES = frozenset('"“”„«»「」')


def given(text: str, mentions: Sequence[Mention], possible: int) -> list[Mention]:
    """The mentions of a verdict that give it, in the order of the text.

    possible: how many different verdicts there are; 0 for ratings.
    """
    left = _disjoint(mentions)
    if len(left) == 1:  # most replies: what tells one from another says nothing
        return _of_denials(text, left)
    for rule in (_of_legends, _of_lists, _of_asides, _of_denials):
        left = rule(text, left)
    if possible > 2:
        left = _of_whole_sentences(text, left, possible)
    left = [one for one in left if not _is_supposed(text, one)] or left
    return [] if _is_disputed(text, left) else left


def _is_supposed(text: str, one: Mention) -> bool:
    """Whether it is a part of a sum, or given in another case: "could have got [[9]]"."""
    return bool(_SUPPOSED.search(_before(text, one)) or _CONDITIONAL.match(text, one[1].end()))


def _is_disputed(text: str, left: Sequence[Mention]) -> bool:
    """Whether the last one cannot be told from what the judge only speaks of, in any language.

    "I prefer [[A]] to [[B]]": another in its sentence, and no turn between them. It alone in
    quotes: what an answer asked for, or the verdict; neither is known.
    """
    others = [one for one in left[:-1] if _said(one) != _said(left[-1])]
    if not others:
        return False
    if _ABOUT.match(text, left[-1][1].end()) or _is_part(text, left[-2], left[-1]):
        return True
    if _is_quoted(text, left[-1]) and any(not _is_quoted(text, one) for one in others):
        return True
    last, before = left[-1], left[-2]
    between = _between(text, before, last)
    one_sentence = not _SENTENCE.search(text, before[1].end(), last[1].start())
    if _said(before) == _said(last) or not one_sentence or not between.strip():
        return False
    return not _TURN.search(between)


def _is_part(text: str, before: Mention, last: Mention) -> bool:
    """Whether the last two stand in rows of a table of parts, without a row for the whole."""
    row, above = _ROW.search(_before(text, last)), _ROW.search(_before(text, before))
    rows_apart = _between(text, before, last).strip().count("\n")
    return bool(row and above and rows_apart <= 2 and not _WHOLE.search(row["label"] or ""))


def _is_quoted(text: str, mention: Mention) -> bool:
    start, end = mention[1].span()
    return text[start - 1 : start] in _QUOTES and text[end : end + 1] in _QUOTES


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


def _agreed(runs: Iterator[list[Mention]]) -> list[Mention]:
    """The mentions of those runs that say one thing only."""
    return [one for run in runs if len({_said(one) for one in run}) < 2 for one in run]


def _of_lists(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without lists and ranges of different verdicts, and without what a rating is out of."""

    breaks = [end.start() for end in re.finditer("\n", text)]
    lines = Counter(bisect_left(breaks, one[1].start()) for one in mentions)

    def is_line(one: Mention) -> bool:
        return lines[bisect_left(breaks, one[1].start())] > 1

    def joined(one: Mention, other: Mention) -> bool:
        between = _between(text, one, other)
        if "\n" in between and not _CONTINUES.search(between) and is_line(one):
            return False
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
    return _agreed(_runs(whole, joined))


def _is_out_of(between: str) -> bool:
    return len(between) <= _LINK and _OF.fullmatch(between) is not None


def _of_legends(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without "[[A]] if ..., [[B]] if ...": what each verdict would mean."""

    def explained(one: Mention) -> bool:
        return _MEANS.match(text, one[1].end(), one[1].end() + 40) is not None

    def joined(one: Mention, other: Mention) -> bool:
        near = other[1].start() - one[1].end() <= _LEGEND
        return near and explained(one) and explained(other)

    return _agreed(_runs(mentions, joined))


def _of_asides(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without different verdicts within one pair of brackets: "(turn 1: [[A]], turn 2: [[B]])"."""

    def bracket(one: Mention) -> int:
        start = max(one[1].start() - _LEGEND, 0)
        opened = text.rfind("(", start, one[1].start())
        return opened if opened > text.rfind(")", start, one[1].start()) else -1

    def joined(one: Mention, other: Mention) -> bool:
        return bracket(one) == bracket(other) >= 0

    return _agreed(_runs(mentions, joined))


def _of_denials(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Without what the judge says its verdict is not."""
    return [
        one
        for one in mentions
        if not _is_denied(_before(text, one)) and not _DENIED_BEHIND.match(text, one[1].end())
    ]


def _is_denied(before: str) -> bool:
    # Every denial ends in a letter: behind a full stop or a new line there is nothing to search.
    return before.rstrip(_QUOTING)[-1:].isalpha() and _DENIED.search(before) is not None


def _of_whole_sentences(text: str, mentions: list[Mention], possible: int) -> list[Mention]:
    """Without sentences that name every verdict there is."""
    if len({name for name, _ in mentions}) < possible:
        return mentions
    ends = [end.start() for end in _SENTENCE.finditer(text)]
    named: dict[int, set[str]] = {}
    for name, match in mentions:
        named.setdefault(bisect_left(ends, match.start()), set()).add(name)
    return [one for one in mentions if len(named[bisect_left(ends, one[1].start())]) < possible]
