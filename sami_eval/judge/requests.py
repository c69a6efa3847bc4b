"""What a judge must be asked for a comparison, and which of it the ledger holds already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Model, Order, Prompt, Response
from sami_eval.data.chat import Messages
from sami_eval.judge import reward
from sami_eval.judge.rendering import render, render_single
from sami_eval.judge.verdicts import read_reply
from sami_eval.ledger.store import Ledger, key
from sami_eval.server.dialect import recall
from sami_eval.server.endpoint import is_default

BOTH: tuple[Order, ...] = ("a", "b")
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
        return any(one.turns[self.turn].strip() for one in (self.a, self.b))

    def identical(self) -> bool:
        """Whether both said the same up to here: a tie, and nothing to ask."""
        return self.a.turns[: self.turn + 1] == self.b.turns[: self.turn + 1]


@dataclass(frozen=True, slots=True)
class Judgment:
    """A turn in one order; keys of the replies that decide it, none where nothing is asked."""

    turn: Turn
    first: Order
    repeat: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Docket:
    """All that a judge is to decide on two contenders, and the requests that takes, by key."""

    judgments: tuple[Judgment, ...]
    requests: Mapping[str, Request]


def to_ask(
    judge: Judge,
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    orders: Sequence[Order] = BOTH,
    repeats: int = 1,
    model: Model | None = None,
) -> Docket:
    """What a judge that is a language model is asked, turn by turn in the order of the prompts.

    A judge that rates answers alone knows no order, and a classifier no repeat. Raises UsageError
    where a response is missing.
    """
    requests: dict[str, Request] = {}
    once: Sequence[Order] = ("a",) if judge.rates_alone else orders
    judgments = tuple(
        Judgment(turn, first, repeat, tuple(_keys(judge, turn, first, repeat, requests, model)))
        for turn in turns(prompts, responses_a, responses_b)
        for first in once
        for repeat in range(1 if judge.kind == "reward" else repeats)
    )
    return Docket(judgments, requests)


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
    asked = f"`{judge.model}`" if judge.model else "no model"
    hint = (
        "--judge-model openai:NAME (azure:, anthropic:, gemini:, openrouter: likewise), vllm:ID, "
        "hf:ID, or X:NAME of [servers.X]"
    )
    raise UsageError(f"judge `{judge.name}` has {asked}", hint)


def _keys(
    judge: Judge,
    turn: Turn,
    first: Order,
    repeat: int,
    requests: dict[str, Request],
    model: Model | None,
) -> Iterator[str]:
    """Keys of the replies one judgment needs; their requests are put into `requests`.

    The messages hold the order, so a comparison turned round finds the same replies.
    """
    if turn.identical() or not turn.answered():
        return
    for messages in conversations(judge, turn, first):
        request = request_of(judge, messages, model, repeat)
        name = reply_key(request)
        requests.setdefault(name, request)
        yield name


def request_of(judge: Judge, messages: Messages, model: Model | None, repeat: int = 0) -> Request:
    """How a judge is asked with these messages. model: by default the server's that it names."""
    at = model or judge_model(judge)
    most = judge.max_tokens + (judge.thoughts or 0) * (at.engine == "local")
    sampling = Sampling(judge.temperature, max_tokens=most)
    return Request(at, messages, (), sampling, repeat, judge.top_logprobs, ROOM)


def reply_key(request: Request, left_out: Sequence[str] = ()) -> str:
    """What a reply is stored under: answers to other parameters are other replies."""
    model = request.model
    # At OpenAI's own address the name alone: so it was before addresses counted.
    who = model.base if is_default(model) or not model.fingerprint else model.fingerprint
    wanted = [request.top_logprobs] if request.top_logprobs else ()
    facts = (who, request.messages, request.sampling, request.sample, *wanted)
    return key("reply", *facts, left_out) if left_out else key("reply", *facts)


def stored_replies(
    judge: Judge, requests: Mapping[str, Request], ledger: Ledger, retry_unparsed: bool = False
) -> dict[str, Reply]:
    """The replies that the ledger holds; under retry_unparsed, those with a verdict alone."""
    replies = recall(requests, ledger, ledger.replies, reply_key, from_earlier=True)
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
