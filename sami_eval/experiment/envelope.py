"""What every kind of document has alike: its schema, its run, what it took; its reading and saving.

Rates are shares from 0 to 1, intervals [low, high] at 95%, and null means "not known".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, cast

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.shape import misfit
from sami_eval.core.types import Model

D = TypeVar("D", bound=Mapping[str, Any])


class _CallsMore(TypedDict, total=False):
    failed: int


class Calls(_CallsMore):
    """Calls: made now, answered from the ledger, and never answered."""

    made: int
    from_ledger: int


class AskedMore(TypedDict, total=False):
    """How a model at a server was asked, as far as a file says: fields, and room for thoughts."""

    request: dict[str, Any]
    thoughts: int


def asked_row(model: Model | None) -> AskedMore:
    """How a contender or a judge was asked; nothing where it was asked as usual."""
    row: AskedMore = {}
    if model is not None and model.request:
        row["request"] = json.loads(model.request)
    if model is not None and model.thoughts is not None:
        row["thoughts"] = model.thoughts
    return row


class Took(TypedDict):
    """Of which run a document is, what that took, and what makes its figures doubtful."""

    run: str
    date: str
    calls: Calls
    cost_usd: float | None
    cost_unseen_usd: float
    warnings: list[str]
    seconds: dict[str, float]
    memory_mb: dict[str, float]
    versions: dict[str, str]
    command: str


class Envelope(Took):
    """All that a document has whatever its kind. settings_key: of the run (`Plan.key`)."""

    settings_key: str


def _as_it_is(document: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Kind(Generic[D]):
    """A kind of document. file: its name in a run's folder. shape: its type.

    fill: adds what documents of earlier versions lack.
    """

    file: str
    schema: str
    shape: type[D]
    fill: Callable[[dict[str, Any]], None] = _as_it_is


def assembled(kind: Kind[D], own: Mapping[str, object], envelope: Envelope) -> D:
    """A whole document, its keys in the order in which its type names them."""
    parts = {"schema": kind.schema, **own, **envelope}
    names = kind.shape.__annotations__
    if parts.keys() != names.keys():
        raise AssertionError(f"`{kind.file}`: {sorted(parts.keys() ^ names.keys())}")
    return cast(D, {name: parts[name] for name in names})


def dump(document: Mapping[str, Any]) -> str:
    """The document as indented JSON; NaN is a bug, not a value."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(kind: Kind[D], path: Path) -> D:
    """A saved document. Raises UsageError if it is not one of this kind."""
    hint = "sami-eval ls runs"
    data = read_json(path, hint)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != kind.schema:
        raise UsageError(f"schema `{schema}` is not `{kind.schema}`", hint, str(path))
    kind.fill(data)
    missing = sorted(kind.shape.__annotations__.keys() - data.keys())
    if missing:
        raise UsageError(f"the run lacks `{missing[0]}`", hint, str(path))
    wrong = misfit(data, kind.shape)
    if wrong is not None:
        raise UsageError(f"not a run: `{wrong[0]}` is {wrong[1]}", hint, str(path))
    return cast(D, data)
