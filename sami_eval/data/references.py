"""Reference answers from a file in the format of MT-Bench's reference_answer/*.jsonl.

Some are reported wrong upstream, as thirteen of MT-Bench's thirty (`wrong_references` of the task):
a judge that uses one is worth a warning, and a file of better ones takes their place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from sami_eval.core.errors import UsageError
from sami_eval.core.records import read_records, record
from sami_eval.core.shape import Id, Objects, SomeTexts
from sami_eval.core.types import Prompt

FORMAT = (
    'a line looks like {"question_id": 101, "choices": [{"index": 0, "turns": ["...", "..."]}]}, '
    "as in MT-Bench's reference_answer/gpt-4.jsonl"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Right answers to one question, one a turn, and the "FILE:LINE" they stand on."""

    turns: tuple[str, ...]
    where: str


class _Row(TypedDict):
    question_id: Id
    choices: Objects


class _Choice(TypedDict):
    turns: SomeTexts


def read_references(path: Path) -> dict[str, Reference]:
    """References by question id.

    Raises UsageError with file and line for a bad field or a question that occurs twice.
    """
    references: dict[str, Reference] = {}
    for where, row in read_records(path, _Row, FORMAT):
        question = row["question_id"]
        if question in references:
            raise UsageError(
                f"question `{question}` has two references", "remove one of the lines", where
            )
        turns = record(row["choices"][0], _Choice, where, FORMAT)["turns"]
        if not all(text.strip() for text in turns):
            raise UsageError("`turns` holds an empty text", FORMAT, where)
        references[question] = Reference(turns, where)
    if not references:
        raise UsageError("no references in the file", FORMAT, str(path))
    return references


def with_references(
    prompts: Sequence[Prompt], path: Path, references: Mapping[str, Reference]
) -> list[Prompt]:
    """Prompts with the references of their ids; a prompt the file does not know keeps its own.

    Raises UsageError for references to other questions, and for one with fewer turns than its
    prompt.
    """
    if not any(prompt.id in references for prompt in prompts):
        raise UsageError(
            f"`{path}` has no reference for these questions: its first is for "
            f"`{next(iter(references))}`, theirs is `{prompts[0].id}`",
            "question ids must agree: MT-Bench's are 81-160",
        )
    return [_with(prompt, references.get(prompt.id)) for prompt in prompts]


def _with(prompt: Prompt, reference: Reference | None) -> Prompt:
    if reference is None:
        return prompt
    n_given, n_turns = len(reference.turns), len(prompt.turns)
    if n_given < n_turns:
        raise UsageError(
            f"question `{prompt.id}` has {n_turns} turns, its reference {n_given}",
            FORMAT,
            reference.where,
        )
    return replace(prompt, reference=reference.turns[:n_turns])


def load(
    prompts: Sequence[Prompt],
    references: Path | None,
    fixes: Path | None,
    wrong: Collection[str] = (),
) -> tuple[list[Prompt], frozenset[str]]:
    """Prompts with references, mended ones last, and the ids of those reported wrong.

    wrong: ids that the task says are; counted are those of the references file alone, without what
        `fixes` replaces.
    """
    found, known = list(prompts), frozenset[str]()
    if references is not None:
        given = read_references(references)
        known = frozenset(wrong) & given.keys()
        found = with_references(found, references, given)
    if fixes is not None:
        mended = read_references(fixes)
        found, known = with_references(found, fixes, mended), known - mended.keys()
    return found, known
