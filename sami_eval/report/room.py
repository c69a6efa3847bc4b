"""The reading room's data: every question with its answers and verdicts, for a person to browse.

Names, prompts, answers and judges' words go in as texts, with what turns the direction of writing
written out; whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sami_eval.core.terminal import visible
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.document import Document, contender_of
from sami_eval.experiment.fold import Rule, fold, majority
from sami_eval.report.packed import Texts

START = 90  # characters of a prompt in the list
LONGER = 1.5  # one answer this many times as long as the other is marked

Answers = Mapping[tuple[str, str], Response]  # by model and prompt id


def room(
    document: Document,
    prompts: Sequence[Prompt],
    responses: Iterable[Response],
    verdicts: Sequence[Verdict],
) -> tuple[dict[str, Any], Texts]:
    """Prompts, answers by model, one item a question and pair of models, and their texts by number.

    An item's turns hold the outcome for a (1, .5, 0, between under the average rule, None without
    a verdict), the verdicts of both orders, and the marks a reader filters by. Where a page has not
    room for all texts, it goes without the last: judges' words on turns that are clear, of the
    second order before the first.
    """
    texts = Texts()
    answers = {(response.model, response.prompt_id): response for response in responses}
    place = {prompt.id: number for number, prompt in enumerate(prompts)}
    asked = [_prompt(prompt, texts) for prompt in prompts]
    told = _texts(answers, place, texts)
    items = [*_items(document, verdicts, place, answers)]
    for turn, number in _in_order(items):
        turn["verdicts"][number] = _verdict(turn["verdicts"][number], texts)
    index = {
        "models": [row["name"] for row in document["contenders"]],
        "pairs": [[row["a"], row["b"]] for row in document["comparisons"]],
        "prompts": asked,
        "answers": told,
        "items": items,
    }
    return index, texts


def _prompt(prompt: Prompt, texts: Texts) -> dict[str, Any]:
    return {
        "id": visible(prompt.id),
        "category": visible(prompt.category),
        "start": visible(" ".join(prompt.turns[0][: 4 * START].split())[:START]),
        "history": [texts.number(one) for one in prompt.history],
        "checklist": [visible(one) for one in prompt.checklist],
        "turns": [texts.number(turn) for turn in prompt.turns],
        "principles": [visible(principle) for principle in prompt.principles],
        "reference": [texts.number(one) for one in prompt.reference or ()],
    }


def _texts(
    answers: Answers, place: Mapping[str, int], texts: Texts
) -> dict[str, dict[int, dict[str, Any]]]:
    """By model and number of the prompt; numbered prompt by prompt, since these are alike."""
    told: dict[str, dict[int, dict[str, Any]]] = {}
    known = [one for one in answers.values() if one.prompt_id in place]
    for response in sorted(known, key=lambda one: place[one.prompt_id]):
        told.setdefault(visible(response.model), {})[place[response.prompt_id]] = {
            "turns": [texts.number(turn) for turn in response.turns],
            "tokens": list(response.n_tokens),
            "cut": [ended is False for ended in response.finished],
        }
    return told


def _items(
    document: Document, verdicts: Sequence[Verdict], place: Mapping[str, int], answers: Answers
) -> Iterator[dict[str, Any]]:
    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    of = contender_of(document)
    pairs = {(row["a"], row["b"]): number for number, row in enumerate(document["comparisons"])}

    def question(v: Verdict) -> tuple[int, int, str, str]:
        return pairs[of.get(v.a, v.a), of.get(v.b, v.b)], place[v.prompt_id], v.a, v.b

    known = [
        v
        for v in verdicts
        if v.prompt_id in place and (of.get(v.a, v.a), of.get(v.b, v.b)) in pairs
    ]
    for (pair, number, a, b), several in groupby(sorted(known, key=question), key=question):
        judged = list(several)
        outcome = {one.turn: one.score for one in fold(judged, rule)}
        turns = sorted({verdict.turn for verdict in judged})
        sides = answers.get((a, judged[0].prompt_id)), answers.get((b, judged[0].prompt_id))
        yield {
            "pair": pair,
            "prompt": number,
            "a": visible(a),
            "b": visible(b),
            "turns": [
                _turn(turn, outcome.get(turn), [v for v in judged if v.turn == turn], sides)
                for turn in turns
            ],
        }


def _in_order(items: Iterable[Mapping[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Turns and the places of their verdicts: those to keep first; of each sort, by question."""
    found = [
        (not (turn["unparsed"] or turn["inconsistent"]), number, item["prompt"], turn)
        for item in items
        for turn in item["turns"]
        for number in range(len(turn["verdicts"]))
    ]
    found.sort(key=itemgetter(0, 1, 2))
    return [(turn, number) for _, number, _, turn in found]


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
        "verdicts": list(verdicts),  # their words are numbered when all are there
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


def _verdict(verdict: Verdict, texts: Texts) -> dict[str, Any]:
    return {
        "judge": visible(verdict.judge),
        "first": verdict.first,
        "repeat": verdict.repeat,
        "winner": verdict.winner,
        "score": verdict.score,
        "reason": None if verdict.reason is None else visible(verdict.reason),
        "text": texts.number(verdict.text),
        **({"thoughts": texts.number(verdict.thoughts)} if verdict.thoughts else {}),
    }
