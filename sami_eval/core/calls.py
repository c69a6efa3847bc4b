"""One call of a model: what is asked, what comes back, and what a judge's reply is stored as.

`None` means "not known".
"""

from __future__ import annotations

from dataclasses import dataclass

from sami_eval.core.types import Model, Usage


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. temperature 0 is greedy; top_p and seed then have no effect."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One generation to run: the rendered prompt, who answers, and how tokens are drawn.

    token_ids: the rendered prompt; empty for a server, which renders `messages` itself.
    messages: (role, content) pairs.
    sample: index among several draws for the same prompt; each draws its own random numbers.
    top_logprobs: of how many tokens the log-probabilities are wanted at each place; 0: of none.
    room: tokens for thoughts, beside those of the answer, from a model that is seen to think.
    as_sent: the body, as JSON, where token ids and not messages go to a server.
    """

    model: Model
    messages: tuple[tuple[str, str], ...]
    token_ids: tuple[int, ...]
    sampling: Sampling
    sample: int = 0
    top_logprobs: int = 0
    room: int = 0
    as_sent: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The token ids of one sample, and (id, log-probability) at each place where it was asked."""

    token_ids: tuple[int, ...]
    likeliest: tuple[tuple[tuple[int, float], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TokenLogps:
    """One generated token, and the likeliest tokens at its place.

    likeliest: (text, log-probability in nats), the generated one among them; tokens of one text
        stay apart. Empty where only the generated token's own is known.
    """

    text: str
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one Request. None where the engine does not tell.

    token_ids: generated ids, end-of-sequence included where generated; text excludes it.
    finished: the model ended by itself or at a stop string, not at the token limit.
    token_logps: one a token of the text, where they were asked for.
    thoughts: what the model thought before it spoke, kept apart from the text; None where nobody
        has looked yet: the text may still hold them.
    left_out: as of a Reply.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finished: bool | None = None
    n_tokens: int | None = None
    token_logps: tuple[TokenLogps, ...] = ()
    thoughts: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A judge's raw reply as the ledger stores it; the verdict is parsed on reading.

    left_out: what the server refused, so that it was asked otherwise; a part of the reply's key in
        the ledger and not stored beside it.
    failure: why there is no usable reply ("content filter", "too long for the judge", "API
        failure: ..."), else None. finished: False where the reply was cut at the token limit.
    token_logps: empty where none were asked for, and where the server gives none.
    thoughts: what the server handed over apart from the text. n_thought: tokens that went into
        thoughts, as far as the server says; not stored.
    drawn: the samples of a request by token ids; not stored.
    """

    text: str
    model_reported: str | None = None
    usage: Usage | None = None
    finished: bool | None = None
    failure: str | None = None
    left_out: tuple[str, ...] = ()
    token_logps: tuple[TokenLogps, ...] = ()
    thoughts: str = ""
    n_thought: int = 0
    drawn: tuple[Drawn, ...] = ()
