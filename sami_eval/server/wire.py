"""What passes between us and an OpenAI-compatible server: replies and secrets.

Pure: `client.py` does the talking. dialect.py writes the requests, refusals.py reads errors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sami_eval.core.calls import Reply, TokenLogps
from sami_eval.core.types import Usage
from sami_eval.server.dialect import utf8
from sami_eval.server.refusals import CONTENT_FILTER, TOO_LONG, Refusal, refusal_of
from sami_eval.server.stream import one_body

__all__ = ["CONTENT_FILTER", "REFUSED", "TOO_LONG", "MalformedError", "read_completion"]

REFUSED = "refused"
TOOL_CALL = "a tool call without text"
ONLY_THOUGHTS = "only thoughts"
MOST_TOKENS = 10**8  # of one call; no model reads or writes as many, so a larger count is none

# How servers say that an answer has ended, was cut at its limit, or was kept back, in any case and
# with any separators: "MAX_TOKENS", "FinishReason.STOP", "content_filter: PROHIBITED_CONTENT".
_ENDINGS = {
    "whole": "stop eos eos_token end_turn stop_sequence complete completed done tool_calls "
    "tool_call tool_use function_call end finish finished",
    "cut": "length max_length max_tokens max_output_tokens max_new_tokens max_completion_tokens "
    "model_length token_limit model_context_window_exceeded error_limit repetition",
    "filtered": "content_filter content_filtered content_policy safety image_safety blocklist spii "
    "refusal prohibited_content recitation sensitive error_toxic blocked guardrail_intervened "
    "guardrails moderation",
}
_WHOLE, _CUT, _FILTERED = (frozenset(words.split()) for words in _ENDINGS.values())
_THOUGHT_PART = re.compile(r"think|thought|reason|summary_text|analysis", re.I)
_NO_TEXT_PART = re.compile(r"tool|function", re.I)  # what a tool was given, or said
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts")
# Tokens read from a cache: Anthropic's name, DeepSeek's, Gemini's own and Moonshot's.
_CACHED = (
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cached_content_token_count",
    "cached_tokens",
)
_DEEPEST = 6  # parts within parts that a text is looked for in


class MalformedError(ValueError):
    """A body that is no chat completion, or one that was broken off.

    usage: what it took all the same, where it says so.
    """

    def __init__(self, why: str, usage: Usage | None = None) -> None:
        super().__init__(why)
        self.usage = usage


class RefusedError(ValueError):
    """An error inside a body that came with status 200."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.words)
        self.refusal = refusal


def read_completion(text: str) -> Reply:
    """A chat completion's body as a Reply.

    Raises RefusedError for an error in it, MalformedError for anything else, and for an answer
    that its provider broke off: neither is to be taken for an answer.
    """
    try:
        data = json.loads(one_body(text))
        check_error(data)
        return _filtered(data) or _reply(data)
    except (LookupError, TypeError, AttributeError, RecursionError):
        raise MalformedError(f"not a completion: {text[:80].strip()!r}") from None
    except json.JSONDecodeError:
        raise MalformedError(f"not a completion: {text[:80].strip()!r}") from None


def check_error(data: Any) -> None:
    """Raise RefusedError where the body, its first choice or that one's message has an error."""
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    for part in (data, first, message):
        error = (part.get("error") or part.get("errors")) if isinstance(part, dict) else None
        if error:
            status = error.get("code") if isinstance(error, dict) else None
            if not (isinstance(status, int) and 400 <= status < 600):
                status = 502
            raise RefusedError(refusal_of(status, error))


def _filtered(data: Any) -> Reply | None:
    """A reply that a filter has kept back whole: it may come without a choice or a message."""
    feedback = data.get("prompt_feedback") or data.get("promptFeedback")
    choices = data.get("choices")
    kept_back = bool(feedback) and not choices
    if choices and choices[0].get("message") is None:
        kept_back = _ending(choices[0].get("finish_reason")) in _FILTERED
    if not kept_back:
        return None
    return Reply("", None, read_usage(data.get("usage")), False, CONTENT_FILTER)


def _reply(data: Any) -> Reply:
    choice = data["choices"][0]
    message, usage = choice["message"], read_usage(data.get("usage"))
    said_ending = choice.get("finish_reason")
    # Some have only the other name; vLLM has it beside, for the stop that was met.
    ending = _ending(choice.get("stop_reason") if said_ending is None else said_ending)
    content, thought, refusal = _parts(message.get("content"))
    refusal = refusal or _text(message.get("refusal"))
    thought += "".join(_thoughts_of(message))
    if ending and ending not in _WHOLE | _CUT | _FILTERED:
        raise MalformedError(
            f"broken off: finish_reason {said_ending or choice['stop_reason']!r}", usage
        )
    finished = None if not ending else ending in _WHOLE
    failure = CONTENT_FILTER if ending in _FILTERED else REFUSED if refusal else None
    called = message.get("tool_calls") or message.get("function_call")
    if failure is None and called and not content.strip():
        failure = TOOL_CALL
    model = data.get("model")
    return Reply(
        utf8(content or refusal),
        utf8(str(model)) if model else None,
        usage,
        finished,
        failure,
        token_logps=_token_logps(choice),
        thoughts=utf8(thought.strip()),
        n_thought=_thought_tokens(data.get("usage"), usage),
    )


def _ending(reason: object) -> str:
    """A finish reason in lower case without what its server puts around it; empty for none."""
    if reason is None or reason == "":
        return ""
    plain = re.sub(r"[^a-z]+", "_", str(reason).partition(":")[0].lower()).strip("_")
    # A number, or a word in other letters, says that something happened, not that all is well.
    return re.sub(r"^finish_?reason_", "", plain) or "unknown"


def _parts(content: Any, depth: int = 0) -> tuple[str, str, str]:
    """Text, thoughts and refusal of a message's content, which may come in parts."""
    if isinstance(content, str) or content is None:
        return content or "", "", ""
    if not isinstance(content, list | dict) or depth > _DEEPEST:
        raise TypeError("no text")
    found = ["", "", ""]
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else "text"
        if kind == "refusal":
            found[2] += _text(part.get("refusal")) or _text(part.get("text"))
        elif not _NO_TEXT_PART.search(str(kind)):
            found[1 if _is_thought(part, str(kind)) else 0] += _text(part)
    return found[0], found[1], found[2]


def _is_thought(part: Any, kind: str) -> bool:
    """Whether a part is no answer: by its type, or by a mark beside its text."""
    marked = isinstance(part, dict) and part.get("thought") is True
    return marked or _THOUGHT_PART.search(kind) is not None


def _text(part: Any, depth: int = 0) -> str:
    """What a part says, in whichever field it says it."""
    if isinstance(part, str):
        return part
    if isinstance(part, list) and depth < _DEEPEST:
        return "".join(_text(one, depth + 1) for one in part)
    if not isinstance(part, dict) or depth >= _DEEPEST:
        return ""
    fields = ("text", "content", "value", "thinking", "reasoning", "summary")
    return next((said for name in fields if (said := _text(part.get(name), depth + 1))), "")


def _thoughts_of(message: Mapping[str, Any]) -> Iterator[str]:
    """What stands beside a message's content; one of the fields is enough."""
    said = [_text(message.get(name)) for name in _THOUGHT_FIELDS]
    said += [_text(message.get("reasoning_details"))]
    yield next(filter(None, said), "")


def read_usage(row: object) -> Usage | None:
    """The tokens a server reports; None where that is nothing usable.

    Whole numbers of at least 0 that are not both 0; what only `total_tokens` counts, as some
    servers count thoughts, was written too.
    """
    if not isinstance(row, dict):
        return None
    prompt = _prompt_tokens(row)
    said = _count(row.get("completion_tokens", row.get("output_tokens")))
    total = _count(row.get("total_tokens"))
    if prompt is None or (said is None and total is None):
        return None
    completion = max(said or 0, (total or 0) - prompt, _with_thoughts(row, said or 0))
    if not 0 < prompt + completion <= MOST_TOKENS:
        return None
    cached = min(_told(row, "cached_tokens", _CACHED), prompt)
    written = _told(row, "cache_write_tokens", ("cache_creation_input_tokens",))
    return Usage(prompt, completion, cached, min(written, prompt - cached))


def _told(row: Mapping[str, Any], name: str, others: Sequence[str]) -> int:
    """A part of the tokens read, by its name among the details or by other vendors' names."""
    details = row.get("prompt_tokens_details") or row.get("input_tokens_details")
    said = [details.get(name)] if isinstance(details, dict) else []
    said += [row.get(one) for one in others]
    return max((_count(one) or 0 for one in said), default=0)


def _prompt_tokens(row: Mapping[str, Any]) -> int | None:
    """Tokens read; in Anthropic's names what a cache holds is counted beside them."""
    if row.get("prompt_tokens") is not None:
        return _count(row["prompt_tokens"])
    cached = (row.get(f"cache_{how}_input_tokens") for how in ("creation", "read"))
    prompt = _count(row.get("input_tokens"))
    return None if prompt is None else prompt + sum(_count(one) or 0 for one in cached)


def _with_thoughts(row: Mapping[str, Any], said: int) -> int:
    """Tokens written; more thoughts than all that is said are counted apart by some."""
    details = row.get("completion_tokens_details", row.get("output_tokens_details"))
    told = (_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None) or 0
    return said + told if told > said else said


def _thought_tokens(row: object, usage: Usage | None) -> int:
    """Of the tokens written, those that went into thoughts, shown or not, as far as it is said."""
    if usage is None or not isinstance(row, dict):
        return 0
    details = row.get("completion_tokens_details", row.get("output_tokens_details"))
    told = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    said = _count(row.get("completion_tokens", row.get("output_tokens")))
    beside = usage.completion_tokens - said if said is not None else 0  # in the total alone
    return min(max(told or 0, beside), usage.completion_tokens)


def _count(value: object) -> int | None:
    """A whole number of at least 0: 10, 10.0, or "10"."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,12}(?:\.0*)?\s*", value):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    known = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if known else None  # type: ignore[call-overload]


def _token_logps(choice: Mapping[str, Any]) -> tuple[TokenLogps, ...]:
    """What a choice says of its tokens' log-probabilities; empty where that is nothing usable."""
    try:
        return tuple(_token(row) for row in choice["logprobs"]["content"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return ()


def _token(row: Mapping[str, Any]) -> TokenLogps:
    of_row = [(utf8(one["token"]), float(one["logprob"])) for one in row["top_logprobs"]]
    # A token that was drawn need not be among the likeliest.
    if of_row and row["token"] not in dict(of_row):
        of_row.append((utf8(row["token"]), float(row["logprob"])))
    # Above 0 by rounding alone; a place may hold an infinity, which JSON has no word for.
    known = tuple((text, min(logp, 0.0)) for text, logp in of_row if math.isfinite(logp))
    return TokenLogps(utf8(row["token"]), known)


def without_secret(text: str, secret: str) -> str:
    """Text without the secret, anything shaped like a key, or a password inside an address."""
    if secret:
        text = text.replace(secret, "***")
    text = re.sub(r"\b(sk|pk)-[\w*.-]{4,}", r"\1-***", text)
    text = re.sub(r"(?i)\b(bearer|api[-_]key[:=])\s*[^\s\"',;]+", r"\1 ***", text)
    return re.sub(r"(://)[^/\s@]+@", r"\1***@", text)
