"""The reading room's data: every question with its answers and verdicts, for a person to browse.

Names, prompts, answers and judges' words go in as they are; whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.document import Document, of_pair
from sami_eval.experiment.fold import Rule, fold, majority

LONGER = 1.5  # one answer this many times as long as the other is marked

Answers = Mapping[tuple[str, str], Response]  # by model and prompt id


def room(
    document: Document,
    prompts: Sequence[Prompt],
    responses: Iterable[Response],
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    """Prompts, answers by model, and one item a question and pair of models.

    An item's turns hold the outcome for a (1, .5, 0, between under the average rule, None without
    a verdict), the verdicts of both orders, and the marks a reader filters by.
    """
    answers = {(response.model, response.prompt_id): response for response in responses}
    place = {prompt.id: number for number, prompt in enumerate(prompts)}
    return {
        "models": [row["name"] for row in document["contenders"]],
        "pairs": [[row["a"], row["b"]] for row in document["comparisons"]],
        "prompts": [_prompt(prompt) for prompt in prompts],
        "answers": _texts(answers, place),
        "items": [
            {"pair": number, **item}
            for number, row in enumerate(document["comparisons"])
            for item in _items(document, of_pair(document, row, verdicts), place, answers)
        ],
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    return {
        "id": prompt.id,
        "category": prompt.category,
        "turns": list(prompt.turns),
        "principles": list(prompt.principles),
        "reference": list(prompt.reference or ()),
    }


def _texts(answers: Answers, place: Mapping[str, int]) -> dict[str, dict[int, Any]]:
    texts: dict[str, dict[int, Any]] = {}
    for (model, prompt_id), response in answers.items():
        if prompt_id in place:
            row = {
                "turns": list(response.turns),
                "tokens": list(response.n_tokens),
                "cut": [ended is False for ended in response.finished],
            }
            texts.setdefault(model, {})[place[prompt_id]] = row
    return texts


def _items(
    document: Document, verdicts: Sequence[Verdict], place: Mapping[str, int], answers: Answers
) -> list[dict[str, Any]]:
    def question(v: Verdict) -> tuple[int, str, str]:
        return place[v.prompt_id], v.a, v.b

    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    known = [verdict for verdict in verdicts if verdict.prompt_id in place]
    items = []
    for (number, a, b), several in groupby(sorted(known, key=question), key=question):
        judged = list(several)
        outcome = {one.turn: one.score for one in fold(judged, rule)}
        turns = sorted({verdict.turn for verdict in judged})
        sides = answers.get((a, judged[0].prompt_id)), answers.get((b, judged[0].prompt_id))
        items.append(
            {
                "prompt": number,
                "a": a,
                "b": b,
                "turns": [
                    _turn(turn, outcome.get(turn), [v for v in judged if v.turn == turn], sides)
                    for turn in turns
                ],
            }
        )
    return items


def _turn(
    turn: int,
    outcome: float | None,
    verdicts: Sequence[Verdict],
    sides: tuple[Response | None, Response | None],
) -> dict[str, Any]:
    shorter, longer = sorted(_size(side, turn) for side in sides)
    return {
        "turn": turn,
        "outcome": outcome,
        "inconsistent": _inconsistent(verdicts),
        "unparsed": any(verdict.winner is None for verdict in verdicts),
        "longer": shorter > 0 and longer >= LONGER * shorter,
        "verdicts": [_verdict(verdict) for verdict in verdicts],
    }


def _inconsistent(verdicts: Sequence[Verdict]) -> bool:
    """Whether some judge's two orders do not say the same."""
    for judge in {verdict.judge for verdict in verdicts}:
        orders = [
            majority([v for v in verdicts if v.judge == judge and v.first == first])
            for first in ("a", "b")
        ]
        if None not in orders and orders[0] != orders[1]:
            return True
    return False


def _size(response: Response | None, turn: int) -> int:
    if response is None or turn >= len(response.turns):
        return 0
    return len(response.turns[turn])


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "judge": verdict.judge,
        "first": verdict.first,
        "repeat": verdict.repeat,
        "winner": verdict.winner,
        "score": verdict.score,
        "reason": verdict.reason,
        "text": verdict.text,
        **({"thoughts": verdict.thoughts} if verdict.thoughts else {}),
    }
