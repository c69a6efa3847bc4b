"""A body as one JSON text: without what its server puts before it, and of one piece.

Some begin with a byte order mark or keep a connection alive by comment lines; some, or a proxy
before them, stream an answer that nobody asked to be a stream.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_FIELD = re.compile(r"(?:data|event|id|retry):")


def one_body(text: str) -> str:
    """The body itself; raises what `json` and `list` do where a stream's events are no answer's."""
    lines = text.lstrip("\ufeff \t\r\n")
    while lines.startswith(":"):
        lines = lines.partition("\n")[2].lstrip()
    if not _FIELD.match(lines):
        return lines
    events = [line[5:].strip() for line in lines.splitlines() if line.startswith("data:")]
    bodies = [event for event in events if event and event != "[DONE]"]
    return bodies[0] if len(bodies) == 1 else json.dumps(_joined([json.loads(b) for b in bodies]))


def _joined(events: Sequence[Any]) -> Any:
    """The answer that the events of a stream make together; an error is all there is."""
    wrong = next((one for one in events if one.get("error")), None)
    if wrong is not None:
        return wrong
    choices = [choice for one in events for choice in (one.get("choices") or [])[:1]]
    endings = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    message: dict[str, str] = {}
    for choice in choices:
        for name, said in (choice.get("delta") or {}).items():
            if isinstance(said, str) and name != "role":
                message[name] = message.get(name, "") + said
    usage = [one["usage"] for one in events if one.get("usage")]
    # A stream that ends without an ending was cut on its way.
    choice = {"message": {"content": "", **message}, "finish_reason": endings[-1]}
    return {**events[0], "choices": [choice], "usage": usage[-1] if usage else None}
