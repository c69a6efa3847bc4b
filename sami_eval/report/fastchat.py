"""A finished run as FastChat's model_judgment/: *_pair.jsonl, and *_single.jsonl for ratings.

FastChat's own summary counts our wins, losses and ties in the first, and averages our ratings in
the second.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Order, Prompt, Response, Verdict
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.document import Document, contender_of, of_pair
from sami_eval.experiment.fold import majority
from sami_eval.experiment.imports import ERROR, ONE_ORDER
from sami_eval.experiment.singles import NO_RATING
from sami_eval.judge import BETWEEN, IDENTICAL, read_judge, read_published
from sami_eval.judge.requests import Turn, conversations
from sami_eval.report.comparison_facts import model_of

_WINNERS: Mapping[float, str] = {1.0: "model_1", 0.5: "tie", 0.0: "model_2"}

Asked = Callable[[Verdict], tuple[str, ...]]  # the user's messages that a verdict answers


def not_known(verdict: Verdict) -> tuple[str, ...]:
    """What a verdict was asked with, where that is not known."""
    return ()


def asked_with(
    document: Document, prompts: Iterable[Prompt], responses: Iterable[Response]
) -> Asked:
    """What each verdict of a run was asked with, rendered again.

    Not known where the judge's file is gone, or asks something else by now.
    """
    judge = judge_of(document)
    questions = {prompt.id: prompt for prompt in prompts}
    answers = {(response.model, response.prompt_id): response for response in responses}

    def asked(verdict: Verdict) -> tuple[str, ...]:
        prompt = questions.get(verdict.prompt_id)
        a, b = (answers.get((name, verdict.prompt_id)) for name in (verdict.a, verdict.b))
        if judge is None or prompt is None or a is None or b is None or verdict.text == IDENTICAL:
            return ()
        turn = Turn(prompt, verdict.turn, a, b)
        return tuple(
            messages[-1][1] for messages in conversations(judge, turn, verdict.first or "a")
        )

    return not_known if judge is None else asked


def judge_of(document: Document) -> Judge | None:
    """The judge of a run, if it can still be read and asks the same."""
    settings = document["settings"]
    try:
        if path := settings.get("judge_prompts"):
            judge = read_published(Path(path), document["judge"])
        else:
            judge = read_judge(str(settings.get("judge") or document["judge"]))
    except UsageError:
        return None
    is_same = judge.sha256 == settings.get("judge_sha256") and judge.kind != "program"
    return judge if is_same else None


def pairs(
    document: Document, verdicts: Sequence[Verdict], asked: Asked = not_known
) -> list[dict[str, Any]]:
    """Lines of FastChat's pair judgments: a line a turn and pair, g2's winner mapped back.

    Repeats are one judgment by majority. A turn asked in one order only has that order's winner
    twice, and says so in g2_judgment. Seeds of a contender go under the contender's name.
    Raises UsageError for the average rule, which FastChat's summary does not know.
    """
    if document["rule"] != "conservative":
        raise UsageError(
            f"FastChat's summary has no rule `{document['rule']}`", "--csv or --verdicts hold all"
        )
    return [
        _pair(document, row, several, asked)
        for row in document["comparisons"]
        for several in _by_turn(of_pair(document, row, verdicts))
    ]


def _by_turn(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    turns: dict[tuple[str, int, str, str], list[Verdict]] = {}
    for v in verdicts:
        turns.setdefault((v.prompt_id, v.turn, v.a, v.b), []).append(v)
    return list(turns.values())


def _pair(
    document: Document, row: ComparisonRow, verdicts: Sequence[Verdict], asked: Asked
) -> dict[str, Any]:
    one, other = (_game(verdicts, first, asked) for first in ("a", "b"))
    if document["orders"] == "one" or not any(v.first == "b" for v in verdicts):
        other = one[0], ONE_ORDER, ""
    first = verdicts[0]
    return {
        "question_id": _number(first.prompt_id),
        "model_1": row["a"],
        "model_2": row["b"],
        "g1_winner": one[0],
        "g2_winner": other[0],
        "judge": [_model(document), document["judge"]],
        "g1_user_prompt": one[2],
        "g1_judgment": one[1],
        "g2_user_prompt": other[2],
        "g2_judgment": other[1],
        "turn": first.turn + 1,
        "tstamp": _time(document),
    }


def _game(verdicts: Sequence[Verdict], first: Order, asked: Asked) -> tuple[str, str, str]:
    """Winner, the judge's words and what it was asked in one order."""
    repeats = [verdict for verdict in verdicts if (verdict.first or "a") == first]
    score = majority(repeats)
    texts = "\n\n".join(verdict.text for verdict in repeats)
    prompt = "\n\n".join(asked(repeats[0])) if repeats else ""
    return ERROR if score is None else _WINNERS[score], texts, prompt


def _number(prompt_id: str) -> int | str:
    return int(prompt_id) if prompt_id.isascii() and prompt_id.isdigit() else prompt_id


def singles(
    document: Document, verdicts: Sequence[Verdict], asked: Asked = not_known
) -> list[dict[str, Any]]:
    """Lines of FastChat's single-answer judgments: a line an answer, turn and repeat.

    Empty for a judge that compares. An answer without a rating scores -1, as does one that was not
    asked for since both were identical and the judge met neither of them beside another.
    """
    if not any(verdict.ratings for verdict in verdicts):
        return []
    of, rows = contender_of(document), dict[tuple[str, str, int, int, str], dict[str, Any]]()
    for v in verdicts:
        words = (IDENTICAL,) * 2 if v.text == IDENTICAL else v.text.partition(BETWEEN)[::2]
        prompts = asked(v) or ("", "")
        sides = zip((v.a, v.b), v.ratings or (None, None), words, prompts, strict=True)
        for model, rating, text, prompt in sides:
            place = (model, v.prompt_id, v.turn, v.repeat, v.judge)
            if place in rows and (rating is None or rows[place]["score"] != NO_RATING):
                continue
            rows[place] = {
                "question_id": _number(v.prompt_id),
                "model": of.get(model, model),
                "judge": [_model(document), v.judge],
                "user_prompt": prompt,
                "judgment": text,
                "score": NO_RATING if rating is None else rating,
                "turn": v.turn + 1,
                "tstamp": _time(document),
                **({"repeat": v.repeat} if v.repeat else {}),
            }
    return list(rows.values())


def _model(document: Document) -> str:
    return document["judge_model"] or document["judge"]


def _time(document: Document) -> float:
    return datetime.datetime.fromisoformat(document["date"]).timestamp()


def files(
    document: Document, verdicts: Sequence[Verdict], asked: Asked = not_known
) -> dict[str, list[dict[str, Any]]]:
    """The lines of each file under model_judgment/, by its name: the judge's model and the kind."""
    if len(document["judges"]) > 1:
        each = [files(*alone, asked) for alone in _by_judge(document, verdicts)]
        return {name: lines for several in each for name, lines in several.items()}
    name = re.sub(r"[^A-Za-z0-9.+_-]+", "-", _model(document))
    # A classifier's numbers are on no scale of one to ten.
    scored = any(row.get("kind") == "reward" for row in document["judges"])
    if scored or not (rated := singles(document, verdicts, asked)):
        return {f"{name}_pair.jsonl": pairs(document, verdicts, asked)}
    one = {f"{name}_single.jsonl": rated}
    if document["rule"] != "conservative":
        return one  # a mean over repeats, which FastChat's pairs have no place for
    return one | {f"{name}_pair.jsonl": pairs(document, verdicts, asked)}


def _by_judge(
    document: Document, verdicts: Sequence[Verdict]
) -> Iterator[tuple[Document, list[Verdict]]]:
    """An ensemble's document as each judge's, with its verdicts: a file is one judge's."""
    models = [row["model"] for row in document["judges"]]
    for row in document["judges"]:
        model = row["model"] if models.count(row["model"]) == 1 else model_of(row["name"])
        alone: Document = {**document, "judge_model": model, "judges": [row]}
        yield alone, [verdict for verdict in verdicts if verdict.judge == row["name"]]
