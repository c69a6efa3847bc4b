"""Rows of the ledger and what they stand for; a damaged value is one that is not known."""

from __future__ import annotations

import json
import sys
from typing import Any

from sami_eval.core.calls import Completion, Reply, TokenLogps
from sami_eval.core.types import Usage


def storable(value: Any) -> Any:
    """A value as SQLite takes it: half a surrogate pair and a number beyond 64 bits it does not."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def completion_of(
    text: Any, ids: Any, finished: Any, n: Any, logps: Any, thoughts: Any
) -> Completion | None:
    """A row as it was stored; None where its words are damaged, unknown what else is."""
    if not isinstance(text, str):
        return None
    tokens = _parsed(ids)
    known = isinstance(tokens, list | tuple) and set(map(type, tokens)) <= {int}
    ended, n_tokens = _truth(finished), _count(n)
    said = thoughts if isinstance(thoughts, str) else None
    return Completion(text, tuple(tokens) if known else (), ended, n_tokens, _logps(logps), said)


def reply_of(
    text: Any,
    model: Any,
    n_in: Any,
    n_out: Any,
    finished: Any,
    failure: Any,
    logps: Any,
    thoughts: Any,
) -> Reply | None:
    """A row as it was stored; None where its words are damaged, unknown what else is."""
    if not isinstance(text, str) or not isinstance(failure, str | None):
        return None
    counts = _count(n_in), _count(n_out)
    usage = None if counts[0] is None or counts[1] is None else Usage(counts[0], counts[1])
    return Reply(
        text,
        sys.intern(model) if isinstance(model, str) else None,  # mostly one name, many times
        usage,
        _truth(finished),
        failure,
        token_logps=_logps(logps),
        thoughts=thoughts if isinstance(thoughts, str) else "",
    )


def json_of(row: Completion | Reply) -> str | None:
    """Log-probabilities as [[text, [[text, logp], ...]], ...]; NULL without."""
    tokens = [[token.text, token.likeliest] for token in row.token_logps]
    return json.dumps(tokens, ensure_ascii=False, separators=(",", ":")) if tokens else None


def _parsed(stored: Any) -> Any:
    if stored is None:
        return ()
    try:
        return json.loads(stored or "[]")
    except (ValueError, TypeError, RecursionError):
        return None


def _logps(stored: Any) -> tuple[TokenLogps, ...]:
    if not stored:
        return ()
    try:
        return tuple(
            TokenLogps(text, tuple((str(one), float(logp)) for one, logp in likeliest))
            for text, likeliest in _parsed(stored)
        )
    except (ValueError, TypeError):
        return ()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _truth(value: Any) -> bool | None:
    return bool(value) if value in (0, 1) else None
