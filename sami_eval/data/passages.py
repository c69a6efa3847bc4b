"""The parts of a text that a check counts: prose and code, words, sentences, paragraphs, lists.

A fenced code block opens with a line of three or more ` or ~ and closes with another, or with the
text; what it holds is code, and no part of the prose.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CODE = "\ufffc"  # stands in the prose where a code block was
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKER = re.compile(r"\s*(?:[-*+•]\s+|\**(?:step\s+)?\d{1,4}[.):]\**\s+|#{1,6}\s+|>\s*)", re.I)
_BULLET = re.compile(r"\s*[-*+•]\s(?=.*\w)")
_STEP = re.compile(r"\s*\**(?:step\s+)?(\d{1,4})[.):]\**\s(?=.*\w)", re.I)
_HEADING = re.compile(r" {0,3}#{1,6}\s(?=.*\w)")
_BETWEEN_WORDS = re.compile(r"[\s—–/]+")
_CLOSING = "\"'’”»)]*_` "
_END = re.compile(r"(?<![.!?…])([.!?…]++[\"'’”»)\]*_`]*+)(?=\s|$)|([。！？]+[」』”）]*)")
_TITLES = ("mr", "mrs", "ms", "dr", "prof", "st", "mt", "vs", "cf", "e.g", "i.e")
_OPEN_ENDED = ("etc", "inc", "ltd", "co", "jr", "sr", "approx")
_NEXT = re.compile(r"\s*(\S?)")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")


@lru_cache(maxsize=4096)
def parted(text: str) -> tuple[str, tuple[str, ...]]:
    """The prose, a line of its own in place of each code block, and what the closed blocks hold."""
    prose: list[str] = []
    blocks: list[str] = []
    fence = ""
    inside: list[str] = []
    for line in text.splitlines():
        found = _FENCE.match(line)
        if not fence:
            fence = found[1] if found else ""
            prose.append(CODE if found else line)
        elif found and found[1].startswith(fence) and not line.strip(" `~"):
            blocks.append("\n".join(inside))
            fence, inside = "", []
        else:
            inside.append(line)
    return "\n".join(prose), tuple(blocks)


def prose(text: str) -> str:
    """What is not in a code block."""
    return parted(text)[0]


def words(text: str) -> list[str]:
    """Runs without a space, dash or slash that hold a letter or digit, list marks left out.

    A letter of Chinese, Japanese or Thai, which put no spaces, is a word of its own.
    """
    found: list[str] = []
    for line in text.splitlines():
        for token in _BETWEEN_WORDS.split(unmarked(line)):
            spaceless = _SPACELESS.findall(token)
            rest = _SPACELESS.sub("", token) if spaceless else token
            found += spaceless
            if any(map(str.isalnum, rest)):
                found.append(rest)
    return found


def unmarked(line: str) -> str:
    """A line without the mark of a list entry, step, heading or quotation before it."""
    found = _MARKER.match(line)
    return line[found.end() :] if found else line


def is_spaceless(letter: str) -> bool:
    """Whether a letter is of a script that puts no spaces between words."""
    return _SPACELESS.match(letter) is not None


def stripped(text: str) -> str:
    """A text from its first letter or digit to its last."""
    inside = [place for place, letter in enumerate(text) if letter.isalnum()]
    return text[inside[0] : inside[-1] + 1] if inside else ""


def bare(word: str) -> str:
    """A word without the marks around it, in lower case."""
    return stripped(word.replace("’", "'")).casefold()


def sentences(text: str) -> list[str]:
    """What ends in . ! ? or their like before a space, or with its paragraph, entry or heading.

    Mr., Dr., e.g. and single letters (J. Smith) end none; etc. and p.m. do before a capital.
    """
    return [one for passage in _passages(prose(text)) for one in _split(passage) if words(one)]


def _passages(text: str) -> list[str]:
    """Paragraphs, each entry of a list and each heading alone."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        heading = bool(_HEADING.match(line))
        if not line.strip() or line == CODE or heading or _BULLET.match(line) or _STEP.match(line):
            found.append([])
        found[-1].append("" if line == CODE else unmarked(line))
        if heading:
            found.append([])
    return [" ".join(lines).strip() for lines in found if lines]


def _split(passage: str) -> list[str]:
    start, found = 0, []
    for end in _END.finditer(passage):
        if end[1] == "." and _abbreviated(passage, start, end):
            continue
        found.append(passage[start : end.end()].strip())
        start = end.end()
    return [*found, passage[start:].strip()]


def _abbreviated(passage: str, start: int, end: re.Match[str]) -> bool:
    """Whether a full stop shortens a word and ends no sentence."""
    at = end.start()
    last = passage[passage.rfind(" ", start, at) + 1 : at].lstrip("(\"'*_")
    following = _NEXT.match(passage, end.end())
    after = following[1] if following else ""
    if not after:
        return False
    single = len(last) == 1 and last.isalpha() and last.isupper() and last != "I"
    if single or last.lower() in _TITLES:
        return True
    shortened = last.lower() in _OPEN_ENDED or bool(re.fullmatch(r"(?:\w\.)+\w", last))
    return shortened and not after.isupper()


def asks(sentence: str) -> bool:
    """Whether a sentence ends with a question mark, closing marks left aside."""
    return sentence.rstrip(_CLOSING).endswith(("?", "？", "؟"))


def paragraphs(text: str) -> int:
    """Blocks between blank lines; a code block counts with what it touches."""
    return sum(1 for block in re.split(r"\n\s*\n", prose(text)) if block.strip())


def bullets(text: str) -> int:
    """Lines that begin with -, *, + or • and a space, at any depth."""
    return sum(bool(_BULLET.match(line)) for line in prose(text).splitlines())


def steps(text: str) -> int:
    """How far the lines numbered 1. 2) or Step 3: count up from one without a gap."""
    most = current = 0
    for line in prose(text).splitlines():
        found = _STEP.match(line)
        if found is None:
            continue
        number = int(found[1])
        current = number if number in (1, current + 1) else current
        most = max(most, current)
    return most


def headings(text: str) -> int:
    """Lines that begin with one to six # and a space."""
    return sum(bool(_HEADING.match(line)) for line in prose(text).splitlines())


def lines(text: str) -> list[str]:
    """Lines that are not blank, those of code and its fences too."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def script(text: str) -> str | None:
    """The script most letters are of, in Unicode's words; None without a letter.

    Chinese characters and both kinds of kana are one.
    """
    counts: dict[str, int] = {}
    for letter in filter(str.isalpha, text):
        name = unicodedata.name(letter, "?").partition(" ")[0]
        name = "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name
        counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name]) if counts else None


def copied(text: str, source: str) -> int:
    """How many words in a row stand in both, at most; case and marks left aside."""
    mine, theirs = ([bare(word) for word in words(prose(one))] for one in (text, source))
    follow, shorter, length = _suffixes(theirs)
    state = run = most = 0
    for word in mine:
        while state and word not in follow[state]:
            state = shorter[state]
            run = length[state]
        if word in follow[state]:
            state, run = follow[state][word], run + 1
        most = max(most, run)
    return most


def _suffixes(sequence: list[str]) -> tuple[list[dict[str, int]], list[int], list[int]]:
    """The suffix automaton (Blumer et al. 1985): transitions, suffix links and longest runs.

    It finds what two texts share in time that grows with their length, however they repeat.
    """
    follow: list[dict[str, int]] = [{}]
    shorter, length, last = [-1], [0], 0
    for word in sequence:
        state, new = last, len(follow)
        follow.append({})
        length.append(length[last] + 1)
        shorter.append(0)
        while state >= 0 and word not in follow[state]:
            follow[state][word] = new
            state = shorter[state]
        if state >= 0:
            there = follow[state][word]
            if length[there] > length[state] + 1:
                copy = len(follow)
                follow.append(dict(follow[there]))
                length.append(length[state] + 1)
                shorter.append(shorter[there])
                while state >= 0 and follow[state].get(word) == there:
                    follow[state][word] = copy
                    state = shorter[state]
                shorter[there] = there = copy
            shorter[new] = there
        last = new
    return follow, shorter, length
