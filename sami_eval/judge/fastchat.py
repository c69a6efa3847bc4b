"""FastChat's judge_prompts.jsonl -> Judge: MT-Bench's own wording and protocol.

pair-v2 compares, single-v1 grades; math, reasoning and coding questions with a reference take
pair-math-v1 and single-math-v1; second turns take the -multi-turn forms, with both turns shown
(FastChat, llm_judge/gen_judgment.py: temperature 0, at most 2,048 tokens).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

from sami_eval.core.errors import UsageError
from sami_eval.core.records import read_records
from sami_eval.core.shape import Text, Whole
from sami_eval.core.types import Judge
from sami_eval.judge.rendering import placeholders
from sami_eval.judge.templates import needed_placeholders
from sami_eval.ledger.store import key

Kind = Literal["pairwise", "single"]
TEMPERATURE, MAX_TOKENS = 0.0, 2048
NAMES: Mapping[Kind, str] = {"pairwise": "pair-v2", "single": "single-v1"}
_MATH: Mapping[Kind, str] = {"pairwise": "pair-math-v1", "single": "single-math-v1"}
_PATTERNS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "pairwise": {"a": (r"\[\[A\]\]",), "b": (r"\[\[B\]\]",), "tie": (r"\[\[C\]\]",)},
    "single": {"rating": (r"\[\[(\d+(?:\.\d+)?)\]\]",)},
}
_ENDINGS: Mapping[Kind, str] = {"pairwise": "[[A]]", "single": "[[rating]]"}
_FORMAT = (
    'a line looks like {"name": "pair-v2", "type": "pairwise", "system_prompt": "...", '
    '"prompt_template": "..."}, as in FastChat\'s judge_prompts.jsonl'
)


class Row(TypedDict):
    """One of the file's prompts."""

    name: Text
    type: Text
    prompt_template: Text
    system_prompt: Annotated[str, Whole("a text", bare=True)]  # an empty one is sent as none
    output_format: NotRequired[object]


def judge_prompts_kind(judge: str | None) -> Kind:
    """Which of the file's prompts a `--judge` beside them means. Raises UsageError for others."""
    kinds: dict[str | None, Kind] = {
        None: "pairwise",
        "quality": "pairwise",
        NAMES["pairwise"]: "pairwise",
        "single": "single",
        NAMES["single"]: "single",
    }
    if judge not in kinds:
        raise UsageError(
            f"judge `{judge}` does not ask with judge prompts",
            "leave --judge out to compare pairs, or write --judge single",
        )
    return kinds[judge]


def read_judge_prompts(path: Path, kind: Kind) -> Judge:
    """The judge that asks with the file's prompts of this kind, word for word.

    Raises UsageError with file and line for a bad field, a name that occurs twice, and a prompt
    that the protocol needs and the file lacks.
    """
    rows = _rows(path)
    names = {
        "one": NAMES[kind],
        "two": f"{NAMES[kind]}-multi-turn",
        "one-reference": _MATH[kind],
        "two-reference": f"{_MATH[kind]}-multi-turn",
    }
    needed = needed_placeholders(kind, principles=False)
    prompts = {form: _prompt(rows, name, kind, needed[form], path) for form, name in names.items()}
    systems = {form: row["system_prompt"] for form, row in prompts.items()}
    templates = {form: row["prompt_template"] for form, row in prompts.items()}
    return Judge(
        NAMES[kind],
        kind,
        None,
        systems["one"],
        templates,
        _PATTERNS[kind],
        TEMPERATURE,
        MAX_TOKENS,
        key("judge", kind, systems, templates, TEMPERATURE, MAX_TOKENS),
        source=str(path),
        description="MT-Bench's own prompts",
        systems=systems,
    )


def _rows(path: Path) -> dict[str, tuple[str, Row]]:
    rows: dict[str, tuple[str, Row]] = {}
    for where, row in read_records(path, Row, _FORMAT):
        if row["name"] in rows:
            raise UsageError(f"prompt `{row['name']}` occurs twice", "remove one of them", where)
        rows[row["name"]] = (where, row)
    return rows


def _prompt(
    rows: Mapping[str, tuple[str, Row]], name: str, kind: Kind, needed: set[str], path: Path
) -> Row:
    if name not in rows:
        raise UsageError(f"the file has no prompt `{name}`", _FORMAT, str(path))
    where, row = rows[name]
    if row["type"] != kind:
        raise UsageError(f"`{name}` has type `{row['type']}`, not `{kind}`", _FORMAT, where)
    ending = row.get("output_format", _ENDINGS[kind])
    if ending != _ENDINGS[kind]:
        said = f"`{name}` has output_format `{ending}`, not `{_ENDINGS[kind]}`"
        raise UsageError(said, "verdicts are read as [[A]], [[B]], [[C]], ratings as [[7]]", where)
    found = placeholders(row["prompt_template"])
    if missing := sorted(needed - found):
        raise UsageError(f"`{name}` lacks `{{{missing[0]}}}`", _FORMAT, where)
    if unknown := sorted(found - needed):
        raise UsageError(f"`{name}` has an unknown `{{{unknown[0]}}}`", _FORMAT, where)
    return row
