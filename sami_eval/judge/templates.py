"""The tables of a judge file that say what it is shown: `[templates]` and `[sections]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sami_eval.core.errors import did_you_mean
from sami_eval.core.files import Toml
from sami_eval.judge.rendering import placeholders

EXPLAINED = "docs/judges.md shows a whole judge file"
SECTIONS = ("history", "checklist")
_SHOWN = {
    "one": ("question",),
    "two": ("question_1", "question_2"),
    "more": ("questions",),
}
_ANSWERS = {
    "one": {"pairwise": ("answer_a", "answer_b"), "single": ("answer",)},
    "two": {
        "pairwise": ("answer_a_1", "answer_a_2", "answer_b_1", "answer_b_2"),
        "single": ("answer_1", "answer_2"),
    },
    "more": {"pairwise": ("answers_a", "answers_b"), "single": ("answers",)},
}
_REFERENCES = {
    "one": ("ref_answer_1",),
    "two": ("ref_answer_1", "ref_answer_2"),
    "more": ("references",),
}


def needed_placeholders(kind: str, principles: bool) -> dict[str, set[str]]:
    """What each template of a kind of judge must show, and may."""
    constitution = ("constitution",) if principles else ()
    plain = {name: {*_SHOWN[name], *_ANSWERS[name][kind], *constitution} for name in _SHOWN}
    return plain | {f"{name}-reference": plain[name].union(_REFERENCES[name]) for name in plain}


def read_templates(file: Toml, kind: str, principles: bool) -> dict[str, str]:
    """The templates, each with the placeholders it cannot do without and no others."""
    needed = needed_placeholders(kind, principles)
    table = table_of(file, "templates")
    check_known(file, table, tuple(needed), "templates")
    for name in ("one", "two"):
        if name not in table:
            file.bad(("templates",), f"`templates.{name}` is missing", EXPLAINED)
    return {name: _text(file, ("templates", name), table[name], needed[name]) for name in table}


def read_sections(file: Toml) -> dict[str, str]:
    """What stands above a template where the prompt has it; empty for a file without."""
    if "sections" not in file.data:
        return {}
    table = table_of(file, "sections")
    check_known(file, table, SECTIONS, "sections")
    return {name: _text(file, ("sections", name), table[name], {name}) for name in table}


def _text(file: Toml, at: tuple[str, str], text: object, needed: set[str]) -> str:
    field = ".".join(at)
    if not isinstance(text, str):
        file.bad(at, f"`{field}` is `{text!r}`, not a text", EXPLAINED)
    found = placeholders(text)
    if missing := sorted(needed - found):
        hint = "every answer must be shown" if at[0] == "templates" else "it must be shown"
        file.bad(at, f"`{field}` lacks `{{{missing[0]}}}`", hint)
    if unknown := sorted(found - needed):
        hint = did_you_mean(unknown[0], sorted(needed))
        file.bad(at, f"`{field}` has an unknown `{{{unknown[0]}}}`", hint)
    return text.strip()


def check_known(file: Toml, row: Mapping[str, object], names: Sequence[str], *table: str) -> None:
    """Refuse a field that is none of the names."""
    for name in row:
        if name not in names:
            said = f"unknown field `{'.'.join((*table, name))}`"
            file.bad((*table, name), said, did_you_mean(name, names))


def table_of(file: Toml, name: str) -> Mapping[str, Any]:
    """A table of a judge file. Raises UsageError where it is missing or is none."""
    value = file.data.get(name)
    if not isinstance(value, dict):
        said = f"`[{name}]` is missing" if value is None else f"`{name}` is no table"
        file.bad((name,), said, EXPLAINED)
    return value
