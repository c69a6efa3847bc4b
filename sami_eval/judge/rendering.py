"""What a judge is shown, with nothing a contender wrote able to pass for structure or verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sami_eval.core.errors import UsageError
from sami_eval.core.thoughts import TAG
from sami_eval.core.types import Judge, Order, Prompt, Response
from sami_eval.data import chat
from sami_eval.judge.disguise import Shadow, shadow
from sami_eval.judge.patterns import matches

REFERENCE_CATEGORIES = ("math", "reasoning", "coding", "gsm")
_PLACEHOLDER = re.compile(r"\{([a-z_]+(?:_\d)?)\}")
_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"[^\W_]+|\S")
_DRESS = r"[<>\[\](){}|=~-]++"  # what frames a marker
MOST_CUTS = 64  # passes over a text in which a verdict is parted


def placeholders(template: str) -> set[str]:
    """The names in braces a template has."""
    return set(_PLACEHOLDER.findall(template))


def render(
    judge: Judge, prompt: Prompt, turn: int, a: Response, b: Response, first: Order
) -> chat.Messages:
    """The conversation a pairwise judge is asked with; `first` is shown as its assistant A.

    turn: counts from 0; the second turn is shown with the first before it.
    """
    shown = (a, b) if first == "a" else (b, a)
    return _messages(judge, prompt, turn, {"answer_a": shown[0], "answer_b": shown[1]})


def render_single(judge: Judge, prompt: Prompt, turn: int, response: Response) -> chat.Messages:
    """The conversation a single-answer judge is asked with."""
    return _messages(judge, prompt, turn, {"answer": response})


def _messages(
    judge: Judge, prompt: Prompt, turn: int, answers: dict[str, Response]
) -> chat.Messages:
    name = _template_name(judge, prompt, turn)
    template, system = judge.templates[name], judge.systems.get(name, judge.system)
    fields = {"question": prompt.turns[turn], "constitution": _constitution(judge, prompt)}
    fields |= {f"question_{i}": text for i, text in enumerate(prompt.turns, 1)}
    fields |= {f"ref_answer_{i}": t or "(none)" for i, t in enumerate(prompt.reference or (), 1)}
    for field, response in answers.items():
        texts = [neutralise(text, judge, template) for text in response.turns[: turn + 1]]
        fields |= {field: texts[turn]} | {f"{field}_{i}": text for i, text in enumerate(texts, 1)}
    # One pass: braces inside an answer are text, not placeholders.
    content = _PLACEHOLDER.sub(lambda match: fields[match[1]], template)
    return (("system", system), ("user", content)) if system else (("user", content),)


def shows_reference(judge: Judge, prompt: Prompt, turn: int) -> bool:
    """Whether the judge is shown the prompt's reference at this turn."""
    return bool(judge.templates) and _template_name(judge, prompt, turn).endswith("-reference")


def _template_name(judge: Judge, prompt: Prompt, turn: int) -> str:
    """Which form of the question this turn takes; a reference only where the category has one."""
    if turn > 1:
        raise UsageError(
            f"prompt `{prompt.id}` has {len(prompt.turns)} turns, judge `{judge.name}` sees two",
            "cut the prompt to two turns, or use --judge rules",
        )
    name = ("one", "two")[turn]
    has_reference = any((prompt.reference or ())[: turn + 1])
    with_reference = f"{name}-reference"
    if has_reference and prompt.category in REFERENCE_CATEGORIES:
        return with_reference if with_reference in judge.templates else name
    return name


def _constitution(judge: Judge, prompt: Prompt) -> str:
    if judge.principles and not prompt.principles:
        raise UsageError(
            f"judge `{judge.name}` compares by principles; prompt `{prompt.id}` carries none",
            "--constitutions FILE gives it some, --judge quality needs none",
        )
    return chat.constitution_text(prompt.principles)


def neutralise(text: str, judge: Judge, template: str) -> str:
    """A contender's text in which no marker of the template and no verdict is left intact.

    A judge that quotes it cannot be taken to have decided, and the text cannot end its own frame,
    in whatever letters and brackets it is written; all else stays as it is. A bare letter that is
    a verdict stays: it is a word of any text, and only the judge's own token is looked at.
    """
    bare = [token for tokens in judge.tokens.values() for token in tokens]
    patterns = (pattern for group in judge.patterns.values() for pattern in group)
    verdicts = (p for p in patterns if not any(matches(p, token) for token in bare))
    return _neutralised(text, tuple(verdicts), template)


@lru_cache(maxsize=4096)  # every text is shown in two orders, and again a repeat
def _neutralised(text: str, verdicts: tuple[str, ...], template: str) -> str:
    for markers in _markers(template):
        text = _quoted(text, markers)
    for pattern in (TAG.pattern, *verdicts):
        for separator in (" ", "·"):  # the second where a verdict may have spaces between
            text = _broken(text, pattern, separator)
    return text


def _quoted(text: str, markers: re.Pattern[str]) -> str:
    looks = shadow(text)
    parts, at = [], 0
    for found in markers.finditer(looks.text):
        start, end = looks.place(*found.span())
        words = " ".join(_WORD.findall(text[start:end]))
        parts += [text[at:start], f"(quoted: {words})" if words else " ".join(text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def _broken(text: str, verdict: str, separator: str) -> str:
    """The text with every match parted, as written or as it looks: `[ [A]]`."""
    for _ in range(MOST_CUTS):
        looks = shadow(text)
        as_written = Shadow(text, range(len(text)))
        cuts = {
            view.places[cut]
            for view in ((as_written,) if looks.text == text else (as_written, looks))
            for found in matches(verdict, view.text)
            if (cut := _gap(view, *found.span(), separator)) is not None
        }
        if not cuts:
            break
        ends = [*sorted(cuts), len(text)]
        parts = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        text = separator.join(parts)
    return text


def _gap(view: Shadow, start: int, end: int, separator: str) -> int | None:
    """Where a match has two characters side by side that nothing parts yet."""
    for at in range(start + 1, end):
        beside = view.text[at - 1 : at + 1]
        if view.places[at] != view.places[at - 1] and separator not in beside:
            return at
    return None


def _as_written(mark: str) -> str:
    """A mark, spaces or none between its pieces; one without words (a rule of dashes) exactly."""
    pieces = _PIECE.findall(mark) if _WORD.search(mark) else [mark]
    return r"\s*".join(map(re.escape, pieces))


@lru_cache(maxsize=64)
def _markers(template: str) -> tuple[re.Pattern[str], ...]:
    """Match how the template's marker lines look: anywhere, or alone on a line in any dress."""
    lines = {shadow(line.strip()).text for line in template.splitlines() if not placeholders(line)}
    marks = sorted((m for m in lines if m and not m[0].isalnum()), key=len, reverse=True)
    if not marks:
        return ()
    as_written = "|".join(map(_as_written, marks))
    words = "|".join(r"[\W_]+".join(_WORD.findall(mark)) for mark in marks if _WORD.search(mark))
    patterns = [re.compile(as_written, re.I)]
    if words:
        alone = rf"^[ \t]*{_DRESS}[ \t]*(?:{words})[ \t]*{_DRESS}[ \t]*$"
        framed = rf"[<>\[\]{{}}|=]{{2,}}+\s*(?:{words})\s*[<>\[\]{{}}|=]{{2,}}"
        patterns += [re.compile(framed, re.I), re.compile(alone, re.I | re.M)]
    return tuple(patterns)


def wrong_references(prompts: Sequence[Prompt], judge: Judge, wrong: frozenset[str]) -> str | None:
    """One line where the judge is shown references that are reported wrong, else None."""
    used = [
        prompt.id
        for prompt in prompts
        if prompt.id in wrong
        and any(shows_reference(judge, prompt, turn) for turn in range(len(prompt.turns)))
    ]
    if not used:
        return None
    return (
        f"references reported wrong upstream are shown to judge `{judge.name}`: "
        f"{', '.join(used)}; --fix-references FILE replaces them"
    )
