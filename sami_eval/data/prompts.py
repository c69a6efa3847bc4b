"""Prompts of a JSONL file, FastChat's or ours, and of the paper's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from sami_eval.core.errors import UsageError
from sami_eval.core.files import named
from sami_eval.core.records import read_lines, record
from sami_eval.core.settings import Temperature
from sami_eval.core.shape import Id, Name, Texts, Whole
from sami_eval.core.types import Principle, Prompt
from sami_eval.data.checks import read_check
from sami_eval.data.constitutions import principles_for
from sami_eval.data.paper import read_columns
from sami_eval.ledger.store import key

FORMAT = (
    'a line looks like {"question_id": 81, "category": "writing", "turns": ["...", "..."]}; '
    "optional: category (else the file's name), reference, principles, checks, history, "
    "checklist (lists of texts), required_temperature"
)


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts of a JSONL file in FastChat's question format or ours, in file order.

    path: a file, or the name of one in `prompts/`, which come with sami-eval. A `.json` file is
        read as the paper's responses, which hold questions and constitutions.
    Raises UsageError with file and line for a bad field or an id that occurs twice.
    """
    path = named("prompts", path)
    if path.suffix == ".json":
        return _paper_prompts(path)
    prompts: dict[str, Prompt] = {}
    for where, row in read_lines(path, FORMAT):
        prompt = to_prompt(row, where)
        if prompt.id in prompts:
            raise UsageError(f"question `{prompt.id}` occurs twice", "remove one of them", where)
        prompts[prompt.id] = prompt
    if not prompts:
        raise UsageError("no prompts in the file", FORMAT, str(path))
    return list(prompts.values())


@dataclass(frozen=True, slots=True)
class _Question:
    """A line of FastChat's questions; in ours it is `id` and `temperature`."""

    question_id: Id
    turns: Texts
    category: Name | None = None
    reference: Texts | None = None
    principles: Texts | None = None
    required_temperature: Annotated[Temperature | None, Whole("a number from 0 to 2")] = None
    checks: Texts | None = None
    history: Texts | None = None
    checklist: Texts | None = None


_OURS = {"id": "question_id", "temperature": "required_temperature"}


def to_prompt(row: dict[str, Any], where: str) -> Prompt:
    """A line of our JSONL or FastChat's. Raises UsageError for a bad field."""
    ours = {_OURS[name]: row[name] for name in _OURS if name in row}
    fields = {**{name: row[name] for name in row if name not in _OURS}, **ours}
    found = record(fields, _Question, where, FORMAT)
    if not found.turns or not all(turn.strip() for turn in found.turns):
        raise UsageError("`turns` has no text", FORMAT, where)
    reference, temperature = found.reference, found.required_temperature
    if reference is not None:
        lacking = len(found.turns) - len(reference)
        if lacking < 0:
            said = f"`reference` has {len(reference)} texts for {len(found.turns)} turns"
            raise UsageError(said, FORMAT, where)
        reference += ("",) * lacking
    history = found.history or ()
    if len(history) % 2:
        said = f"`history` has {len(history)} texts: its last message has no answer"
        raise UsageError(said, "a user's message and its answer, in turn", where)
    return Prompt(
        found.question_id,
        found.category or Path(where.rpartition(":")[0]).stem,
        found.turns,
        reference,
        found.principles or (),
        None if temperature is None else float(temperature),
        _checks(found, where),
        history,
        found.checklist or (),
    )


def _checks(found: _Question, where: str) -> tuple[str, ...]:
    checks, n = found.checks or (), len(found.principles or ())
    if checks and len(checks) != n:
        said = f"`checks` has {len(checks)} texts for {n} principles"
        raise UsageError(said, 'one each, "" where a principle has none', where)
    try:
        for check in filter(None, checks):
            read_check(check)
    except UsageError as error:
        raise UsageError(error.message, error.hint, where) from None
    return checks if any(checks) else ()


def _paper_prompts(path: Path) -> list[Prompt]:
    """Questions of the paper's response file, with their constitutions where it has them."""
    columns = read_columns(path, ("question", "category"), ("constitution",))
    constitutions = columns.get("constitution", {})
    return [
        Prompt(
            question_id,
            columns["category"][question_id],
            (question,),
            principles=_unnumbered(constitutions.get(question_id, "")),
        )
        for question_id, question in columns["question"].items()
    ]


def _unnumbered(constitution: str) -> tuple[str, ...]:
    """The principles of a numbered list, one a line."""
    lines = (line.strip() for line in constitution.split("\n"))
    return tuple(re.sub(r"^\d+\.\s*", "", line) for line in lines if line)


def to_row(prompt: Prompt) -> dict[str, Any]:
    """A prompt as a line of our JSONL; `read_prompts` gives it back."""
    row: dict[str, Any] = {
        "id": prompt.id,
        "category": prompt.category,
        "turns": list(prompt.turns),
    }
    if prompt.reference is not None:
        row["reference"] = list(prompt.reference)
    if prompt.principles:
        row["principles"] = list(prompt.principles)
    if prompt.temperature is not None:
        row["temperature"] = prompt.temperature
    some = {name: list(getattr(prompt, name)) for name in ("checks", "history", "checklist")}
    return row | {name: texts for name, texts in some.items() if texts}


def text_id(text: str, number: int = 1) -> str:
    """The id of a question that has none: of its text, and which one it is of several alike."""
    found = key("question", text)[:16]
    return found if number == 1 else f"{found}-{number}"


def limited(prompts: Sequence[Prompt], limit: int | None) -> list[Prompt]:
    """The first `limit` prompts, taken from the categories in turn so that each is present."""
    if limit is None or limit >= len(prompts):
        return list(prompts)
    rank: dict[str, int] = {}
    ranked = []
    for position, prompt in enumerate(prompts):
        rank[prompt.category] = rank.get(prompt.category, 0) + 1
        ranked.append((rank[prompt.category], position))
    keep = {position for _, position in sorted(ranked)[:limit]}
    return [prompt for position, prompt in enumerate(prompts) if position in keep]


def with_principles(
    prompts: Sequence[Prompt], principles: tuple[Principle, ...] | None
) -> list[Prompt]:
    """Prompts under another constitution: each gets its category's weak principles, or none."""
    return [_under(prompt, principles_for(prompt.category, principles or ())) for prompt in prompts]


def _under(prompt: Prompt, principles: tuple[Principle, ...]) -> Prompt:
    checks = tuple(one.check or "" for one in principles)
    weak = tuple(one.weak for one in principles)
    return replace(prompt, principles=weak, checks=checks if any(checks) else ())
