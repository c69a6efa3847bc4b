"""Recorded answers: files of responses that were generated before, here or elsewhere.

| format              | a file holds                                                             |
|---------------------|--------------------------------------------------------------------------|
| ours                | JSON lines: prompt_id, model, turns; optional token_ids, sample,          |
|                     | finished, n_tokens, thoughts (a turn)                                    |
| FastChat's          | JSON lines: question_id, model_id, choices [{index, turns}]              |
| the paper's         | one JSON object of columns: question, response (both {"0": text, ...})   |
| Arena-Hard's        | JSON lines: uid, model, messages, whose answers are texts or {answer}     |
| AlpacaEval's        | a JSON list, or lines: instruction, output, generator                    |
| WildBench's         | the same with session_id; output is a list, a text a sample              |
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.files import read_text
from sami_eval.core.records import read_lines, read_list, record
from sami_eval.core.settings import Amount
from sami_eval.core.shape import Id, Objects, SomeTexts, Whole
from sami_eval.core.thoughts import parted
from sami_eval.core.types import Response
from sami_eval.data.paper import read_columns
from sami_eval.data.prompts import text_id
from sami_eval.ledger.store import atomic_write

HINT = (
    'a line looks like {"prompt_id": "81", "model": "sft", "turns": ["...", "..."]} '
    'or, FastChat\'s, {"question_id": 81, "model_id": "sft", "choices": [{"turns": ["..."]}]}; '
    "Arena-Hard's, AlpacaEval's and WildBench's are read too (docs/formats.md)"
)
FASTCHAT_ERROR = "$ERROR$"  # what FastChat writes where a call failed


def read_answers(path: Path) -> list[Response]:
    """The responses of a recorded file, in file order.

    Raises UsageError with file and line for a bad field or a question answered twice.
    """
    try:
        held = path.stat()
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return list(_read(path))
    stamp = (held.st_dev, held.st_ino, held.st_size, held.st_mtime_ns)
    return list(_read_once(path, stamp))


@lru_cache(maxsize=4)
def _read_once(path: Path, stamp: tuple[int, ...]) -> tuple[Response, ...]:
    """A run asks for the same record several times: for its names, and for each contender."""
    return tuple(_read(path))


def _read(path: Path) -> list[Response]:
    if path.suffix == ".json" and not _is_list(path):
        return _read_paper(path)
    responses: dict[tuple[str, str, int], Response] = {}
    for where, response in _each(path):
        same = (response.prompt_id, response.model, response.sample)
        if same in responses:
            raise UsageError(
                f"`{response.model}` answers question `{response.prompt_id}` twice",
                "remove one of the lines",
                where,
            )
        responses[same] = response
    if not responses:
        raise UsageError("no answers in the file", HINT, str(path))
    return list(responses.values())


def answers_to(ids: Container[str], path: Path) -> list[Response]:
    """Those of a run's responses that answer some questions; no other is held."""
    return [response for _, response in _each(path) if response.prompt_id in ids]


def _each(path: Path) -> Iterator[tuple[str, Response]]:
    for where, row in _rows(path):
        for found in _reader(row)(row, where):
            yield where, _thoughts_apart(found)


def _is_list(path: Path) -> bool:
    return read_text(path, HINT).lstrip().startswith("[")


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows with their "FILE:LINE"; one with an instruction and no id has the text's."""
    if path.suffix == ".json":
        each = iter(read_list(path, HINT, "answers"))
    else:
        each = read_lines(path, HINT)
    said = Counter[tuple[str, str]]()
    for where, row in each:
        if not isinstance(row, dict):
            raise UsageError(f"{shown(row)} is not an object", HINT, where)
        text = row.get("instruction")
        if isinstance(text, str) and "session_id" not in row:
            said[text, str(row.get("generator"))] += 1
            row["session_id"] = text_id(text, said[text, str(row.get("generator"))])
        yield where, row


def _reader(row: dict[str, Any]) -> Callable[[dict[str, Any], str], list[Response]]:
    """What reads a row, by a field that its format alone has."""
    formats = {"choices": _fastchat, "messages": _arena_hard, "output": _by_generator}
    return next((read for name, read in formats.items() if name in row), _ours)


def _thoughts_apart(response: Response) -> Response:
    """The response without what was thought; ids and counts are not known where a text changes."""
    parts = [parted(text) for text in response.turns]
    kept = tuple(said == text for (said, _), text in zip(parts, response.turns, strict=True))
    if all(kept):
        return response
    before = response.thoughts or ("",) * len(parts)
    ids, counts = response.token_ids, response.n_tokens
    return dataclasses.replace(
        response,
        turns=tuple(said for said, _ in parts),
        token_ids=tuple(one if k else () for one, k in zip(ids, kept, strict=bool(ids))),
        n_tokens=tuple(n if k else None for n, k in zip(counts, kept, strict=bool(counts))),
        thoughts=tuple(
            "\n\n".join(filter(None, (own, thought)))
            for own, (_, thought) in zip(before, parts, strict=True)
        ),
    )


def write_answers(path: Path, responses: Iterable[Response]) -> None:
    """Write responses as JSON lines; `read_answers` gives them back."""
    rows = (json.dumps(dataclasses.asdict(one), ensure_ascii=False) + "\n" for one in responses)
    atomic_write(path, "".join(rows))


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of ours: the fields of `Response`, what is not known left out or null."""

    prompt_id: Id
    model: Id
    turns: SomeTexts
    token_ids: Annotated[tuple[tuple[Amount, ...], ...] | None, Whole("token ids by turn")] = None
    sample: Annotated[Amount, Whole("a whole number")] = 0
    finished: Annotated[tuple[bool | None, ...] | None, Whole("true or false by turn")] = None
    n_tokens: Annotated[tuple[Amount | None, ...] | None, Whole("a count by turn")] = None
    thoughts: Annotated[tuple[str | None, ...] | None, Whole("a text by turn")] = None


class _FastChat(TypedDict):
    question_id: Id
    model_id: Id
    choices: Objects


class _Choice(TypedDict):
    turns: SomeTexts
    index: NotRequired[Annotated[Amount, Whole("a whole number")]]


def _ours(row: dict[str, Any], where: str) -> list[Response]:
    found = record(row, _Row, where, HINT)
    response = Response(
        found.prompt_id,
        found.model,
        _said(found.turns, where),
        found.token_ids or (),
        found.sample,
        found.finished or (),
        found.n_tokens or (),
        tuple(text or "" for text in found.thoughts or ()),
    )
    check_by_turn(response, where, HINT)
    return [response]


def check_by_turn(response: Response, where: str, hint: str, named: str = "") -> None:
    """Raise UsageError for a field that has neither an entry for each turn nor none.

    named: what leads to the field, "responses.0.".
    """
    n = len(response.turns)
    for name in ("token_ids", "finished", "n_tokens", "thoughts"):
        given = list(getattr(response, name))
        if len(given) not in (0, n):
            raise UsageError(f"`{named}{name}` is {shown(given)}, not a list of {n}", hint, where)


def _fastchat(row: dict[str, Any], where: str) -> list[Response]:
    found = record(row, _FastChat, where, HINT)
    choices = [record(one, _Choice, where, HINT) for one in found["choices"]]
    return [
        Response(
            found["question_id"],
            found["model_id"],
            _said(choice["turns"], where),
            sample=choice.get("index", i),
        )
        for i, choice in enumerate(choices)
    ]


class _ArenaHard(TypedDict):
    uid: Id
    model: Id
    messages: Objects


def _arena_hard(row: dict[str, Any], where: str) -> list[Response]:
    found = record(row, _ArenaHard, where, HINT)
    said = [one.get("content") for one in found["messages"] if one.get("role") == "assistant"]
    texts = [one.get("answer") if isinstance(one, dict) else one for one in said]
    thoughts = [one.get("thought") if isinstance(one, dict) else None for one in said]
    turns = tuple(text for text in texts if isinstance(text, str))
    if not turns or len(turns) < len(texts):
        raise UsageError("`messages` has no answer, or one that is no text", HINT, where)
    kept = tuple(one if isinstance(one, str) else "" for one in thoughts)
    thought = kept if any(kept) else ()
    return [Response(found["uid"], found["model"], _said(turns, where), thoughts=thought)]


class _ByGenerator(TypedDict):
    session_id: Id
    generator: Id
    output: Annotated[str | tuple[str, ...], Whole("a text, or a list of texts")]


def _by_generator(row: dict[str, Any], where: str) -> list[Response]:
    found = record(row, _ByGenerator, where, HINT)
    several = found["output"] if isinstance(found["output"], tuple) else (found["output"],)
    if not several:
        raise UsageError("`output` is `[]`", HINT, where)
    return [
        Response(found["session_id"], found["generator"], (text,), sample=i)
        for i, text in enumerate(several)
    ]


def _said(turns: tuple[str, ...], where: str) -> tuple[str, ...]:
    if FASTCHAT_ERROR in turns:
        raise UsageError(
            f"the answer is `{FASTCHAT_ERROR}`: its call failed", "generate it again", where
        )
    return turns


def _read_paper(path: Path) -> list[Response]:
    texts = read_columns(path, ("response",))["response"]
    return [
        _thoughts_apart(Response(question, path.stem, (text,))) for question, text in texts.items()
    ]
