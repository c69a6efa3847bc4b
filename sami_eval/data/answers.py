"""Recorded answers: files of responses that were generated before, here or elsewhere.

| format              | a file holds                                                             |
|---------------------|--------------------------------------------------------------------------|
| ours                | JSON lines: prompt_id, model, turns; optional token_ids, sample,          |
|                     | finished, n_tokens, thoughts (a turn)                                    |
| FastChat's          | JSON lines: question_id, model_id, choices [{index, turns}]              |
| the paper's         | one JSON object of columns: question, response (both {"0": text, ...})   |
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.files import is_name
from sami_eval.core.thoughts import parted
from sami_eval.core.types import Response
from sami_eval.data.paper import read_columns
from sami_eval.data.prompts import read_lines
from sami_eval.ledger.store import atomic_write

HINT = (
    'a line looks like {"prompt_id": "81", "model": "sft", "turns": ["...", "..."]} '
    'or, FastChat\'s, {"question_id": 81, "model_id": "sft", "choices": [{"turns": ["..."]}]}'
)
FASTCHAT_ERROR = "$ERROR$"  # what FastChat writes where a call failed


def read_answers(path: Path) -> list[Response]:
    """The responses of a recorded file, in file order.

    Raises UsageError with file and line for a bad field or a question answered twice.
    """
    if path.suffix == ".json":
        return _read_paper(path)
    responses: dict[tuple[str, str, int], Response] = {}
    for where, row in read_lines(path, HINT):
        for found in _fastchat(row, where) if "choices" in row else [_ours(row, where)]:
            response = _thoughts_apart(found)
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


def _ours(row: dict[str, Any], where: str) -> Response:
    known = {field.name for field in dataclasses.fields(Response)}
    unknown = sorted(set(row) - known)
    if unknown:
        raise UsageError(f"unknown field `{unknown[0]}`", HINT, where)
    turns = _turns(row.get("turns"), where)
    return Response(
        prompt_id=_name(row, "prompt_id", where),
        model=_name(row, "model", where),
        turns=turns,
        token_ids=tuple(
            tuple(ids) for ids in _per_turn(row, "token_ids", turns, where) if _ids(ids, where)
        ),
        sample=_count(row.get("sample", 0), "sample", where),
        finished=tuple(_per_turn(row, "finished", turns, where)),
        n_tokens=tuple(_per_turn(row, "n_tokens", turns, where)),
        thoughts=tuple(text or "" for text in _per_turn(row, "thoughts", turns, where)),
    )


def _fastchat(row: dict[str, Any], where: str) -> list[Response]:
    prompt_id, model = _name(row, "question_id", where), _name(row, "model_id", where)
    choices = row["choices"]
    if (
        not isinstance(choices, list)
        or not choices
        or not all(isinstance(c, dict) for c in choices)
    ):
        raise UsageError(f"`choices` is `{str(choices)[:60]}`, not a list of objects", HINT, where)
    return [
        Response(
            prompt_id,
            model,
            _turns(choice.get("turns"), where),
            sample=_count(choice.get("index", i), "index", where),
        )
        for i, choice in enumerate(choices)
    ]


def _turns(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(t, str) for t in value):
        raise UsageError(f"`turns` is `{str(value)[:60]}`, not a list of texts", HINT, where)
    if FASTCHAT_ERROR in value:
        raise UsageError(
            f"the answer is `{FASTCHAT_ERROR}`: its call failed", "generate it again", where
        )
    return tuple(value)


def _name(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int) or not is_name(str(value)):
        raise UsageError(f"`{field}` is `{value!r}`", HINT, where)
    return str(value)


def _count(value: object, field: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"`{field}` is `{value!r}`, not a whole number", HINT, where)
    return value


def _per_turn(row: dict[str, Any], field: str, turns: tuple[str, ...], where: str) -> list[Any]:
    value = row.get(field) or []
    if not isinstance(value, list) or len(value) not in (0, len(turns)):
        raise UsageError(
            f"`{field}` is `{str(value)[:60]}`, not a list of {len(turns)}", HINT, where
        )
    kinds = {"finished": _is_flag, "n_tokens": _is_count, "thoughts": _is_text}
    is_good = kinds.get(field, _is_list)
    if not all(one is None or is_good(one) for one in value):
        raise UsageError(f"`{field}` is `{str(value)[:60]}`", HINT, where)
    return value


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _ids(ids: object, where: str) -> bool:
    if not isinstance(ids, list) or not all(map(_is_count, ids)):
        raise UsageError(f"`token_ids` holds `{str(ids)[:60]}`", HINT, where)
    return True


def _read_paper(path: Path) -> list[Response]:
    texts = read_columns(path, ("response",))["response"]
    return [
        _thoughts_apart(Response(question, path.stem, (text,))) for question, text in texts.items()
    ]
