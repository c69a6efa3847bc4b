"""What a server of vLLM's says to token ids: the ids of every sample (`/v1/completions`)."""

from __future__ import annotations

import json
from typing import Any

from sami_eval.core.calls import Drawn, Reply
from sami_eval.server import wire

PATH = "/completions"


def read_drawn(text: str) -> Reply:
    """The body as a Reply with a Drawn a sample. Raises as `wire.read_completion` does."""
    try:
        data = json.loads(text)
        wire.check_error(data)
        choices = sorted(data["choices"], key=lambda choice: int(choice["index"]))
        drawn = tuple(map(_drawn, choices))
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, wire.RefusedError):
            raise
        raise wire.MalformedError(f"no token ids: {text[:80].strip()!r}") from None
    return Reply("", data.get("model"), wire.read_usage(data.get("usage")), drawn=drawn)


def _drawn(choice: Any) -> Drawn:
    at_each = (choice.get("logprobs") or {}).get("top_logprobs") or ()
    return Drawn(
        tuple(map(int, choice["token_ids"])),
        tuple(tuple((_id(name), float(logp)) for name, logp in at.items()) for at in at_each),
    )


def _id(name: str) -> int:
    """A token as `return_tokens_as_token_ids` writes it."""
    return int(name.removeprefix("token_id:"))
