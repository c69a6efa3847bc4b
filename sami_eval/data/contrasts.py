"""Contrasts as JSON lines: one object a line with the fields of types.Contrast."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.records import read_lines, record
from sami_eval.core.types import Contrast, Prompt, Response, prompt_fields
from sami_eval.data.answers import check_by_turn
from sami_eval.ledger.store import key

HINT = "write contrasts with: sami-eval contrast --out contrasts.jsonl"


def contrasts_to_jsonl(contrasts: Iterable[Contrast]) -> str:
    """One line a contrast; `read_contrasts` gives the same contrasts back."""
    rows = map(_row, contrasts)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def check_replaces(path: Path | None) -> None:
    """Raises UsageError where a file of something else, such as the prompts, lies at the path."""
    if path is None or not path.is_file() or not path.stat().st_size:
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
    if not ('"constitutions"' in first and '"responses"' in first):
        raise UsageError(
            f"`--out {path}` holds no contrasts: it would be lost", "give the path of a new file"
        )


def contrasts_hash(contrasts: Iterable[Contrast]) -> str:
    """SHA-256 of the accepted contrasts, in order: what a training saw."""
    return key("contrasts", [_row(c) for c in contrasts if c.rejected is None])


def _row(contrast: Contrast) -> dict[str, Any]:
    return {**dataclasses.asdict(contrast), "prompt": prompt_fields(contrast.prompt)}


def read_contrasts(path: Path) -> list[Contrast]:
    """Contrasts of a file, rejected ones included.

    Raises UsageError naming the line that is no contrast.
    """
    contrasts = [_contrast(row, where) for where, row in read_lines(path, HINT)]
    if not contrasts:
        raise UsageError("the file holds no contrast", HINT, str(path))
    return contrasts


def _contrast(row: dict[str, Any], where: str) -> Contrast:
    contrast = record(_filled(row), Contrast, where, HINT)
    if not contrast.prompt.turns:
        raise UsageError("`prompt.turns` is `[]`", HINT, where)
    n, n_responses = len(contrast.constitutions), len(contrast.responses)
    if n < 2 or n != n_responses:
        raise UsageError(
            f"`{n}` constitutions and `{n_responses}` responses: "
            "a contrast has as many of one as of the other, at least 2",
            HINT,
            where,
        )
    for i, response in enumerate(contrast.responses):
        _check_response(response, i, len(contrast.prompt.turns), where)
    return contrast


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what its responses may leave out: whose they are, and to what."""
    prompt, responses = row.get("prompt"), row.get("responses")
    if not isinstance(prompt, dict) or not isinstance(responses, list):
        return row
    usual = {"prompt_id": prompt.get("id"), "model": ""}
    filled = [{**usual, **one} if isinstance(one, dict) else one for one in responses]
    return {**row, "responses": filled}


def _check_response(response: Response, number: int, n_asked: int, where: str) -> None:
    n_turns = len(response.turns)
    if not 0 < n_turns <= n_asked:
        raise UsageError(f"a response of `{n_turns}` turns to {n_asked} user messages", HINT, where)
    check_by_turn(response, where, HINT, f"responses.{number}.")


def prompt_hash(prompt: Prompt) -> str:
    """What identifies a prompt's words, whatever its id: its first turn, which contrasts answer.

    What was said before it is a part of them.
    """
    before = (prompt.history,) if prompt.history else ()
    return key("prompt", prompt.turns[:1], *before)[:16]
