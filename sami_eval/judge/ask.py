"""Every judgment of two contenders: from the ledger where it is stored, else asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from sami_eval.core.calls import Reply, Request
from sami_eval.core.thoughts import parted
from sami_eval.core.types import Judge, Model, Order, Prompt, Response, Usage, Verdict, Winner
from sami_eval.generate.tools import Tools
from sami_eval.judge import program
from sami_eval.judge.replies import BLOCK, replies_to
from sami_eval.judge.requests import (
    BOTH,
    Judgment,
    Requests,
    Turn,
    docket,
    judgments_of,
    reply_key,
    request_of,
    stored_replies,
    turns,
)
from sami_eval.judge.reward import Scorer, conversation
from sami_eval.judge.verdicts import Reading, read_reply
from sami_eval.server import client
from sami_eval.server.budget import total

if TYPE_CHECKING:
    from sami_eval.generate import Engines

Put = Callable[[str], str]
IDENTICAL = "identical responses, not asked"
NO_ANSWER = "no answer on either side"
BETWEEN = "\n\n* * *\n\n"  # the words on a and those on b, where each was rated on its own


@dataclass(slots=True)
class Counted:
    """Replies asked for in this run, with their usage, and those the ledger held, by their keys.

    failed: why, of calls that were never answered.
    """

    made: dict[str, Usage | None] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, replies: Mapping[str, Reply], fresh: Mapping[str, Reply]) -> None:
        """Count the replies to one pair; those that are fresh were asked for just now."""
        self.made |= {k: r.usage for k, r in fresh.items() if not client.is_api_failure(r)}
        self.failed |= {k: r.failure or "" for k, r in fresh.items() if client.is_api_failure(r)}
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
    put: Put = str,
) -> list[Verdict]:
    """One verdict a turn, order and repeat, in the order of the prompts.

    model: what the judge is asked at; its server-side model by default. A local one is run in
        this process, by the engine that judge.model names.
    engines: to keep a local judge loaded between calls; without them it is loaded for this one.
    counted: is told which replies were asked for and which were stored.
    put: what stands for a verdict's words, if they are put aside.

    Identical responses are a tie without a call. What the ledger holds is not asked again, save
    replies without a verdict under retry_unparsed. A program is asked once an order; a judge that
    rates each answer alone knows no order, so its verdicts all say first = "a".
    Raises UsageError where a response is missing or has too few turns.
    """
    if judge.kind == "program":
        every = turns(prompts, responses_a, responses_b)
        return [_by_program(judge, turn, first) for turn in every for first in orders]
    counted = Counted() if counted is None else counted
    ask = _Ask(judge, tools, retry_unparsed, model, engines, counted, put)
    return _judged(ask, judgments_of(judge, prompts, responses_a, responses_b, orders, repeats))


@dataclass(frozen=True, slots=True)
class _Ask:
    """How a judge is asked: as `judge_all` has it."""

    judge: Judge
    tools: Tools
    retry_unparsed: bool
    model: Model | None
    engines: Engines | Scorer | None
    counted: Counted
    put: Put


def _judged(ask: _Ask, every: Iterator[Judgment]) -> list[Verdict]:
    """Of what the ledger holds block by block; then of all that is missing, asked at once."""
    verdicts: list[Verdict | None] = []
    left: dict[int, Judgment] = {}
    known: dict[str, Reply] = {}
    while block := list(islice(every, BLOCK)):
        asked = docket(ask.judge, block, ask.model)
        stored = stored_replies(ask.judge, asked.requests, ask.tools.ledger, ask.retry_unparsed)
        ask.counted.add(stored, {})
        for one, keys in zip(block, asked.keys, strict=True):
            if all(k in stored for k in keys):
                verdicts.append(_verdict(ask, one, [stored[k] for k in keys], bool(keys)))
            else:
                left[len(verdicts)] = one
                known |= {k: stored[k] for k in keys if k in stored}
                verdicts.append(None)
    if left:
        for place, verdict in zip(left, _asked(ask, list(left.values()), known), strict=True):
            verdicts[place] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def _asked(ask: _Ask, left: Sequence[Judgment], known: dict[str, Reply]) -> Iterator[Verdict]:
    """Of judgments of which the ledger lacks a reply. known: replies that it has to some."""
    of = docket(ask.judge, left, ask.model)
    replies, fresh = replies_to(
        ask.judge, of.requests, known, ask.tools, ask.retry_unparsed, ask.engines
    )
    ask.counted.add(replies, fresh)
    for one, keys in zip(left, of.keys, strict=True):
        is_stored = not any(k in fresh for k in keys)
        yield _verdict(ask, one, [replies[k] for k in keys], is_stored)


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
    requests = Requests(_as_it_is, dict(zip(keys, asked, strict=True)))
    known = stored_replies(judge, requests, tools.ledger)
    replies, fresh = replies_to(judge, requests, known, tools, False, engines)
    if counted is not None:
        counted.add(replies, fresh)
    found = {k: read_reply(reply, judge).rating for k, reply in replies.items()}
    return [found[k] for k in keys]


def _as_it_is(request: Request) -> Request:
    return request


def _verdict(ask: _Ask, judgment: Judgment, needed: Sequence[Reply], stored: bool) -> Verdict:
    """What the replies to a judgment say; none where nothing was asked. stored: not just now."""
    judge, turn = ask.judge, judgment.turn
    if not needed and not turn.answered():
        return _nothing(judge, turn, judgment.first, judgment.repeat)
    readings = [read_reply(reply, judge) for reply in needed]
    winner, score, reason = _decide(judgment.first, readings)
    said = [parted(reply.text) for reply in needed]
    thought = [_thoughts(*each) for each in zip(needed, said, strict=True)]
    usages = [reply.usage for reply in needed if reply.usage is not None]
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
        text=ask.put(BETWEEN.join(words for words, _ in said)) if needed else IDENTICAL,
        model_reported=needed[0].model_reported if needed else None,
        usage=total(usages) if len(usages) > 1 else usages[0] if usages else None,
        from_ledger=stored,
        ratings=(readings[0].rating, readings[1].rating) if len(readings) == 2 else None,
        grade=readings[0].grade if len(readings) == 1 else None,
        thoughts=ask.put(BETWEEN.join(thought)) if any(thought) else "",
    )


def _thoughts(reply: Reply, parts: tuple[str, str]) -> str:
    """What was handed over beside the words, and what stood between tags in them."""
    return "\n\n".join(filter(None, (reply.thoughts, parts[1]))) if reply.thoughts else parts[1]


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


def _by_program(judge: Judge, turn: Turn, first: Order) -> Verdict:
    if not turn.answered():
        return _nothing(judge, turn, first)
    return program.verdict(judge, turn, first)
