"""What a judge must be asked for a comparison, and which of it the ledger holds already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Generic, TypeVar

from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Model, Order, Prompt, Response
from sami_eval.data.chat import Messages
from sami_eval.judge import reward
from sami_eval.judge.rendering import render, render_single
from sami_eval.judge.verdicts import read_reply
from sami_eval.ledger.store import Ledger, Opening, key, written
from sami_eval.server.dialect import recall
from sami_eval.server.endpoint import is_default

BOTH: tuple[Order, ...] = ("a", "b")
_MESSAGES = "\0messages"  # stands for them, and for nothing that a server is called
ROOM = 8192  # tokens for the thoughts of a judge that is seen to think, where no file says how many


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one prompt, answered by both."""

    prompt: Prompt
    turn: int
    a: Response
    b: Response

    def answered(self) -> bool:
        """Whether either of them said anything."""
        return bool(self.a.turns[self.turn].strip() or self.b.turns[self.turn].strip())

    def identical(self) -> bool:
        """Whether both said the same up to here: a tie, and nothing to ask."""
        return self.a.turns[: self.turn + 1] == self.b.turns[: self.turn + 1]


@dataclass(frozen=True, slots=True)
class Judgment:
    """A turn in one order, which a judge is to decide."""

    turn: Turn
    first: Order
    repeat: int

    def is_asked(self) -> bool:
        """Whether the judge is asked: of what nobody said, and of what both said, it is not."""
        return self.turn.answered() and not self.turn.identical()


Place = TypeVar("Place")


class Requests(Mapping[str, Request], Generic[Place]):
    """Requests by the keys of their replies, each written anew whenever it is looked at.

    The whole prompts of many judgments would take kilobytes each. places: what one is written of.
    """

    def __init__(self, write: Callable[[Place], Request], places: Mapping[str, Place]) -> None:
        self._write = write
        self._places = places

    def of(self, keys: Iterable[str]) -> Requests[Place]:
        """Some of them."""
        return Requests(self._write, {k: self._places[k] for k in keys})

    def __getitem__(self, key: str) -> Request:
        return self._write(self._places[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class InOrder(Sequence[Request]):
    """Requests as a list has them, none of them written before it is looked at."""

    def __init__(self, requests: Mapping[str, Request]) -> None:
        self._requests, self._keys = requests, list(requests)

    def __getitem__(self, i: Any) -> Any:
        return self._requests[self._keys[i]]

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(frozen=True, slots=True)
class Docket:
    """What a judge is to decide, the keys of the replies that decide each, and the requests.

    keys: none where nothing is asked.
    """

    judgments: Sequence[Judgment]
    keys: Sequence[tuple[str, ...]]
    requests: Requests[tuple[Judgment, int]]


def docket(judge: Judge, judgments: Sequence[Judgment], model: Model | None) -> Docket:
    """What it is asked for these. model: by default the server's that it names."""

    def write(place: tuple[Judgment, int]) -> Request:
        one, i = place
        messages = conversations(judge, one.turn, one.first)[i]
        return request_of(judge, messages, model, one.repeat)

    key_of = {
        repeat: keys_beside(request_of(judge, (), model, repeat))
        for repeat in {one.repeat for one in judgments}
    }
    keys: list[tuple[str, ...]] = []
    places: dict[str, tuple[Judgment, int]] = {}
    for one in judgments:
        # The messages hold the order: a comparison turned round finds the same replies.
        several = conversations(judge, one.turn, one.first) if one.is_asked() else ()
        keys.append(tuple(map(key_of[one.repeat], several)))
        for i, name in enumerate(keys[-1]):
            places.setdefault(name, (one, i))
    return Docket(judgments, keys, Requests(write, places))


def to_ask(
    judge: Judge,
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    orders: Sequence[Order] = BOTH,
    repeats: int = 1,
    model: Model | None = None,
) -> Docket:
    """What a judge that is a language model is asked for two contenders, turn by turn.

    Raises UsageError where a response is missing.
    """
    every = judgments_of(judge, prompts, responses_a, responses_b, orders, repeats)
    return docket(judge, tuple(every), model)


def judgments_of(
    judge: Judge,
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    orders: Sequence[Order],
    repeats: int,
) -> Iterator[Judgment]:
    """What it is to decide, turn by turn in the order of the prompts.

    A judge that rates answers alone knows no order, and a classifier no repeat. Raises UsageError
    where a response is missing.
    """
    once: Sequence[Order] = ("a",) if judge.rates_alone else orders
    for turn in turns(prompts, responses_a, responses_b):
        for first in once:
            for repeat in range(1 if judge.kind == "reward" else repeats):
                yield Judgment(turn, first, repeat)


def turns(
    prompts: Sequence[Prompt], responses_a: Sequence[Response], responses_b: Sequence[Response]
) -> Iterator[Turn]:
    """Every turn of every prompt. Raises UsageError where a response is missing or too short."""
    of_a = {response.prompt_id: response for response in reversed(responses_a)}
    of_b = {response.prompt_id: response for response in reversed(responses_b)}
    for prompt in prompts:
        for responses, name in ((of_a, _name(responses_a)), (of_b, _name(responses_b))):
            n_turns = len(responses[prompt.id].turns) if prompt.id in responses else 0
            if n_turns < len(prompt.turns):
                raise UsageError(
                    f"`{name}` has {n_turns} of {len(prompt.turns)} turns of prompt `{prompt.id}`",
                    "give responses to these very prompts, or leave the prompt out",
                )
        for turn in range(len(prompt.turns)):
            yield Turn(prompt, turn, of_a[prompt.id], of_b[prompt.id])


def _name(responses: Sequence[Response]) -> str:
    return responses[0].model if responses else "a contender"


def judge_model(judge: Judge) -> Model:
    """The server-side model a judge is asked at. Raises UsageError where it names none."""
    engine, _, name = (judge.model or "").partition(":")
    if name and engine == "openai":
        return Model(name, name, engine="openai")
    if name and engine == "azure":
        return Model(name, name, engine="azure")
    hint = (
        "--judge-model openai:NAME (azure:, anthropic:, gemini:, openrouter: likewise), vllm:ID, "
        "hf:ID, or X:NAME of [servers.X]"
    )
    model = f"`{judge.model}`, which names no server" if judge.model else "no model"
    raise UsageError(f"judge `{judge.name}` has {model}", hint)


def request_of(judge: Judge, messages: Messages, model: Model | None, repeat: int = 0) -> Request:
    """How a judge is asked with these messages. model: by default the server's that it names."""
    at = model or judge_model(judge)
    most = judge.max_tokens + (judge.thoughts or 0) * (at.engine == "local")
    sampling = Sampling(judge.temperature, max_tokens=most)
    return Request(at, messages, (), sampling, repeat, judge.top_logprobs, ROOM)


def reply_key(request: Request, left_out: Sequence[str] = ()) -> str:
    """What a reply is stored under: answers to other parameters are other replies."""
    opening, ending = _around(request)
    return key(*opening, request.messages, *ending, *([left_out] if left_out else ()))


def _keys_in(request: Request, dialects: Iterable[Sequence[str]]) -> Iterator[str]:
    """`reply_key` in each dialect, the messages written and hashed once."""
    opening, ending = _around(request)
    opened = Opening(*opening, request.messages, *ending)
    return (opened.key(one) if one else reply_key(request) for one in dialects)


def keys_beside(request: Request) -> Callable[[Messages], str]:
    """`reply_key` of requests that differ from this one in their messages alone.

    What all their keys have in common is written and hashed once.
    """
    opening, ending = _around(request)
    parts = written((*opening, _MESSAGES, *ending))
    before, _, behind = parts.partition(written(_MESSAGES))
    opened, end = sha256(_bytes(before)), _bytes(behind)

    def key_of(messages: Messages) -> str:
        *before, last = messages
        each = ", ".join([*(_repeated(*one) for one in before), _message(*last)])
        whole = opened.copy()
        whole.update(_bytes(f"[{each}]"))
        whole.update(end)
        return whole.hexdigest()

    return key_of


def _message(role: str, text: str) -> str:
    return f"[{written(role)}, {written(text)}]"


_repeated = lru_cache(maxsize=64)(_message)  # what stands before the last is mostly the same


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _around(request: Request) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What stands before the messages in a reply's key, and what behind them."""
    model = request.model
    # At OpenAI's own address the name alone: so it was before addresses counted.
    who = model.base if is_default(model) or not model.fingerprint else model.fingerprint
    wanted = [request.top_logprobs] if request.top_logprobs else ()
    return ("reply", who), (request.sampling, request.sample, *wanted)


def stored_replies(
    judge: Judge,
    requests: Mapping[str, Request],
    ledger: Ledger,
    retry_unparsed: bool = False,
    from_earlier: bool = True,
) -> dict[str, Reply]:
    """The replies that the ledger holds; under retry_unparsed, those with a verdict alone.

    from_earlier: earlier versions' too, which a run that goes on right now cannot have stored.
    """
    replies = recall(requests, ledger, ledger.replies, _keys_in, from_earlier)
    if not retry_unparsed:
        return replies
    return {k: reply for k, reply in replies.items() if read_reply(reply, judge).reason is None}


def conversations(judge: Judge, turn: Turn, first: Order) -> tuple[Messages, ...]:
    """What a judgment is asked with: one conversation, or one for each answer that is rated."""
    if judge.kind == "reward":
        each = (turn.a, turn.b)
        return tuple(reward.conversation(turn.prompt, turn.turn, response) for response in each)
    if judge.kind == "single":
        return tuple(
            render_single(judge, turn.prompt, turn.turn, response) for response in (turn.a, turn.b)
        )
    return (render(judge, turn.prompt, turn.turn, turn.a, turn.b, first),)
