"""What a judge is shown, with nothing a contender wrote able to pass for structure or verdict."""

from __future__ import annotations

import re
from functools import lru_cache

from sami_eval import chat
from sami_eval.errors import UsageError
from sami_eval.types import Judge, Order, Prompt, Response

REFERENCE_CATEGORIES = ("math", "reasoning", "coding", "gsm")
_PLACEHOLDER = re.compile(r"\{([a-z_]+(?:_\d)?)\}")
_THINK = r"</?think(?:ing)?>"  # hides what stands inside it from parse_verdict
_WORD = re.compile(r"[^\W_]+")
_DRESS = r"[<>\[\](){}|=]+"  # what frames a marker


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

    A judge that quotes it cannot be taken to have decided, and the text cannot end its own frame.
    A bare letter that is a verdict stays: it is a word of any text, and only the judge's own token
    is looked at.
    """
    bare = [token for tokens in judge.tokens.values() for token in tokens]
    patterns = (pattern for group in judge.patterns.values() for pattern in group)
    verdicts = (p for p in patterns if not any(_compiled(p).search(token) for token in bare))
    return _neutralised(text, (_THINK, *verdicts), template)


@lru_cache(maxsize=4096)  # every text is shown in two orders, and again a repeat
def _neutralised(text: str, verdicts: tuple[str, ...], template: str) -> str:
    for markers in _markers(template):
        text = markers.sub(_quoted, text)
    for pattern in verdicts:
        verdict = _compiled(pattern)
        while verdict.search(text):
            text = verdict.sub(_spaced, text)
    return text


def _quoted(match: re.Match[str]) -> str:
    return f"(quoted: {' '.join(_WORD.findall(match[0]))})"


def _spaced(match: re.Match[str]) -> str:
    """A match broken by a space where it is still unbroken: `[ [A]]`."""
    text = match[0]
    at = next((i for i in range(1, len(text)) if not text[i - 1 : i + 1].count(" ")), 0)
    return f"{text[:at]} {text[at:]}" if at else ""


@lru_cache(maxsize=64)
def _markers(template: str) -> tuple[re.Pattern[str], ...]:
    """Match the template's marker lines: as written anywhere, or alone on a line in any dress."""
    lines = {line.strip() for line in template.splitlines() if not placeholders(line)}
    marks = sorted((m for m in lines if m and not m[0].isalnum()), key=len, reverse=True)
    if not marks:
        return ()
    as_written = "|".join(r"\s+".join(map(re.escape, mark.split())) for mark in marks)
    words = "|".join(r"[\W_]+".join(_WORD.findall(mark)) for mark in marks if _WORD.search(mark))
    alone = rf"^[ \t]*{_DRESS}[ \t]*(?:{words})[ \t]*{_DRESS}[ \t]*$"
    return re.compile(as_written, re.I), re.compile(alone, re.I | re.M)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I if pattern == _THINK else 0)
