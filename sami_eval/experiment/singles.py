"""FastChat's single-answer ratings, model_judgment/*_single.jsonl, become verdicts.

Of two answers to a question the one rated higher wins; every two models of the file are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NotRequired, TypedDict

from sami_eval.core.errors import UsageError
from sami_eval.core.records import record
from sami_eval.core.settings import Amount
from sami_eval.core.shape import Id, Name
from sami_eval.core.types import Turn, Verdict
from sami_eval.experiment.document import pairs_of
from sami_eval.judge import BETWEEN, IDENTICAL
from sami_eval.judge.verdicts import HIGHEST, LOWEST

NO_RATING = -1  # what FastChat writes, and leaves out of its means
HINT = (
    'a line of FastChat\'s single-answer judgments has "question_id", "model", "turn" and "score" '
    "(1 to 10; -1 where there is none)"
)
Place = tuple[str, str, int, int]  # judge, question, turn, repeat


@dataclass(frozen=True, slots=True)
class _Rating:
    """One line: score None for an answer without a rating, for `reason`."""

    score: float | None
    text: str
    reason: str | None


def is_rating(row: Mapping[str, Any]) -> bool:
    """Whether a line of judgments rates one answer."""
    return "model" in row and "model_1" not in row and "prompt_id" not in row


def rated(rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Verdict]:
    """The verdicts of lines, each with its place in the file, pair by pair of models.

    An answer to a question that the other model has no line for takes no part.
    Raises UsageError with file and line for a bad field and an answer rated twice.
    """
    ratings: dict[str, dict[Place, _Rating]] = {}
    where = ""
    for where, row in rows:
        model, place, rating = _read(row, where)
        if place in ratings.setdefault(model, {}):
            raise UsageError(
                f"`{model}` is rated twice for question `{place[1]}`, turn {place[2]}",
                "FastChat appends to the file when it is run again; remove one of the lines",
                where,
            )
        ratings[model][place] = rating
    if len(ratings) == 1:
        only = next(iter(ratings))
        raise UsageError(f"all ratings are of `{only}`", "two models make a comparison", where)
    for a, b in pairs_of(list(ratings)):
        for place, of_a in ratings[a].items():
            if place in ratings[b]:
                yield _verdict(a, b, place, of_a, ratings[b][place])


def _verdict(a: str, b: str, place: Place, of_a: _Rating, of_b: _Rating) -> Verdict:
    judge, question, turn, repeat = place
    even = Verdict(question, turn - 1, judge, a, b, "a", repeat, "tie", text=IDENTICAL)
    if of_a.text == of_b.text == IDENTICAL:
        return even
    x, y = of_a.score, of_b.score
    both = replace(even, text=f"{of_a.text}{BETWEEN}{of_b.text}", ratings=(x, y))
    if x is None or y is None:
        return replace(both, winner=None, reason=of_a.reason or of_b.reason)
    return replace(both, winner="a" if x > y else "b" if x < y else "tie", score=x - y)


class _Row(TypedDict):
    question_id: Id
    model: Name
    turn: Turn
    # No float holds a whole number of 400 digits; any is outside the range of ratings.
    score: int | float
    repeat: NotRequired[Amount]


def _read(given: Mapping[str, Any], where: str) -> tuple[str, Place, _Rating]:
    row = record(given, _Row, where, HINT)
    score = row["score"]
    judge = given.get("judge")
    name = str(judge[0]) if isinstance(judge, list) and judge else "judge"
    in_range = LOWEST <= score <= HIGHEST
    why = "recorded as an error" if score == NO_RATING else "rating outside 1-10"
    rating = _Rating(
        float(score) if in_range else None,
        str(given.get("judgment", "")),
        None if in_range else why,
    )
    return row["model"], (name, row["question_id"], row["turn"], row.get("repeat", 0)), rating
