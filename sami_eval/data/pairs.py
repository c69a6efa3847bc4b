"""Preference pairs as people keep them, read as contrasts of two responses without a constitution.

| columns                    | whose                                                             |
|----------------------------|-------------------------------------------------------------------|
| prompt, chosen, rejected   | TRL's: texts, or lists of messages, the answers alone             |
| chosen, rejected           | lists of whole conversations (alignment-handbook's, UltraFeedback) |
| chosen, rejected           | texts of "Human:" and "Assistant:" turns (HH-RLHF)                |

Another column of the prompt is named by `Source.column`, or found as `prompt_sets` finds it. Both
responses stand under the same constitution, the conversation's own system message or none: the
first is the chosen one. That is what `Encoded.is_pair` knows a pair by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.types import Contrast, Prompt, Response
from sami_eval.data.prompt_sets import COLUMNS, Source, category_of, load, prompt_column, reach

SIGNS = (("+chosen",), ("-chosen",))
_NEED = 'a row looks like {"prompt": "...", "chosen": "...", "rejected": "..."}'
_ROLES = {"human": "user", "gpt": "assistant"}
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")

Message = tuple[str, str]


def read_pairs(source: Source) -> tuple[list[Contrast], int]:
    """The pairs of a source, none rejected yet, and how many rows had no prompt.

    Raises UsageError for what cannot be loaded, columns that are not there, and a row whose two
    answers do not belong to one conversation.
    """
    path = Path(source.spec).expanduser()
    rows = load(source, path)
    names: Sequence[str] = rows.column_names
    lacking = [name for name in ("chosen", "rejected") if name not in names]
    if lacking:
        said = f"`{source.spec}` has no column `{lacking[0]}`"
        raise UsageError(said, f"{_NEED}; its columns: {', '.join(names)}")
    column = prompt_column(source, names, (*COLUMNS, "messages"))
    found = [_Row(row, number, source, column) for number, row in enumerate(rows)]
    pairs = [pair for pair in map(_pair, found) if pair is not None]
    if not pairs:
        raise UsageError(f"no row of `{source.spec}` has a prompt", _NEED)
    return pairs, len(found) - len(pairs)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, and where it stands. column: of its prompt; None where the answers hold it."""

    fields: Mapping[str, Any]
    number: int
    source: Source
    column: str | None

    def bad(self, what: str) -> NoReturn:
        raise UsageError(f"row {self.number} of `{self.source.spec}`: {what}", _NEED)


def _pair(row: _Row) -> Contrast | None:
    asked = None
    if row.column is not None:
        asked = _messages(reach(row.fields, row.column), "user", row.column, row)
        if not asked or not asked[-1][1].strip():
            return None
    (before, chosen), (other, rejected) = (
        _conversation(row, name, asked) for name in ("chosen", "rejected")
    )
    if before != other:
        row.bad("`chosen` and `rejected` answer two conversations")
    system, turns, answers = _taken_apart(before, row)
    if not turns[-1].strip():
        return None
    stem = Path(row.source.spec.partition("@")[0]).stem
    prompt = Prompt(f"{stem}/{row.number}", category_of(row.fields, row.source, row.number), turns)
    responses = tuple(Response(prompt.id, "", turns=(*answers, one)) for one in (chosen, rejected))
    return Contrast(prompt, (system, system), responses, SIGNS, metadata={"pairs": row.source.spec})


def _conversation(
    row: _Row, name: str, asked: Sequence[Message] | None
) -> tuple[tuple[Message, ...], str]:
    """What was said before an answer, and the answer."""
    value = row.fields[name]
    spoken = _by_speakers(value) if asked is None and isinstance(value, str) else None
    said = spoken or _messages(value, "assistant", name, row)
    if not said or said[-1][0] != "assistant":
        row.bad(f"`{name}` does not end with the assistant's answer")
    *before, (_, answer) = said
    if not before and asked is None:
        row.bad(f"no prompt: `{name}` is an answer alone, and no column holds what it answers")
    if before and asked is not None and asked[-1] not in before:
        row.bad(f"`{name}` is a conversation in which `{row.column}` is not asked")
    return tuple(before or asked or ()), answer


def _messages(value: object, role: str, name: str, row: _Row) -> list[Message]:
    """A text as one message of this role; a list of messages as it is."""
    if value is None or isinstance(value, str):
        return [(role, value or "")]
    if not isinstance(value, list):
        row.bad(f"`{name}` is {shown(value)}, no text and no list of messages")
    found = []
    for one in value:
        if not isinstance(one, dict):
            row.bad(f"`{name}` holds {shown(one)}, which is no message")
        speaker = one.get("role", one.get("from"))
        speaker = _ROLES.get(str(speaker), speaker)
        text = _text(one.get("content", one.get("value")))
        if speaker not in ("system", "user", "assistant") or not isinstance(text, str):
            row.bad(f"`{name}` holds {shown(one)}; a message has a `role` and a text as `content`")
        found.append((str(speaker), text))
    return found


def _text(content: object) -> object:
    """A message's text where it stands in parts of text alone; any other content as it is."""
    parts = content if isinstance(content, list) else []
    # A table gives a part of text the empty fields of an image beside it.
    texts = [
        one.get("text")
        for one in parts
        if isinstance(one, dict) and one.get("type", "text") == "text"
    ]
    read = [text for text in texts if isinstance(text, str)]
    return "".join(read) if parts and len(read) == len(parts) else content


def _by_speakers(text: str) -> list[Message] | None:
    """HH-RLHF's dialogues, in which each turn begins with who speaks; None for any other text."""
    parts = _SPEAKER.split(text)
    if len(parts) < 3 or parts[0].strip():
        return None
    names = {"Human": "user", "Assistant": "assistant"}
    return [(names[who], said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True)]


def _taken_apart(
    before: Sequence[Message], row: _Row
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(system message or "", the user's turns, the answers between them)."""
    has_system = before[0][0] == "system"
    system, rest = (before[0][1] if has_system else ""), before[1 if has_system else 0 :]
    roles = [role for role, _ in rest]
    if len(roles) % 2 == 0 or roles != (["user", "assistant"] * len(roles))[: len(roles)]:
        row.bad(f"before the answer speak {', '.join(roles) or 'none'}; user and assistant in turn")
    return system, tuple(t for _, t in rest[::2]), tuple(t for _, t in rest[1::2])
