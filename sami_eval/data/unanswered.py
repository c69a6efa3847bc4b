"""Answers that are none, and thoughts beside answers: counted, shown, and a reason to fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Response

FIXES = "give it more room (--max-tokens) or have it think less; --max-unparsed 1 lets it pass"


class AnswersRow(TypedDict):
    """What of a contender's answers is none.

    n: answers, one a turn or a sample. empty: without a text. thoughts: with thoughts beside it.
    further: choices of a record that are not judged.
    """

    n: int
    empty: int
    thoughts: int
    further: int


class AnswersMore(TypedDict, total=False):
    """What contenders of earlier versions' runs lack."""

    answers: AnswersRow


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and what was thought before it."""

    text: str
    thoughts: str | None


def answers_row(answers: Sequence[Answer], further: int = 0) -> AnswersRow:
    """Count answers."""
    return {
        "n": len(answers),
        "empty": sum(not answer.text.strip() for answer in answers),
        "thoughts": sum(bool(answer.thoughts) for answer in answers),
        "further": further,
    }


def of_responses(responses: Sequence[Response]) -> AnswersRow:
    """What of a contender's responses is judged: the first of each question, turn by turn."""
    first = {one.prompt_id: one for one in reversed(responses)}
    judged = [
        Answer(text, thought)
        for one in first.values()
        for text, thought in zip(one.turns, one.thoughts or ("",) * len(one.turns), strict=True)
    ]
    return answers_row(judged, further=len(responses) - len(first))


def notes(rows: Mapping[str, AnswersRow]) -> Iterator[str]:
    """What a user is told before anything is judged, by contender."""
    for name, row in rows.items():
        if row["thoughts"]:
            yield (
                f"`{name}`: {row['thoughts']:,} of {row['n']:,} answers have thoughts beside them, "
                "which are no part of the answer"
            )
        if row["further"]:
            yield (
                f"`{name}`: {row['further']:,} further choices are not judged, the first of each "
                "question is"
            )


def warnings(rows: Mapping[str, AnswersRow]) -> list[str]:
    """What spoils the figures: answers without a text."""
    return [
        f"warning: {name}: {row['empty']:,} of {row['n']:,} answers are empty (no text, or "
        "thoughts alone)"
        for name, row in rows.items()
        if row["empty"]
    ]


def check_empty(rows: Mapping[str, AnswersRow], most: float) -> None:
    """Raise SamiEvalError where more than this share of a contender's answers is empty."""
    for name, row in rows.items():
        if row["empty"] > most * row["n"]:
            raise SamiEvalError(
                f"`{name}`: {row['empty']} of {row['n']} answers are empty, more than {most:.0%}",
                FIXES,
            )


def answers_of(rows: Sequence[Mapping[str, object]]) -> dict[str, AnswersRow]:
    """What of each contender's answers is none; runs of earlier versions do not say."""
    return {str(row["name"]): cast(AnswersRow, row["answers"]) for row in rows if "answers" in row}
