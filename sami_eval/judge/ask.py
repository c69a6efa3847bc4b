"""Every judgment of two contenders: from the ledger where it is stored, else asked."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sami_eval import client, wire
from sami_eval.calls import Reply, Request, Sampling
from sami_eval.chat import Messages
from sami_eval.errors import UsageError
from sami_eval.judge.local import complete_here
from sami_eval.judge.rendering import render, render_single
from sami_eval.judge.verdicts import Reading, read_reply
from sami_eval.leases import share
from sami_eval.progress import Progress
from sami_eval.store import Ledger, key
from sami_eval.types import Judge, Model, Order, Prompt, Response, Usage, Verdict, Winner

IDENTICAL = "identical responses, not asked"
BOTH: tuple[Order, ...] = ("a", "b")
_NO_ARGUMENTS: Mapping[str, str] = {}
_SWAPPED: Mapping[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn of one prompt, answered by both."""

    prompt: Prompt
    turn: int
    a: Response
    b: Response

    def identical(self) -> bool:
        return self.a.turns[: self.turn + 1] == self.b.turns[: self.turn + 1]


@dataclass(frozen=True, slots=True)
class _Judgment:
    """A turn in one order; keys of the replies that decide it, none where nothing is asked."""

    turn: _Turn
    first: Order
    repeat: int
    keys: tuple[str, ...]


def judge_model(judge: Judge) -> Model:
    """The server-side model a judge is asked at. Raises UsageError where it names none."""
    engine, _, name = (judge.model or "").partition(":")
    if name and engine == "openai":
        return Model(name, name, engine="openai")
    if name and engine == "azure":
        return Model(name, name, engine="azure")
    asked = f"`{judge.model}`" if judge.model else "no model"
    hint = "--judge-model openai:NAME, azure:DEPLOYMENT, vllm:ID or hf:ID"
    raise UsageError(f"judge `{judge.name}` has {asked}", hint)


def judge_all(
    judge: Judge,
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    orders: Sequence[Order] = BOTH,
    repeats: int = 1,
    *,
    ledger: Ledger,
    settings: client.ClientSettings,
    progress: Progress,
    retry_unparsed: bool = False,
    model: Model | None = None,
    arguments: Mapping[str, str] = _NO_ARGUMENTS,
) -> list[Verdict]:
    """One verdict a turn, order and repeat, in the order of the prompts.

    model: what the judge is asked at; its server-side model by default. A local one is run in
        this process, by the engine that judge.model names and with these arguments.

    Identical responses are a tie without a call. What the ledger holds is not asked again, save
    replies without a verdict under retry_unparsed. A rules judge is asked once an order; a
    single-answer judge knows no order, so its verdicts all say first = "a".
    Raises UsageError where a response is missing or has too few turns.
    """
    turns = list(_turns(prompts, responses_a, responses_b))
    if judge.kind == "rules":
        return [_by_rules(judge, turn, first) for turn in turns for first in orders]
    asked: dict[str, Request] = {}
    once: Sequence[Order] = ("a",) if judge.kind == "single" else orders
    judgments = [
        _Judgment(turn, first, repeat, tuple(_keys(judge, turn, first, repeat, asked, model)))
        for turn in turns
        for first in once
        for repeat in range(repeats)
    ]

    def stored(keys: Iterable[str]) -> dict[str, Reply]:
        return _stored(judge, _recall({k: asked[k] for k in keys}, ledger), retry_unparsed)

    replies = stored(asked)
    missing = [k for k in asked if k not in replies]
    fresh: dict[str, Reply] = {}

    def work(keys: Sequence[str]) -> None:
        requests = {k: asked[k] for k in keys}
        fresh.update(_ask(judge, requests, ledger, settings, progress, arguments))

    share(missing, stored, work, ledger, progress)
    replies |= stored(missing) | fresh
    return [_verdict(judge, judgment, replies, fresh.keys()) for judgment in judgments]


def _turns(
    prompts: Sequence[Prompt], responses_a: Sequence[Response], responses_b: Sequence[Response]
) -> Iterator[_Turn]:
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
            yield _Turn(prompt, turn, of_a[prompt.id], of_b[prompt.id])


def _name(responses: Sequence[Response]) -> str:
    return responses[0].model if responses else "a contender"


def _keys(
    judge: Judge,
    turn: _Turn,
    first: Order,
    repeat: int,
    asked: dict[str, Request],
    model: Model | None,
) -> Iterator[str]:
    """Keys of the replies one judgment needs; their requests are put into `asked`.

    The messages hold the order, so a comparison turned round finds the same replies.
    """
    if turn.identical():
        return
    model = model or judge_model(judge)
    sampling = Sampling(judge.temperature, max_tokens=judge.max_tokens)
    for messages in _conversations(judge, turn, first):
        request = Request(model, messages, (), sampling, repeat)
        name = reply_key(request)
        asked.setdefault(name, request)
        yield name


def reply_key(request: Request, left_out: Sequence[str] = ()) -> str:
    """What a reply is stored under: answers to other parameters are other replies."""
    model = request.model
    who = model.fingerprint if model.engine == "local" else model.base
    facts = (who, request.messages, request.sampling, request.sample)
    return key("reply", *facts, left_out) if left_out else key("reply", *facts)


def _recall(asked: Mapping[str, Request], ledger: Ledger) -> dict[str, Reply]:
    """The stored replies: to the request as it stands, else without what a server refused."""
    replies = ledger.replies(asked)
    others = {
        reply_key(request, left_out): k
        for k, request in asked.items()
        if k not in replies
        for left_out in wire.dialects(request.sampling)
    }
    stored = ledger.replies(others)
    for other in others:
        if other in stored:
            replies.setdefault(others[other], stored[other])
    return replies


def _conversations(judge: Judge, turn: _Turn, first: Order) -> tuple[Messages, ...]:
    if judge.kind == "single":
        return tuple(
            render_single(judge, turn.prompt, turn.turn, response) for response in (turn.a, turn.b)
        )
    return (render(judge, turn.prompt, turn.turn, turn.a, turn.b, first),)


def _stored(judge: Judge, replies: Mapping[str, Reply], retry_unparsed: bool) -> dict[str, Reply]:
    if not retry_unparsed:
        return dict(replies)
    return {k: reply for k, reply in replies.items() if read_reply(reply, judge).reason is None}


def _ask(
    judge: Judge,
    missing: Mapping[str, Request],
    ledger: Ledger,
    settings: client.ClientSettings,
    progress: Progress,
    arguments: Mapping[str, str],
) -> dict[str, Reply]:
    """Replies to what is missing, each stored the moment it arrives; a failed call is not kept."""
    keys = list(missing)
    if missing and missing[keys[0]].model.engine == "local":
        engine = (judge.model or "").partition(":")[0]
        requests = list(missing.values())
        local = complete_here(requests, engine, arguments, ledger, progress)
        ledger.add_replies(zip(keys, [judge.name] * len(keys), local, strict=True))
        return dict(zip(keys, local, strict=True))
    replies: dict[str, Reply] = {}
    with progress.track("judging", len(keys), settings.limits.budget.note) as advance:

        def keep(position: int, reply: Reply) -> None:
            if not client.is_api_failure(reply):
                name = reply_key(missing[keys[position]], reply.left_out)
                ledger.add_replies([(name, judge.name, reply)])
            replies[keys[position]] = reply
            advance(1)

        client.complete_all(list(missing.values()), settings, keep, progress)
    return replies


def _verdict(
    judge: Judge, judgment: _Judgment, replies: Mapping[str, Reply], fresh: Container[str]
) -> Verdict:
    turn, needed = judgment.turn, [replies[k] for k in judgment.keys]
    winner, score, reason = _decide(judgment.first, [read_reply(r, judge) for r in needed])
    return Verdict(
        turn.prompt.id,
        turn.turn,
        judge.name,
        turn.a.model,
        turn.b.model,
        judgment.first,
        judgment.repeat,
        winner,
        score,
        reason,
        text="\n\n".join(reply.text for reply in needed) if needed else IDENTICAL,
        model_reported=needed[0].model_reported if needed else None,
        usage=_sum([reply.usage for reply in needed if reply.usage is not None]),
        from_ledger=bool(needed) and not any(k in fresh for k in judgment.keys),
    )


def _decide(
    first: Order, readings: Sequence[Reading]
) -> tuple[Winner | None, float | None, str | None]:
    """Winner, score and reason: no reading is a tie, one a comparison, two are ratings."""
    if not readings:
        return "tie", None, None
    if len(readings) == 1:
        winner = readings[0].winner
        if winner is not None and first == "b":
            winner = _SWAPPED[winner]
        return winner, None, readings[0].reason
    of_a, of_b = (reading.rating for reading in readings)
    if of_a is None or of_b is None:
        return None, None, next(r.reason for r in readings if r.reason)
    return "a" if of_a > of_b else "b" if of_b > of_a else "tie", of_a - of_b, None


def _sum(usages: Sequence[Usage]) -> Usage | None:
    if not usages:
        return None
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
    )


def _by_rules(judge: Judge, turn: _Turn, first: Order) -> Verdict:
    from sami_eval.embedded import rules

    winner, why = rules.compare(turn.prompt, turn.turn, turn.a, turn.b)
    names = judge.name, turn.a.model, turn.b.model
    return Verdict(turn.prompt.id, turn.turn, *names, first, 0, winner, text=why)
