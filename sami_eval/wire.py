"""What passes between us and an OpenAI-compatible server: bodies, replies, errors in its words.

Pure: `client.py` does the talking.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from hashlib import sha256
from itertools import chain, combinations
from typing import Any

from sami_eval.calls import Reply, Request, TokenLogps
from sami_eval.types import Usage

CONTENT_FILTER = "content filter"
TOO_LONG = "too long for the model"
REFUSED = "refused"

_OPTIONAL = ("max_tokens", "temperature", "top_p", "seed")
LOGPROBS = "logprobs"  # stands for `top_logprobs` too: neither is taken without the other
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum (context|model|input) length|too long|too many tokens"
    r"|token count.*exceeds|tokens.*must be <=",  # as Gemini and text-generation-inference say it
    re.I,
)
_FILTER = re.compile(r"content.?(filter|policy|management)", re.I)
_REFUSES = re.compile(r"unsupported|not support|deprecated|max_completion_tokens", re.I)


class MalformedError(ValueError):
    """A body that is no chat completion."""


def body(request: Request, unsupported: set[str]) -> dict[str, object]:
    """The request as the API wants it, without the parameters its server does not take."""
    sampling = request.sampling
    row: dict[str, object] = {
        "model": request.model.base,
        "messages": [{"role": role, "content": _utf8(text)} for role, text in request.messages],
        "temperature": sampling.temperature,
    }
    length = "max_completion_tokens" if "max_tokens" in unsupported else "max_tokens"
    row[length] = sampling.max_tokens
    if sampling.stop:
        row["stop"] = list(sampling.stop)
    if sampling.temperature > 0:
        row["top_p"] = sampling.top_p
        # One seed for all samples would make them one and the same text.
        digest = sha256(f"{sampling.seed}:{request.sample}".encode()).digest()
        row["seed"] = int.from_bytes(digest[:4], "big") >> 1
    if request.top_logprobs and LOGPROBS not in unsupported:
        row |= {LOGPROBS: True, "top_logprobs": request.top_logprobs}
    return {name: value for name, value in row.items() if name not in unsupported}


def dialects(request: Request) -> Iterator[tuple[str, ...]]:
    """Every choice of parameters that a server may have refused, the fewest first, never none."""
    sent: tuple[str, ...] = _OPTIONAL if request.sampling.temperature > 0 else _OPTIONAL[:2]
    sent += (LOGPROBS,) if request.top_logprobs else ()
    return chain.from_iterable(combinations(sorted(sent), n) for n in range(1, len(sent) + 1))


def _utf8(text: str) -> str:
    """Text that can be sent and stored: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def read_completion(text: str) -> Reply:
    """A chat completion's body as a Reply. Raises MalformedError for anything else."""
    try:
        data = json.loads(text)
        choice = data["choices"][0]
        message, ending = choice["message"], choice.get("finish_reason")
        refusal = message.get("refusal")
        content = _utf8(_words_of(message.get("content")) or refusal or "")
        model = data.get("model")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise MalformedError(f"not a completion: {text[:80].strip()!r}") from None
    failure = CONTENT_FILTER if ending == "content_filter" else REFUSED if refusal else None
    finished = None if ending is None else ending != "length"
    usage, token_logps = _usage(data.get("usage")), _token_logps(choice)
    return Reply(content, model and str(model), usage, finished, failure, token_logps=token_logps)


def _words_of(content: Any) -> Any:
    """A message's text, where it comes in parts too: a judge that thinks may send its thoughts."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _usage(row: object) -> Usage | None:
    if not isinstance(row, dict):
        return None
    counts = row.get("prompt_tokens"), row.get("completion_tokens")
    return Usage(*(count if isinstance(count, int) else 0 for count in counts))


def _token_logps(choice: Mapping[str, Any]) -> tuple[TokenLogps, ...]:
    """What a choice says of its tokens' log-probabilities; empty where that is nothing usable."""
    try:
        return tuple(_token(row) for row in choice["logprobs"]["content"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return ()


def _token(row: Mapping[str, Any]) -> TokenLogps:
    of_row = [(_utf8(one["token"]), float(one["logprob"])) for one in row["top_logprobs"]]
    # A token that was drawn need not be among the likeliest.
    if of_row and row["token"] not in dict(of_row):
        of_row.append((_utf8(row["token"]), float(row["logprob"])))
    # Above 0 by rounding alone; a place may hold an infinity, which JSON has no word for.
    known = tuple((text, min(logp, 0.0)) for text, logp in of_row if math.isfinite(logp))
    return TokenLogps(_utf8(row["token"]), known)


def words(error_body: object, otherwise: str) -> str:
    """What the server said in an error, on one line."""
    said = error_body.get("message") if isinstance(error_body, dict) else error_body
    return " ".join(str(said or otherwise).split())[:300]


def failure_of(code: str | None, said: str) -> str | None:
    """Why this one conversation was turned down, where a 400 is about the conversation."""
    if code == "context_length_exceeded" or _TOO_LONG.search(said):
        return TOO_LONG
    return CONTENT_FILTER if _FILTER.search(f"{code} {said}") else None


def refused_parameter(named: str | None, said: str, sent: Mapping[str, object]) -> str | None:
    """The optional parameter a 400 complains of, where it was sent and can be left out."""
    if LOGPROBS in sent and "logprob" in f"{named} {said}".lower():
        return LOGPROBS
    if _TOO_LONG.search(said) or not _REFUSES.search(said):
        return None
    about = [p for p in _OPTIONAL if p in sent and (p == named or (not named and p in said))]
    return about[0] if about else None


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds the server asks to wait (RFC 9110: a number or a date); 0 where it does not say."""
    milliseconds = headers.get("retry-after-ms")
    value: Any = f"{milliseconds}e-3" if milliseconds else headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return seconds if 0 < seconds < float("inf") else 0.0


def _seconds_until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return 0.0


def masked(text: str, secret: str) -> str:
    """Text without the secret, anything shaped like a key, or a password inside an address."""
    if secret:
        text = text.replace(secret, "***")
    text = re.sub(r"\b(sk|pk)-[\w*.-]{4,}", r"\1-***", text)
    text = re.sub(r"(?i)\b(bearer|api[-_]key[:=])\s*[^\s\"',;]+", r"\1 ***", text)
    return re.sub(r"(://)[^/\s@]+@", r"\1***@", text)
