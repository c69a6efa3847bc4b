"""Checks: what a principle asks of an answer, in a line that a program reads.

    words <= 60 | bullets 3..5 | commas = 0        a count and its bounds
    begins "Dear" | avoids "very" "really"         texts in quotes of either kind, any case
    title | not question-last                      yes or no; `not` turns any check round
    steps >= 2 and final-answer                    both
    ifeval:punctuation:no_comma                    a verifier of lm-eval's (data/ifeval.py)

COUNTS, TEXTS and YES_OR_NO are the registry: a check is a function there, its docstring or the
words beside it say what it means, docs/judges.md lists them. An empty answer meets no check, turned
round or not. Where nothing else is said, code blocks are left out of what is counted.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.data import ifeval, passages
from sami_eval.data.passages import CODE, lines, parted, prose, sentences, words

Meets = Callable[[str, str], bool]  # the answer, and the message it answers
HINT = 'e.g. check = "words <= 60", or one of: '
_MARKS = " \t\n*_#>\"'“”‘’«»`()[]"
_COMMENT = re.compile(r"\s*(?:#(?:\s|$)|//|/\*|--\s|\"\"\"|''')")
_EQUATION = re.compile(r"[\w)\]}]\s*(?<![=<>!])=(?!=)\s*[-+$\\({\[]*\w")
_RULE = re.compile(r"\|?\s*:?-{3,}:?\s*(?:\|\s*:?-{3,}:?\s*)+\|?")
_FINAL = re.compile(r"(?:(?:the )?(?:final )?answer(?: is\b|\*{0,2}:| =)|####\s)(.*)", re.I | re.S)


def _count(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> Callable[[str, str], int]:
    compiled = re.compile(pattern, flags)
    return lambda text, asked: len(compiled.findall(prose(text)))


def _numbers(text: str) -> int:
    unmarked = "\n".join(passages.unmarked(line) for line in prose(text).splitlines())
    return len(re.findall(r"\d+(?:[.,]\d+)*", unmarked))


def _comments(text: str) -> int:
    return sum(bool(_COMMENT.match(line)) for block in parted(text)[1] for line in lines(block))


def _capitals(text: str) -> int:
    letters = (re.sub(r"[\W\d_]", "", word) for word in words(prose(text)))
    return sum(len(word) > 1 and word.isupper() for word in letters)


COUNTS: Mapping[str, Callable[[str, str], int]] = {
    "words": lambda text, asked: len(words(prose(text))),
    "sentences": lambda text, asked: len(sentences(text)),
    "longest-sentence": lambda text, asked: max(map(len, map(words, sentences(text))), default=0),
    "paragraphs": lambda text, asked: passages.paragraphs(text),
    "lines": lambda text, asked: len(lines(text)),
    "characters": lambda text, asked: len(text.strip()),
    "bullets": lambda text, asked: passages.bullets(text),
    "steps": lambda text, asked: passages.steps(text),
    "headings": lambda text, asked: passages.headings(text),
    "code-blocks": lambda text, asked: sum(bool(block.strip()) for block in parted(text)[1]),
    "comments": lambda text, asked: _comments(text),
    "commas": _count("[,،、，]"),
    "questions": lambda text, asked: sum(map(passages.asks, sentences(text))),
    "exclamations": _count("[!！]"),
    "numbers": lambda text, asked: _numbers(text),
    "capitals": lambda text, asked: _capitals(text),
    "bold": _count(r"\*\*(?=\S)[^*\n]+\*\*|(?<!\w)__(?=\S)[^_\n]+__(?!\w)"),
    "equations": lambda text, asked: sum(
        bool(_EQUATION.search(line)) for line in prose(text).splitlines()
    ),
    "copied": passages.copied,
}


def _plain(text: str) -> str:
    return text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"').casefold()


def _begins(text: str, wanted: str) -> bool:
    found = re.match(rf"{_pattern(wanted)}", _plain(text).lstrip(_MARKS))
    return found is not None


def _ends(text: str, wanted: str) -> bool:
    said = _plain(text).rstrip(_MARKS)
    if wanted[-1:].isalnum():  # a full stop behind the word does not matter
        said = passages.stripped(said)
    return re.search(rf"{_pattern(wanted)}$", said) is not None


def _holds(text: str, wanted: str) -> bool:
    return re.search(_pattern(wanted), _plain(text)) is not None


def _pattern(wanted: str) -> str:
    """A text as whole words; where a language puts no spaces, anywhere."""
    plain = _plain(wanted)
    inner = r"\s+".join(map(re.escape, plain.split())) or re.escape(plain)
    left, right = (
        mark if edge.isalnum() and not passages.is_spaceless(edge) else ""
        for mark, edge in ((r"(?<!\w)", plain[:1]), (r"(?!\w)", plain[-1:]))
    )
    return left + inner + right


def _last_line(text: str) -> str:
    return next(iter(lines(prose(text))[-1:]), "")


TEXTS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "begins": lambda text, wanted: any(_begins(text, one) for one in wanted),
    "ends": lambda text, wanted: any(_ends(text, one) for one in wanted),
    "last-line": lambda text, wanted: any(_begins(_last_line(text), one) for one in wanted),
    "contains": lambda text, wanted: all(_holds(text, one) for one in wanted),
    "contains-any": lambda text, wanted: any(_holds(text, one) for one in wanted),
    "avoids": lambda text, wanted: not any(_holds(text, one) for one in wanted),
}


def _lower_case(text: str, asked: str) -> bool:
    """No capital letter in the prose."""
    return not any(letter.isupper() or letter.istitle() for letter in prose(text))


def _upper_case(text: str, asked: str) -> bool:
    """Letters in the prose, and none of them small."""
    return prose(text).isupper()


def _title(text: str, asked: str) -> bool:
    """The first line is a heading (#), all bold, in << >>, or begins Title:, and more follows."""
    first, *more = lines(prose(text)) or [""]
    marked = re.fullmatch(r"#{1,6}\s.*|\*\*[^*]+\*\*:?|<<[^>]+>>|\**title:.+", first, re.IGNORECASE)
    return bool(more) and marked is not None and any(map(str.isalnum, first))


def _question_last(text: str, asked: str) -> bool:
    """The last sentence of the answer asks, and no code follows it."""
    last = next(reversed(sentences(text)), "")
    return passages.asks(last) and passages.asks(prose(text))


def _question_first(text: str, asked: str) -> bool:
    """The first sentence of the answer asks; no code before it."""
    opening = not prose(text).lstrip().startswith(CODE)
    return opening and passages.asks(next(iter(sentences(text)), ""))


def _json(text: str, asked: str) -> bool:
    """An object or a list in JSON and nothing else, save one code block around it."""
    said, blocks = parted(text)
    try:
        value = json.loads(
            blocks[0] if said.strip() == CODE and blocks else text, parse_constant=_no
        )
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict | list)


def _no(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")  # Python reads NaN, the format knows none


def _table(text: str, asked: str) -> bool:
    """A Markdown table: a row of names, one of dashes, one of values."""
    rows = prose(text).splitlines()
    return any(
        _RULE.fullmatch(rule.strip()) and "|" in above and "|" in below
        for above, rule, below in zip(rows, rows[1:], rows[2:], strict=False)
    )


def _same_script(text: str, asked: str) -> bool:
    """Most letters of the prose are of the script that most of the message are of.

    English, French and Swahili are one script: languages are not told apart. Without letters on
    either side there is nothing to differ.
    """
    wanted, found = passages.script(asked), passages.script(prose(text))
    return wanted is None or found is None or wanted == found


def _final_answer(text: str, asked: str) -> bool:
    """The last line gives it: Answer: 7, Final answer: 7, The answer is 7, or GSM8K's #### 7."""
    found = _FINAL.match(_last_line(text).lstrip("*_$ "))
    return found is not None and any(map(str.isalnum, found[1]))


def _postscript(text: str, asked: str) -> bool:
    """The last paragraph begins with P.S. or PS: and says something."""
    last = re.split(r"\n\s*\n|\n(?=[^\w\n]*P\.? ?S[.:])", prose(text).strip())[-1]
    return re.match(r"\W*p\.? ?s[.:][.:]?\W*\w", last, re.IGNORECASE) is not None


def _first_person(text: str, asked: str) -> bool:
    """English: I, me, my, mine, myself, or I'm and the like."""
    said = {passages.bare(word).partition("'")[0] for word in words(prose(text))}
    return bool(said & {"i", "me", "my", "mine", "myself"})


YES_OR_NO: Mapping[str, Meets] = {
    "lower-case": _lower_case,
    "upper-case": _upper_case,
    "title": _title,
    "question-first": _question_first,
    "question-last": _question_last,
    "json": _json,
    "table": _table,
    "same-script": _same_script,
    "final-answer": _final_answer,
    "postscript": _postscript,
    "first-person": _first_person,
}
NAMES = (*COUNTS, *TEXTS, *YES_OR_NO)


def meets(check: str, asked: str, answer: str) -> bool:
    """Whether an answer to a message meets a check. Raises UsageError as `read_check` does."""
    text = unicodedata.normalize("NFC", answer)
    return bool(text.strip()) and all(term(text, asked) for term in read_check(check))


def try_out(checks: Iterable[str]) -> list[str]:
    """What to say of checks before they are relied on.

    Raises UsageError where IFEval's code, which some of them use, is not to be had.
    """
    theirs = {check for check in checks if ifeval.PREFIX in check}
    for check in theirs:  # what they lack is told now, not after the answers are paid for
        meets(check, "A question?", "An answer.")
    return [ifeval.NEEDS] * bool(theirs)


@cache
def read_check(check: str) -> tuple[Meets, ...]:
    """What a check asks, all of which is to be met.

    Raises UsageError for an unknown name, with one that is near, and for an argument that does not
    fit.
    """
    chunk = r"""(?:'[^']*'|"[^"]*"|[^\s'"])+"""
    if re.sub(chunk, "", check).strip():
        raise UsageError(f"check `{check}`: a quote is left open", "write it as \"...\" or '...'")
    terms: list[list[str]] = [[]]
    for part in re.findall(chunk, check):
        if part == "and":
            terms.append([])
        else:
            terms[-1].append(part)
    return tuple(_term(parts, check) for parts in terms)


def _term(parts: list[str], check: str) -> Meets:
    if parts[:1] == ["not"]:
        inner = _term(parts[1:], check)
        return lambda text, asked: not inner(text, asked)
    if not parts:
        raise UsageError(f"check `{check}` says nothing", HINT + ", ".join(NAMES))
    if parts[0].startswith(ifeval.PREFIX):
        return ifeval.read_verifier(parts, check)
    name, rest = re.fullmatch(r"([^\s<>=\"']*)(.*)", " ".join(parts), re.DOTALL).groups()  # type: ignore[union-attr]
    if name in COUNTS:
        return _bounded(name, rest, check)
    if name in TEXTS:
        return _with_texts(name, rest, check)
    if name not in YES_OR_NO:
        raise UsageError(f"no check `{name}`", did_you_mean(name, NAMES, HINT))
    if rest:
        raise UsageError(f"check `{check}`: `{name}` takes no `{rest.strip()}`", f"write {name}")
    return YES_OR_NO[name]


def _bounded(name: str, rest: str, check: str) -> Meets:
    found = re.fullmatch(r"\s*(?:(<=|>=|=)\s*(\d{1,9})|(\d{1,9})\.\.(\d{1,9}))", rest)
    sign, one, low, high = found.groups() if found else ("", "", "1", "0")
    least = int(low or (one if sign != "<=" else 0))
    most = int(high or one) if sign != ">=" else None
    if most is not None and least > most:
        hint = f"e.g. {name} <= 3, {name} >= 3, {name} = 3 or {name} 3..5"
        raise UsageError(f"check `{check}`: how many {name}?", hint)
    count = COUNTS[name]
    return lambda text, asked: least <= (n := count(text, asked)) and (most is None or n <= most)


def _with_texts(name: str, rest: str, check: str) -> Meets:
    texts = [found[1:-1] for found in re.findall(r"'[^']*'|\"[^\"]*\"", rest)]
    over = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest).strip()
    if over or not texts or not all(text.strip() for text in texts):
        raise UsageError(f"check `{check}`: which texts?", f'e.g. {name} "one" "another one"')
    holds = TEXTS[name]
    return lambda text, asked: holds(text, texts)
