"""Every judgment of two contenders: from the ledger where it is stored, else asked."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sami_eval.core.calls import Reply, Request
from sami_eval.core.progress import Progress
from sami_eval.core.thoughts import parted
from sami_eval.core.types import Judge, Model, Order, Prompt, Response, Usage, Verdict, Winner
from sami_eval.generate.tools import Tools
from sami_eval.judge import program
from sami_eval.judge.local import ENGINES, complete_here
from sami_eval.judge.requests import (
    BOTH,
    Judgment,
    Turn,
    reply_key,
    request_of,
    stored_replies,
    to_ask,
    turns,
)
from sami_eval.judge.reward import Scorer, conversation, score_here
from sami_eval.judge.verdicts import Reading, read_reply
from sami_eval.ledger.leases import Claim, share
from sami_eval.server import client, dialect
from sami_eval.server.attempt import learn
from sami_eval.server.budget import total

if TYPE_CHECKING:
    from sami_eval.generate import Engines

IDENTICAL = "identical responses, not asked"
NO_ANSWER = "no answer on either side"
BETWEEN = "\n\n* * *\n\n"  # the words on a and those on b, where each was rated on its own


@dataclass(slots=True)
class Counted:
    """Replies asked for in this run, with their usage, and those the ledger held, by their keys.

    failed: calls that were never answered.
    """

    made: dict[str, Usage | None] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def add(self, replies: Mapping[str, Reply], fresh: Mapping[str, Reply]) -> None:
        """Count the replies to one pair; those that are fresh were asked for just now."""
        self.made |= {k: r.usage for k, r in fresh.items() if not client.is_api_failure(r)}
        self.failed |= {k for k, r in fresh.items() if client.is_api_failure(r)}
        self.stored |= replies.keys() - fresh.keys() - self.made.keys()

    @property
    def tokens(self) -> Usage:
        """What the calls of this run took, as far as it was reported."""
        return total(usage for usage in self.made.values() if usage is not None)


def judge_all(
    judge: Judge,
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    orders: Sequence[Order] = BOTH,
    repeats: int = 1,
    *,
    tools: Tools,
    retry_unparsed: bool = False,
    model: Model | None = None,
    engines: Engines | Scorer | None = None,
    counted: Counted | None = None,
) -> list[Verdict]:
    """One verdict a turn, order and repeat, in the order of the prompts.

    model: what the judge is asked at; its server-side model by default. A local one is run in
        this process, by the engine that judge.model names.
    engines: to keep a local judge loaded between calls; without them it is loaded for this one.
    counted: is told which replies were asked for and which were stored.

    Identical responses are a tie without a call. What the ledger holds is not asked again, save
    replies without a verdict under retry_unparsed. A program is asked once an order; a judge that
    rates each answer alone knows no order, so its verdicts all say first = "a".
    Raises UsageError where a response is missing or has too few turns.
    """
    if judge.kind == "program":
        every = turns(prompts, responses_a, responses_b)
        return [_by_program(judge, turn, first) for turn in every for first in orders]
    docket = to_ask(judge, prompts, responses_a, responses_b, orders, repeats, model)
    replies, fresh = _replies(judge, docket.requests, tools, retry_unparsed, engines)
    if counted is not None:
        counted.add(replies, fresh)
    return [_verdict(judge, judgment, replies, fresh.keys()) for judgment in docket.judgments]


def rate_all(
    judge: Judge,
    answers: Sequence[tuple[Prompt, Response]],
    *,
    tools: Tools,
    model: Model | None,
    engines: Engines | Scorer | None = None,
    counted: Counted | None = None,
) -> list[float | None]:
    """What a reward judge scores each answer, None where it gives no score; under a verdict's key.

    A compared answer is scored under the same key: neither is scored again for the other.
    """
    asked = [
        request_of(judge, conversation(prompt, len(response.turns) - 1, response), model)
        for prompt, response in answers
    ]
    keys = list(map(reply_key, asked))
    replies, fresh = _replies(judge, dict(zip(keys, asked, strict=True)), tools, False, engines)
    if counted is not None:
        counted.add(replies, fresh)
    found = {k: read_reply(reply, judge).rating for k, reply in replies.items()}
    return [found[k] for k in keys]


def _replies(
    judge: Judge,
    requests: Mapping[str, Request],
    tools: Tools,
    retry_unparsed: bool,
    engines: Engines | Scorer | None,
) -> tuple[dict[str, Reply], dict[str, Reply]]:
    """Every reply by its key, and those of them that were asked for just now."""

    def stored(keys: Iterable[str]) -> dict[str, Reply]:
        return stored_replies(judge, {k: requests[k] for k in keys}, tools.ledger, retry_unparsed)

    replies = stored(requests)
    missing = [k for k in requests if k not in replies]
    fresh: dict[str, Reply] = {}

    def unparsed(k: str) -> bool:
        return retry_unparsed and not stored([k])

    def work(keys: Claim) -> None:
        these = {k: requests[k] for k in keys}
        if any(request.model.engine == "local" for request in these.values()):
            fresh.update(_ask_here(judge, these, tools, engines, unparsed))
        else:
            fresh.update(_ask_servers(judge, these, tools, keys.holds, unparsed))

    share(missing, stored, work, tools.ledger, tools.progress)
    # What another run has stored in the meantime stays, and counts.
    return replies | fresh | stored(missing), fresh


def engines_of(judge: Judge, arguments: Mapping[str, str], progress: Progress) -> Engines | Scorer:
    """What a judge in this process runs in; nothing is loaded before the first call.

    arguments: of the engine that judge.model names.
    """
    from sami_eval.generate import EngineChoice, Engines

    if judge.kind == "reward":
        return Scorer(arguments)
    engine = (judge.model or "").partition(":")[0]
    choice = EngineChoice(engine, arguments) if engine in ENGINES else EngineChoice()
    return Engines(choice, progress)


def _ask_here(
    judge: Judge,
    missing: Mapping[str, Request],
    tools: Tools,
    engines: Engines | Scorer | None,
    unparsed: Callable[[str], bool],
) -> dict[str, Reply]:
    """Replies of a judge in this process to what is missing.

    unparsed: whether a key's may take the place of a stored one, which gives no verdict.
    """
    with ExitStack() as opened:
        loaded = engines
        if loaded is None:
            loaded = engines_of(judge, {}, tools.progress)
            opened.enter_context(loaded)
        if isinstance(loaded, Scorer):
            return score_here(judge, missing, tools, loaded, unparsed)
        said = complete_here(list(missing.values()), loaded, tools.ledger, tools.progress)
    replies = dict(zip(missing, said, strict=True))
    for k, reply in replies.items():
        tools.ledger.add_replies([(k, judge.name, reply)], replace=unparsed(k))
    return replies


def _ask_servers(
    judge: Judge,
    missing: Mapping[str, Request],
    tools: Tools,
    is_ours: Callable[[str], bool],
    unparsed: Callable[[str], bool],
) -> dict[str, Reply]:
    """Replies to what is missing, each stored the moment it arrives; a failed call is not kept.

    is_ours: whether a key is still this run's to ask for. unparsed: as `_ask_here` has it.
    """
    keys, ledger = list(missing), tools.ledger
    asked = (request.model for request in missing.values())
    for model, room in dialect.known_to_think(ledger, asked).items():
        learn(tools.client, model, room)
    replies: dict[str, Reply] = {}
    with tools.progress.track("judging", len(keys), tools.client.limits.budget.note) as advance:

        def keep(position: int, reply: Reply) -> None:
            if not client.is_api_failure(reply):
                request = missing[keys[position]]
                name = reply_key(request, reply.left_out)
                again = unparsed(keys[position])
                ledger.add_replies([(name, judge.name, reply)], replace=again)
                dialect.note(ledger, request.model, reply.left_out)
            replies[keys[position]] = reply
            advance(1)

        def wanted(position: int) -> bool:
            return is_ours(keys[position])

        client.complete_all(list(missing.values()), tools.client, keep, tools.progress, wanted)
    return replies


def _verdict(
    judge: Judge, judgment: Judgment, replies: Mapping[str, Reply], fresh: Container[str]
) -> Verdict:
    turn, needed = judgment.turn, [replies[k] for k in judgment.keys]
    if not turn.answered():
        return _nothing(judge, turn, judgment.first, judgment.repeat)
    readings = [read_reply(reply, judge) for reply in needed]
    winner, score, reason = _decide(judgment.first, readings)
    said = [parted(reply.text) for reply in needed]
    thought = [_thoughts(*each) for each in zip(needed, said, strict=True)]
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
        text=BETWEEN.join(words for words, _ in said) if needed else IDENTICAL,
        model_reported=needed[0].model_reported if needed else None,
        usage=_sum([reply.usage for reply in needed if reply.usage is not None]),
        from_ledger=bool(needed) and not any(k in fresh for k in judgment.keys),
        ratings=(readings[0].rating, readings[1].rating) if len(readings) == 2 else None,
        grade=readings[0].grade if len(readings) == 1 else None,
        thoughts=BETWEEN.join(thought) if any(thought) else "",
    )


def _thoughts(reply: Reply, parts: tuple[str, str]) -> str:
    """What was handed over beside the words, and what stood between tags in them."""
    return "\n\n".join(filter(None, (reply.thoughts, parts[1])))


def _nothing(judge: Judge, turn: Turn, first: Order, repeat: int = 0) -> Verdict:
    """No verdict, where neither has answered: a tie of two silences would pull to 50%."""
    names = judge.name, turn.a.model, turn.b.model
    place = turn.prompt.id, turn.turn
    return Verdict(*place, *names, first, repeat, None, reason=NO_ANSWER, text=IDENTICAL)


def read_in_words(judge: Judge, verdicts: Iterable[Verdict]) -> int:
    """How many verdicts of a judge of probabilities had to be read in its words instead."""
    reasons = (None, "no verdict") if judge.max_tokens == 1 else (None,)
    mine = [v for v in verdicts if judge.tokens and v.judge == judge.name and v.text != IDENTICAL]
    # A tie in words has no token of its own.
    return sum(v.score is None and v.reason in reasons and v.winner != "tie" for v in mine)


def _decide(
    first: Order, readings: Sequence[Reading]
) -> tuple[Winner | None, float | None, str | None]:
    """Winner, score and reason: no reading is a tie, one a comparison, two are ratings."""
    if not readings:
        return "tie", None, None
    if len(readings) == 1:
        winner, score = readings[0].winner, readings[0].score
        if first == "b":
            winner = winner and program.SWAPPED[winner]
            score = None if score is None else 1 - score
        return winner, score, readings[0].reason
    of_a, of_b = (reading.rating for reading in readings)
    if of_a is None or of_b is None:
        return None, None, next(r.reason for r in readings if r.reason)
    return "a" if of_a > of_b else "b" if of_b > of_a else "tie", of_a - of_b, None


def _sum(usages: Sequence[Usage]) -> Usage | None:
    return total(usages) if usages else None


def _by_program(judge: Judge, turn: Turn, first: Order) -> Verdict:
    if not turn.answered():
        return _nothing(judge, turn, first)
    return program.verdict(judge, turn, first)
