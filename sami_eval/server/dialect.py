"""How a server wants to be asked: what of a request it refuses, and what it is sent instead.

An adaptation is a short text, which is a part of the key that the answer is stored under:

| adaptation       | the request                                                    |
|------------------|----------------------------------------------------------------|
| temperature      | leaves it to the server                                        |
| temperature>0    | has the smallest one instead of 0                              |
| top_p, seed, stop, logprobs | leaves it out                                       |
| max_tokens       | says `max_completion_tokens`                                   |
| max_tokens<=512  | wants no more than 512                                         |
| system           | has the system's words in the user's turn                      |
| thoughts+8192    | has room for 8192 tokens of thoughts beside the answer's       |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain, combinations
from typing import TYPE_CHECKING, TypeVar

from sami_eval.core.calls import Reply, Request
from sami_eval.core.types import SERVED, Model
from sami_eval.data import chat
from sami_eval.ledger.store import key

if TYPE_CHECKING:
    from sami_eval.ledger.store import Ledger

LOGPROBS = "logprobs"  # stands for `top_logprobs` too: neither is taken without the other
SYSTEM = "system"
WARMER = "temperature>0"
LONGER_NAME = "max_tokens"
AT_MOST = "max_tokens<="
THINKS = "thoughts+"
SMALLEST_TEMPERATURE = 0.01  # some servers count less as 0

_OPTIONAL = ("max_tokens", "temperature", "top_p", "seed")  # refusals of earlier versions' ledgers
_NOTED = "dialects"  # stands for the judge in a ledger's row
Stored = TypeVar("Stored")


def body(request: Request, adapted: Collection[str] = ()) -> dict[str, object]:
    """The request as the API wants it, in a server's own dialect. What says nothing is not sent."""
    sampling = request.sampling
    messages = chat.fold_system(request.messages) if SYSTEM in adapted else request.messages
    row: dict[str, object] = {
        "model": request.model.base,
        "messages": [{"role": role, "content": utf8(text)} for role, text in messages],
        "temperature": sampling.temperature,
    }
    if WARMER in adapted and sampling.temperature == 0:
        row["temperature"] = SMALLEST_TEMPERATURE
    length = "max_completion_tokens" if LONGER_NAME in adapted else "max_tokens"
    row[length] = min([sampling.max_tokens + room(request, adapted), *map(int, _limits(adapted))])
    if sampling.stop:
        row["stop"] = list(sampling.stop)
    if sampling.temperature > 0:
        if sampling.top_p < 1:
            row["top_p"] = sampling.top_p
        # One seed for all samples would make them one and the same text.
        digest = sha256(f"{sampling.seed}:{request.sample}".encode()).digest()
        row["seed"] = int.from_bytes(digest[:4], "big") >> 1
    if request.top_logprobs and LOGPROBS not in adapted:
        row |= {LOGPROBS: True, "top_logprobs": request.top_logprobs}
    row = {name: value for name, value in row.items() if name not in adapted}
    return {**row, **json.loads(request.model.request or "{}")}


def room(request: Request, adapted: Iterable[str] = ()) -> int:
    """Tokens for thoughts beside the answer's: as was said, else where thoughts were seen."""
    if request.model.thoughts is not None:
        return request.model.thoughts
    learned = (int(one.removeprefix(THINKS)) for one in adapted if one.startswith(THINKS))
    return max(learned, default=0) if request.room else 0


def was_given_room(request: Request, adapted: Iterable[str]) -> bool:
    """Whether a request had room for thoughts that nobody has asked for."""
    return request.model.thoughts is None and room(request, adapted) > 0


def without_room(adapted: Iterable[str]) -> frozenset[str]:
    """Adaptations without the room that a server's model was found to need."""
    return frozenset(one for one in adapted if not one.startswith(THINKS))


def with_room(request: Request, adapted: Iterable[str]) -> Request:
    """The request as it is paid for: with the room that it has only been found to need."""
    if request.model.thoughts is not None or not room(request, adapted):
        return request
    most = request.sampling.max_tokens + room(request, adapted)
    return replace(request, sampling=replace(request.sampling, max_tokens=most))


def _limits(adapted: Iterable[str]) -> Iterator[str]:
    return (one.removeprefix(AT_MOST) for one in adapted if one.startswith(AT_MOST))


def utf8(text: str) -> str:
    """Text that can be sent and stored: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def used(request: Request, adapted: Collection[str]) -> tuple[str, ...]:
    """Those adaptations that make a difference to this request, in the order of keys."""
    plain = body(request) if adapted else {}
    return tuple(one for one in sorted(adapted) if body(request, {one}) != plain)


def in_words(adaptation: str) -> str | None:
    """What a person is told: what is not taken, and what is sent instead; None for nothing."""
    if adaptation.startswith(AT_MOST):
        most = adaptation.removeprefix(AT_MOST)
        return f"takes at most {most} tokens of answer: asked for no more"
    if adaptation.startswith(THINKS):
        n = int(adaptation.removeprefix(THINKS))
        return f"thinks before it speaks: room for {n:,} tokens of thoughts beside its answer's"
    instead = {
        "max_tokens": "asked with max_completion_tokens",
        WARMER: f"asked with {SMALLEST_TEMPERATURE}",
        SYSTEM: "its words open the user's turn",
        "stop": "answers are cut here",
        "seed": "asked without",
    }.get(adaptation, "asked with its own default")
    said = {WARMER: "`temperature` 0", SYSTEM: "a system message"}.get(adaptation)
    # Who asked for log-probabilities says what is done without.
    return (
        None if adaptation == LOGPROBS else f"does not take {said or f'`{adaptation}`'}: {instead}"
    )


def earlier(request: Request) -> Iterator[tuple[str, ...]]:
    """What ledgers of earlier versions may have left out: they kept no list."""
    sent: tuple[str, ...] = _OPTIONAL if request.sampling.temperature > 0 else _OPTIONAL[:2]
    sent += (LOGPROBS,) if request.top_logprobs else ()
    return chain.from_iterable(combinations(sorted(sent), n) for n in range(1, len(sent) + 1))


def note(ledger: Ledger, model: Model, adapted: tuple[str, ...]) -> None:
    """Write into the ledger that a model was asked so: `recall` then looks for such answers."""
    known = _noted(ledger, [model]).get(model, ()) if adapted else ()
    if adapted and adapted not in known:
        row = Reply(json.dumps([*known, adapted]))
        ledger.add_replies([(_note_key(model), _NOTED, row)], replace=True)


def last_noted(ledger: Ledger, model: Model) -> tuple[str, ...]:
    """How a model was asked the last time that it refused something."""
    return _noted(ledger, [model]).get(model, ((),))[-1]


def _note_key(model: Model) -> str:
    replicas = model.allowance.server if model.replicas and model.allowance else None
    where = f"replicas {replicas}" if replicas else model.base_url
    return key(_NOTED, model.engine, where, model.base, *filter(None, [model.request]))


def known_to_think(ledger: Ledger, models: Iterable[Model]) -> dict[Model, str]:
    """The models that were seen to think, with what they were given for it."""
    known = _noted(ledger, models)
    seen = {model: [*chain.from_iterable(several)] for model, several in known.items()}
    return {m: one for m, several in seen.items() for one in several if one.startswith(THINKS)}


def as_paid(ledger: Ledger, requests: Sequence[Request]) -> list[Request]:
    """The requests with the room for thoughts that their models were found to need."""
    known = known_to_think(ledger, (request.model for request in requests))
    return [with_room(one, [known[one.model]] if one.model in known else ()) for one in requests]


def _noted(ledger: Ledger, models: Iterable[Model]) -> dict[Model, tuple[tuple[str, ...], ...]]:
    keys = {model: _note_key(model) for model in dict.fromkeys(models)}
    rows = ledger.replies(keys.values())
    return {
        model: tuple(map(tuple, json.loads(rows[name].text)))
        for model, name in keys.items()
        if name in rows
    }


def recall(
    asked: Mapping[str, Request],
    ledger: Ledger,
    stored: Callable[[Iterable[str]], dict[str, Stored]],
    keys_of: Callable[[Request, Iterable[Sequence[str]]], Iterable[str]],
    from_earlier: bool = False,
) -> dict[str, Stored]:
    """What the ledger holds: answers to the requests as they stand, else in a server's dialect.

    keys_of: the keys of a request in some dialects.
    from_earlier: earlier versions' answers count too.
    """
    found = stored(asked)
    rest = {k: asked[k] for k in asked if k not in found}
    missing = {k: request for k, request in rest.items() if request.model.engine in SERVED}
    known = _noted(ledger, (request.model for request in missing.values())) if missing else {}
    others: dict[str, str] = {}
    for k, request in missing.items():
        dialects = [used(request, adapted) for adapted in known.get(request.model, ())]
        every = dict.fromkeys([*dialects, *(earlier(request) if from_earlier else ())])
        others |= dict.fromkeys(keys_of(request, every), k) if every else {}
    for other, row in stored(others).items() if others else ():
        found.setdefault(others[other], row)
    return found
