"""What calls will probably take, beside the most they can: by the lengths of what is stored.

Where nothing of the kind is stored yet, by the usual lengths that `reproduce --scale paper` reckons
with: of MT-Bench's answers and GPT-4o's replies on them, GSM8K's samples, contrasts' responses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

from sami_eval.core.calls import Completion, Reply, Request
from sami_eval.core.types import Response, Usage
from sami_eval.experiment.reproduce.scale import read_scale
from sami_eval.server.budget import TOKENS_A_MESSAGE, total

# English is written at 4 to 5 bytes a token, code at 3 to 4.
BYTES_A_TOKEN: Final = 4
USUAL: Final = "paper"  # the scale whose figures stand in for what is not stored

Kind = Literal["answer", "reply", "sample", "response"]


@dataclass(frozen=True, slots=True)
class Length:
    """Mean tokens of what a model writes. n: stored texts it is the mean of; 0: a usual one."""

    tokens: float
    kind: Kind
    n: int = 0

    @property
    def said(self) -> str:
        """Where it comes from, for a person."""
        tokens = f"{self.tokens:,.0f} tokens"
        if not self.n:
            return f"{tokens} a {self.kind}, as usual (scale `{USUAL}`)"
        several = {"reply": "replies"}.get(self.kind, f"{self.kind}s")
        return f"{tokens} as in {self.n:,} stored {several}"


def usual(kind: Kind) -> Length:
    """The length of what nothing is known of yet."""
    expected = read_scale(USUAL).expected
    tokens = {
        "answer": expected.answer_tokens,
        "reply": expected.reply_tokens,
        "sample": expected.sample_tokens,
        "response": expected.contrast_tokens,
    }
    return Length(float(tokens[kind]), kind)


def of_texts(kind: Kind, *stored: Iterable[int]) -> Length:
    """The mean of the first of these that holds any token counts, else the usual length."""
    for counts in map(list, stored):
        if counts:
            return Length(fmean(counts), kind, len(counts))
    return usual(kind)


def of_completions(completions: Iterable[Completion]) -> list[int]:
    """Tokens of completions, estimated from bytes where an engine did not count them."""
    return [_tokens(one.text) if one.n_tokens is None else one.n_tokens for one in completions]


def of_responses(responses: Iterable[Response]) -> list[int]:
    """Tokens of the turns of responses, estimated from their bytes."""
    return [_tokens(turn) for response in responses for turn in response.turns]


def of_replies(replies: Iterable[Reply]) -> list[int]:
    """Tokens of replies, thoughts among them."""
    return [
        _tokens(one.text) if one.usage is None else one.usage.completion_tokens for one in replies
    ]


def _tokens(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)


def likely_tokens(requests: Sequence[Request], length: Length) -> Usage:
    """What requests will probably take: prompts by their bytes, texts by the length."""
    return total(
        Usage(
            sum(TOKENS_A_MESSAGE + _tokens(role + text) for role, text in request.messages),
            min(request.sampling.max_tokens, round(length.tokens)),
        )
        for request in requests
    )


def filler(name: str, request: Request, length: Length) -> Completion:
    """A text like no other, of this length, or as long as the limit allows."""
    tokens = min(request.sampling.max_tokens, round(length.tokens))
    return Completion((name + "x" * (BYTES_A_TOKEN * tokens))[: max(1, BYTES_A_TOKEN * tokens)])
