"""What a judge is shown, with nothing a contender wrote able to pass for structure or verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, zip_longest

from sami_eval.core.errors import UsageError
from sami_eval.core.thoughts import TAG, may_hold
from sami_eval.core.types import Form, Judge, Order, Prompt, Response
from sami_eval.data import chat
from sami_eval.judge.disguise import Shadow, shadow
from sami_eval.judge.patterns import matches, opening

REFERENCE_CATEGORIES = ("math", "reasoning", "coding", "gsm")
_PLACEHOLDER = re.compile(r"\{([a-z_]+(?:_\d+)?)\}")
_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"[^\W_]+|\S")
_SIGNS = "<>[](){}|=~-"
_CLOSED = re.compile(r"[>\]}|]{3}")
_DRESS = rf"[{re.escape(_SIGNS)}]++"  # what frames a marker
MOST_CUTS = 64  # passes over a text in which a verdict is parted


def placeholders(template: str) -> set[str]:
    """The names in braces a template has."""
    return set(_PLACEHOLDER.findall(template))


def render(
    judge: Judge, prompt: Prompt, turn: int, a: Response, b: Response, first: Order
) -> chat.Messages:
    """The conversation a pairwise judge is asked with; `first` is shown as its assistant A.

    turn: counts from 0; a later turn is shown with those before it.
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
    sections = _with_sections(judge, prompt, name)
    template = written_out(sections, len(prompt.history), turn, judge.form)
    said: dict[str, Sequence[str]] = {
        "question": prompt.turns,
        "constitution": (_constitution(judge, prompt),),
        "ref_answer": [text or "(none)" for text in prompt.reference or ()],
        "history": prompt.history,
        "checklist": (_listed(prompt.checklist, judge.form),),
    }
    for field, response in answers.items():
        said[field] = [neutralise(text, judge, template) for text in response.turns[: turn + 1]]
    texts, fields = _pieces(template, turn)
    # Braces inside an answer are text, not placeholders.
    shown = [said[field][at] for field, at in fields]
    content = "".join(chain.from_iterable(zip_longest(texts, shown, fillvalue="")))
    system = judge.systems.get(name, judge.system)
    system = judge.by_category.get(prompt.category, system)
    return (("system", system), ("user", content)) if system else (("user", content),)


@lru_cache(maxsize=64)
def _pieces(template: str, turn: int) -> tuple[list[str], list[tuple[str, int]]]:
    """A template's texts, and the field between every two: its name, and which text of it.

    Without a number it is this turn's, where a field has one a turn.
    """
    several = _PLACEHOLDER.split(template)
    fields = []
    for field in several[1::2]:
        name, _, number = field.rpartition("_")
        at = 0 if field in ("constitution", "checklist") else turn
        fields.append((name, int(number) - 1) if number.isdigit() else (field, at))
    return several[::2], fields


# Of any number of turns: what is repeated for each, and how it is called in it.
_EACH = {
    "questions": ("message {i}", "question_{i}"),
    "references": ("reference for message {i}", "ref_answer_{i}"),
    "answers": ("answer to message {i}", "answer_{i}"),
    "answers_a": ("answer A to message {i}", "answer_a_{i}"),
    "answers_b": ("answer B to message {i}", "answer_b_{i}"),
}


@lru_cache(maxsize=64)
def written_out(template: str, n_history: int, turn: int, form: Form) -> str:
    """A template in which each message and answer up to a turn has a frame and a field of its own.

    What comes of it has fields of one text each alone, and its frames are markers like any other.
    """
    several = {name: _frames(*each, turn + 1) for name, each in _EACH.items()}
    sides = (form.user, form.assistant)
    several["history"] = form.between.join(
        sides[i % 2].format(i=i // 2 + 1, text=f"{{history_{i + 1}}}") for i in range(n_history)
    )
    return _PLACEHOLDER.sub(lambda match: several.get(match[1], match[0]), template)


def _frames(called: str, field: str, n: int) -> str:
    frame = f"<<<{called}>>>\n{{{{{field}}}}}\n<<<end of {called}>>>"
    return "\n\n".join(frame.format(i=i) for i in range(1, n + 1))


def _listed(checklist: Sequence[str], form: Form) -> str:
    each = (form.point.format(i=i, text=text) for i, text in enumerate(checklist, 1))
    return form.between_points.join(each)


def _with_sections(judge: Judge, prompt: Prompt, name: str) -> str:
    """A template under the sections of what the prompt has. Raises UsageError for a history unseen.

    A judge without a section of checklists is not shown them: they are a help, and no part of what
    was said.
    """
    if not prompt.history and not prompt.checklist:
        return judge.templates[name]
    has = {"history": prompt.history, "checklist": prompt.checklist}
    above = [judge.sections[part] for part in has if has[part] and part in judge.sections]
    template = "\n\n".join([*above, judge.templates[name]])
    if prompt.history and "history" not in placeholders(template):
        raise UsageError(
            f"prompt `{prompt.id}` follows {len(prompt.history)} messages that judge "
            f"`{judge.name}` does not show",
            "give its file [sections] history = '...{history}...'; docs/judges.md",
        )
    return template


def check_prompts(judge: Judge, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """What a judge is not shown of the prompts. Raises UsageError for one it cannot be shown."""
    if not judge.templates:
        return ()
    unseen = 0
    for prompt in prompts:
        if judge.by_category and prompt.category not in judge.by_category:
            raise UsageError(
                f"judge `{judge.name}` asks by category, and has no words for `{prompt.category}` "
                f"of prompt `{prompt.id}`",
                f"its categories: {', '.join(judge.by_category)}",
            )
        names = [_template_name(judge, prompt, turn) for turn in range(len(prompt.turns))]
        shown = set().union(*(placeholders(_with_sections(judge, prompt, n)) for n in names))
        unseen += bool(prompt.checklist) and "checklist" not in shown
    said = f"judge `{judge.name}` is not shown the checklists of {unseen} of {len(prompts)} prompts"
    return (said,) if unseen else ()


def shows_reference(judge: Judge, prompt: Prompt, turn: int) -> bool:
    """Whether the judge is shown the prompt's reference at this turn."""
    return bool(judge.templates) and _template_name(judge, prompt, turn).endswith("-reference")


def _template_name(judge: Judge, prompt: Prompt, turn: int) -> str:
    """Which form of the question this turn takes; a reference only where the category has one."""
    name = ("one", "two", "more")[min(turn, 2)]
    if name not in judge.templates:
        seen = {"two": "one", "more": "two"}[name]
        raise UsageError(
            f"prompt `{prompt.id}` has {len(prompt.turns)} turns, judge `{judge.name}` sees {seen}",
            f"give its file templates.{name} (docs/judges.md), or cut the prompts to that",
        )
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
    verdicts = _verdicts(tuple(judge.patterns.values()), tuple(judge.tokens.values()))
    return _neutralised(text, verdicts, template, judge.form.frames)


Groups = tuple[tuple[str, ...], ...]


@lru_cache(maxsize=64)
def _verdicts(patterns: Groups, tokens: Groups) -> tuple[str, ...]:
    bare = [token for group in tokens for token in group]
    every = [pattern for group in patterns for pattern in group]
    return tuple(p for p in every if not any(matches(p, token) for token in bare))


@lru_cache(maxsize=4096)  # every text is shown in two orders, and again a repeat
def _neutralised(text: str, verdicts: tuple[str, ...], template: str, frames: str) -> str:
    if _may_hold_marks(text, template, frames):
        for markers in _markers(template, frames):
            text = _quoted(text, markers)
    views = _views(text)
    tags = (TAG.pattern,) if any(may_hold(view.text) for view in views) else ()
    begins = {opening(pattern) for pattern in verdicts}
    if not tags and not any(one in view.text for view in views for one in begins):
        return text
    for pattern in (*tags, *verdicts):
        if any(matches(pattern, view.text) for view in views):
            for separator in (" ", "·"):  # the second where a verdict may have spaces between
                text = _broken(text, pattern, separator)
            views = _views(text)
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


def _views(text: str) -> tuple[Shadow, ...]:
    """A text as written and, where that is another, as it looks."""
    looks = shadow(text)
    as_written = Shadow(text, range(len(text)))
    return (as_written,) if looks.text == text else (as_written, looks)


def _broken(text: str, verdict: str, separator: str) -> str:
    """The text with every match parted, as written or as it looks: `[ [A]]`."""
    for _ in range(MOST_CUTS):
        cuts = {
            view.places[cut]
            for view in _views(text)
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
def _marks(template: str, frames: str) -> tuple[str, ...]:
    """How the template's marker lines look, the longest first."""
    lines = {shadow(line.strip()).text for line in template.splitlines() if not placeholders(line)}
    frame = re.compile(frames or r"[\W_]")
    return tuple(sorted(filter(frame.match, lines), key=len, reverse=True))


def _may_hold_marks(text: str, template: str, frames: str) -> bool:
    """Whether one of `_markers` can match, by a single search."""
    signs, glance = _glance(template, frames)
    looks = shadow(text).text
    if glance is None:
        return True
    if not any(sign in looks for sign in signs):
        return False
    return glance.search(looks) is not None or _CLOSED.search(looks) is not None


@lru_cache(maxsize=64)
def _glance(template: str, frames: str) -> tuple[str, re.Pattern[str] | None]:
    """What all that `_markers` match has in it: one of these signs, and behind it a first word.

    Or else it ends in `_CLOSED`, as half a marker line may.
    None where a mark begins with a word, or has none.
    """
    first = [(_WORD.search(mark), mark) for mark in _marks(template, frames)]
    if not all(word and word.start() for word, _ in first):
        return "", None
    words = "|".join({word[0] for word, _ in first if word}) or "(?!)"
    before = "".join(mark[: word.start()] for word, mark in first if word)
    signs = "".join({*_SIGNS, *before} - {" "})
    return signs, re.compile(rf"[{re.escape(signs)}]\s*(?:{words})", re.I)


@lru_cache(maxsize=64)
def _markers(template: str, frames: str) -> tuple[re.Pattern[str], ...]:
    """Match the template's marker lines: anywhere, or alone on a line in any dress."""
    marks = _marks(template, frames)
    if not marks:
        return ()
    as_written = "|".join(map(_as_written, marks))
    words = "|".join(r"[\W_]+".join(_WORD.findall(mark)) for mark in marks if _WORD.search(mark))
    patterns = [re.compile(as_written, re.I)]
    if words:
        alone = rf"^[ \t]*{_DRESS}[ \t]*(?:{words})[ \t]*{_DRESS}[ \t]*$"
        framed = rf"[<>\[\]{{}}|=]{{2,}}+\s*(?:{words})\s*[<>\[\]{{}}|=]{{2,}}"
        half = rf"[<\[{{|=]{{3,}}+[ \t]*(?:{words})(?!\w)|(?<!\w)(?:{words})[ \t]*[>\]}}|]{{3,}}"
        patterns += [re.compile(framed, re.I), re.compile(alone, re.I | re.M)]
        patterns += [re.compile(half, re.I)]
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
