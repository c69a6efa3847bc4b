"""Contrasts as JSON lines: one object a line with the fields of types.Contrast."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.files import shown
from sami_eval.core.shape import misfit
from sami_eval.core.types import Contrast, Prompt, Response
from sami_eval.data.prompts import read_lines
from sami_eval.ledger.store import key

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
    contrasts = [_contrast(row, where) for where, row in read_lines(path, HINT)]
    if not contrasts:
        raise UsageError("the file holds no contrast", HINT, str(path))
    return contrasts


def _contrast(row: dict[str, Any], where: str) -> Contrast:
    row = _filled(row)
    wrong = misfit(row, Contrast)
    if wrong is not None:
        raise UsageError(f"`{wrong[0]}` is {wrong[1]}", HINT, where)
    prompt = _prompt(row["prompt"], where)
    constitutions = tuple(row["constitutions"])
    if len(constitutions) < 2 or len(constitutions) != len(row["responses"]):
        raise UsageError(
            f"`{len(constitutions)}` constitutions and `{len(row['responses'])}` responses: "
            "a contrast has as many of one as of the other, at least 2",
            HINT,
            where,
        )
    return Contrast(
        prompt,
        constitutions,
        tuple(_response(one, prompt, where) for one in row["responses"]),
        tuple(map(tuple, row.get("principles", ()))),
        row.get("rejected"),
        row.get("metadata", {}),
    )


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what its responses may leave out: whose they are, and to what."""
    prompt, responses = row.get("prompt"), row.get("responses")
    if not isinstance(prompt, dict) or not isinstance(responses, list):
        return row
    usual = {"prompt_id": prompt.get("id"), "model": ""}
    filled = [{**usual, **one} if isinstance(one, dict) else one for one in responses]
    return {**row, "responses": filled}


def _prompt(row: dict[str, Any], where: str) -> Prompt:
    temperature = row.get("temperature")
    for name in ("id", "category", "turns"):
        if not row[name]:
            raise UsageError(f"`prompt.{name}` is {shown(row[name])}", HINT, where)
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError(f"`prompt.temperature` is {shown(temperature)}, not 0 to 2", HINT, where)
    reference = row.get("reference")
    return Prompt(
        **{
            **row,
            "turns": tuple(row["turns"]),
            "reference": None if reference is None else tuple(reference),
            "principles": tuple(row.get("principles", ())),
        }
    )


def _response(row: dict[str, Any], prompt: Prompt, where: str) -> Response:
    n_turns = len(row["turns"])
    if not 0 < n_turns <= len(prompt.turns):
        raise UsageError(
            f"a response of `{n_turns}` turns to {len(prompt.turns)} user messages", HINT, where
        )
    if row.get("sample", 0) < 0:
        raise UsageError(f"`sample` is `{row['sample']}`", HINT, where)
    for name in ("token_ids", "finished", "n_tokens", "thoughts"):
        if len(row.get(name, ())) not in (0, n_turns):
            raise UsageError(f"`{name}` has not one entry for each of {n_turns} turns", HINT, where)
    token_ids = tuple(map(tuple, row.get("token_ids", ())))
    n_tokens = tuple(row.get("n_tokens", ()))
    negative = [n for n in (*(i for ids in token_ids for i in ids), *n_tokens) if n and n < 0]
    if negative:
        raise UsageError(f"a response has the token or count `{negative[0]}`", HINT, where)
    return Response(
        **{
            **row,
            "turns": tuple(row["turns"]),
            "token_ids": token_ids,
            "finished": tuple(row.get("finished", ())),
            "n_tokens": n_tokens,
            "thoughts": tuple(row.get("thoughts", ())),
        }
    )


def prompt_hash(prompt: Prompt) -> str:
    """What identifies a prompt's words, whatever its id: its first turn, which contrasts answer."""
    return key("prompt", prompt.turns[:1])[:16]
