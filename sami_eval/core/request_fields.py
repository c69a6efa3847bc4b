"""`[request]`: fields that every request to a server is sent with, as they are; and `thoughts`.

[request]                                 # in a judge's file; [models.X.request] in sami-eval.toml
service_tier = "flex"
reasoning_effort = "low"
chat_template_kwargs = { enable_thinking = false }

`thoughts = 16384` beside it is room for thoughts, in tokens, beside those of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sami_eval.core.errors import shown
from sami_eval.core.files import Toml

MOST_THOUGHTS = 10**6
# What every request says by itself, and what would make another thing of the answer.
OURS = (
    *("model", "messages", "temperature", "top_p", "seed", "stop"),
    *("max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
    *("n", "stream", "stream_options"),
)
_SAID_BY = {
    **dict.fromkeys(("model", "messages", "n"), "leave it out"),
    **dict.fromkeys(("stream", "stream_options"), "leave it out: an answer is read whole"),
    **dict.fromkeys(
        ("temperature", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
        "a judge's file says it outside [request], for contenders a flag does",
    ),
}

# Requests stand in every run, and go where it goes: a key has no place in one.
_KEYS = re.compile(
    r"(x_?)?(api_?key|authorization|secret|password|((auth|access|hf|bearer)_?)?token|"
    r"client_?secret|secret_?access_?key)",
    re.I,
)
_KEY = re.compile(r"(sk-|hf_|gsk_|xai-|bearer ).+", re.I | re.S)


def read_request(file: Toml, table: Any, at: Sequence[str]) -> str:
    """The fields as JSON, in one order whatever the file's; "" for none.

    Raises UsageError with its line for one that sami-eval sets, for a key, and for what JSON
    cannot hold.
    """
    if not isinstance(table, dict):
        file.bad(at, f"`{'.'.join(at)}` is {shown(table)}, not a table", f"write [{'.'.join(at)}]")
    for name, value in table.items():
        field = ".".join((*at, name))
        if name in OURS:
            hint = _SAID_BY.get(name, "leave it out")
            file.bad((*at, name), f"`{field}`: sami-eval sets `{name}` itself", hint)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):  # a date, a time, an infinity
            hint = "texts, numbers, true or false, lists and tables"
            file.bad((*at, name), f"`{field}` is {shown(value)}, which JSON does not hold", hint)
        if (held := _key_in(name, value)) is not None:
            hint = (
                'a run would hold it; write `key = "VARIABLE"` in [models.NAME] or [servers.NAME]'
            )
            file.bad((*at, name), f"`{field}`: `{held}` seems to hold a key", hint)
    return json.dumps(table, sort_keys=True, ensure_ascii=False) if table else ""


def _key_in(name: str, value: Any) -> str | None:
    """The name of the field in which a key stands, at any depth; None where there is none."""
    if isinstance(value, dict):
        return next((held for one in value.items() if (held := _key_in(*one))), None)
    if isinstance(value, list):
        return next((held for one in value if (held := _key_in(name, one))), None)
    if not isinstance(value, str) or not value:
        return None
    is_key = _KEYS.fullmatch(name.replace("-", "_")) or _KEY.fullmatch(value)
    return name if is_key else None


def read_thoughts(file: Toml, value: Any, at: tuple[str, ...]) -> int:
    """Room for thoughts, in tokens: 0 is none."""
    if type(value) is not int or not 0 <= value <= MOST_THOUGHTS:
        hint = f"a whole number of tokens from 0 to {MOST_THOUGHTS:,}"
        file.bad(at, f"`{'.'.join(at)}` is {shown(value)}", hint)
    return int(value)
