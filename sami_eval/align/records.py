"""Contrasts as JSON lines: one object a line with the fields of types.Contrast."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sami_eval.errors import UsageError
from sami_eval.store import key
from sami_eval.types import Contrast, Prompt, Response

HINT = "write contrasts with: sami-eval contrast --out contrasts.jsonl"


def contrasts_to_jsonl(contrasts: Iterable[Contrast]) -> str:
    """One line a contrast; `read_contrasts` gives the same contrasts back."""
    rows = map(dataclasses.asdict, contrasts)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def contrasts_hash(contrasts: Iterable[Contrast]) -> str:
    """SHA-256 of the accepted contrasts, in order: what a training saw."""
    return key("contrasts", [dataclasses.asdict(c) for c in contrasts if c.rejected is None])


def read_contrasts(path: Path) -> list[Contrast]:
    """Contrasts of a file, rejected ones included.

    Raises UsageError naming the line that is no contrast.
    """
    try:
        # Not splitlines: a response may hold U+2028, which JSON leaves as it is.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read contrasts: {error}", HINT, str(path)) from None
    contrasts = [
        _contrast(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not contrasts:
        raise UsageError("the file holds no contrast", HINT, str(path))
    return contrasts


def _contrast(line: str, where: str) -> Contrast:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"not JSON: {error}", HINT, where) from None
    if not isinstance(row, dict):
        raise UsageError(f"a contrast is an object, not `{line[:40]}`", HINT, where)
    constitutions = _texts(row, "constitutions", where)
    responses = _list(row, "responses", where)
    if len(constitutions) < 2 or len(constitutions) != len(responses):
        raise UsageError(
            f"`{len(constitutions)}` constitutions and `{len(responses)}` responses: "
            "a contrast has as many of one as of the other, at least 2",
            HINT,
            where,
        )
    prompt = _prompt(_object(row.get("prompt"), "prompt", where), where)
    return Contrast(
        prompt,
        constitutions,
        tuple(_response(_object(one, "responses", where), prompt, where) for one in responses),
        tuple(tuple(map(str, signs)) for signs in row.get("principles") or ()),
        row.get("rejected"),
        {str(name): str(value) for name, value in (row.get("metadata") or {}).items()},
    )


def _prompt(row: dict[str, Any], where: str) -> Prompt:
    reference = row.get("reference")
    return Prompt(
        id=_text(row, "id", where),
        category=_text(row, "category", where),
        turns=_texts(row, "turns", where),
        reference=None if reference is None else tuple(map(str, reference)),
        principles=tuple(map(str, row.get("principles") or ())),
        temperature=row.get("temperature"),
    )


def _response(row: dict[str, Any], prompt: Prompt, where: str) -> Response:
    turns = _texts(row, "turns", where)
    if len(turns) > len(prompt.turns):
        raise UsageError(
            f"a response of `{len(turns)}` turns to {len(prompt.turns)} user messages", HINT, where
        )
    return Response(
        prompt_id=str(row.get("prompt_id", prompt.id)),
        model=str(row.get("model", "")),
        turns=turns,
        token_ids=tuple(tuple(map(int, ids)) for ids in row.get("token_ids") or ()),
        sample=int(row.get("sample", 0)),
        finished=tuple(row.get("finished") or ()),
        n_tokens=tuple(row.get("n_tokens") or ()),
    )


def _object(value: object, name: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"`{name}` is `{value!r}`, not an object", HINT, where)
    return value


def _list(row: dict[str, Any], name: str, where: str) -> list[Any]:
    value = row.get(name)
    if not isinstance(value, list) or not value:
        raise UsageError(f"`{name}` is `{value!r}`, not a list", HINT, where)
    return value


def _text(row: dict[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(f"`{name}` is `{value!r}`, not a text", HINT, where)
    return value


def _texts(row: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    values = _list(row, name, where)
    if not all(isinstance(value, str) for value in values):
        raise UsageError(f"`{name}` is `{values!r}`, not a list of texts", HINT, where)
    return tuple(values)


def prompt_hash(prompt: Prompt) -> str:
    """What identifies a prompt's words, whatever its id."""
    return key("prompt", prompt.turns)[:16]
