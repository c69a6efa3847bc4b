"""What a comparison would ask and cost, probably and at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sami_eval.core.calls import Completion, Reply, Request
from sami_eval.core.types import SERVED, Model, Prompt, Response, Usage
from sami_eval.experiment.compare_plan import ComparePlan, answered
from sami_eval.experiment.forecast import EXPECTED, Bound, Forecast, bound_of, counted
from sami_eval.experiment.likely import (
    BYTES_A_TOKEN,
    Length,
    filler,
    of_completions,
    of_replies,
    of_responses,
    of_texts,
)
from sami_eval.experiment.plan import models_of
from sami_eval.generate.contenders import Contender, games
from sami_eval.generate.expected import Foreseen, expected
from sami_eval.generate.seen import warnings
from sami_eval.judge import request_of, sizes, stored_replies, to_ask
from sami_eval.judge.seats import Seat
from sami_eval.ledger.jobs import Jobs
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import BYTES_A_TOKEN as MOST_BYTES_A_TOKEN
from sami_eval.server.budget import TOKENS_A_MESSAGE
from sami_eval.server.dialect import as_paid

SCHEMA: Final = "sami-eval/forecast/1"
FIELDS: Final = (
    *("name", "model", "what", "base", "address", "calls", "stored"),
    *("prompt_tokens", "completion_tokens", "cost_usd"),
    *EXPECTED,
)
Answers = Mapping[str, Sequence[Response]]  # by model name
# Prompts of which all pairs are looked at together: what is done to an answer before a judge sees
# it is then done once, and remembered for all that it meets.
AT_ONCE = 50


def foresee(plan: ComparePlan, sides: Sequence[Contender], ledger: Ledger) -> Forecast:
    """What a comparison that starts now does at most."""
    each = models_of(sides)
    answers = expected(plan.prompts, each, plan.generate, ledger)
    lengths = {model.name: _length(model, each, answers) for model in each}

    def likely(name: str, request: Request) -> Completion:
        return filler(name, request, lengths[request.model.name])

    probable = answers
    if any(answers.missing.values()):
        probable = expected(plan.prompts, each, plan.generate, ledger, likely)
    prompts = answered(plan.prompts, answers.responses)
    contenders = [
        bound_of(
            model,
            answers.missing[model.name],
            len(answers.stored[model.name]),
            plan.client,
            lengths[model.name],
            probable.missing[model.name],
        )
        for model in each
    ]
    both = answers.responses, probable.responses
    rests_on = [lengths[model.name].said for model in each if answers.missing[model.name]]
    judges = [_judging(seat, plan, prompts, sides, both, ledger, rests_on) for seat in plan.seats]
    n_turns = sum(len(prompt.turns) for prompt in prompts)
    shown = "shown" if plan.principles_shown else "not shown"
    return Forecast(
        (
            ("task", f"{plan.task}: {len(prompts)} questions, {n_turns} turns"),
            ("questions", f"of {plan.source}"),
            ("principles", f"{shown} to the contenders"),
            ("answers", f"of up to {plan.generate.max_tokens:,} tokens a turn"),
        ),
        {"contenders": tuple(contenders), "judges": tuple(judges)},
        {"contenders": "answers", "judges": "calls"},
        {
            "schema": SCHEMA,
            "task": plan.task,
            "questions": plan.source,
            "embedded": plan.embedded,
            "base": _recipes_base(plan),
            "max_tokens": plan.generate.max_tokens,
            "n_questions": len(prompts),
            "n_turns": n_turns,
            "principles_shown": plan.principles_shown,
        },
        FIELDS,
        plan.settings.max_cost,
        (*plan.notes, *warnings(each, plan.prompts)),
        plan.settings.rpm,
        plan.settings.tpm,
    )


def _recipes_base(plan: ComparePlan) -> str | None:
    """The base of recipes, where a contender stands on it."""
    return plan.base.named if plan.base.base in {m.base for m in models_of(plan.sides)} else None


def _length(model: Model, each: Sequence[Model], answers: Foreseen) -> Length:
    """How long a contender's answers probably are: as its own, else as all that are there."""
    own = of_completions(answers.stored[model.name])
    others = (  # counted only where it has none of its own
        count
        for other in each
        for count in (
            of_responses(answers.responses[other.name])
            if other.engine == "recorded"
            else of_completions(answers.stored[other.name])
        )
    )
    return of_texts("answer", own, others)


def _judging(
    seat: Seat,
    plan: ComparePlan,
    prompts: Sequence[Prompt],
    sides: Sequence[Contender],
    both: tuple[Answers, Answers],
    ledger: Ledger,
    rests_on: Sequence[str],
) -> Bound:
    """What one judge has yet to say on all pairs; a program says it for nothing.

    both: the answers as long as they can be, and as they probably are, which rests on lengths.
    """
    judge, at = seat.judge, seat.at
    if at is None:
        return Bound(judge.name, None, "a program, no calls", None, None, 0, 0, Usage(), 0.0)
    longest, probable = both
    if not ledger.has_replies() and not Jobs(ledger.path, read_only=True).hold_any():
        return _unasked(seat, at, plan, prompts, sides, both, rests_on)
    missing, replies = _unjudged(seat, at, plan, prompts, sides, longest, ledger)
    likely = paid = as_paid(ledger, missing)
    if probable is not longest:
        likely = as_paid(ledger, _unjudged(seat, at, plan, prompts, sides, probable, ledger)[0])
    length = of_texts("reply", of_replies(replies))
    found = bound_of(at, paid, len(replies), plan.client, length, likely, missing)
    said = tuple(dict.fromkeys((*found.lengths, *(rests_on if found.lengths else ()))))
    return replace(found, name=judge.name, what=at.named, lengths=said)


def _unasked(
    seat: Seat,
    at: Model,
    plan: ComparePlan,
    prompts: Sequence[Prompt],
    sides: Sequence[Contender],
    both: tuple[Answers, Answers],
    rests_on: Sequence[str],
) -> Bound:
    """The same over a ledger that holds no reply: all is missing, so it is measured alone."""
    judge, request = seat.judge, request_of(seat.judge, (), at)
    met = [(a.name, b.name) for pair in plan.pairs(sides) for a, b in games(*pair)]
    limit, length = request.sampling.max_tokens, of_texts("reply")

    def read(answers: Answers) -> tuple[int, int, int]:
        """Calls, and the tokens of their prompts at most and probably."""
        n = most = likely = 0
        for each in sizes(judge, prompts, answers, met, plan.orders, plan.settings.repeats):
            n += 1
            most += sum(TOKENS_A_MESSAGE + -(-size // MOST_BYTES_A_TOKEN) for size in each)
            likely += sum(TOKENS_A_MESSAGE + -(-size // BYTES_A_TOKEN) for size in each)
        return n, most, likely

    longest, probable = both
    n, tokens, tokens_likely = read(longest)
    if probable is not longest:
        _, _, tokens_likely = read(probable)
    most = Usage(tokens, n * (limit + (at.thoughts or 0)))
    likely = Usage(tokens_likely, n * min(limit, round(length.tokens)))
    if at.engine not in SERVED:
        likely = Usage()
    found = counted(at, n, most, likely, 0, plan.client, length, limit)
    said = tuple(dict.fromkeys((*found.lengths, *(rests_on if found.lengths else ()))))
    return replace(found, name=judge.name, what=at.named, lengths=said)


def _unjudged(
    seat: Seat,
    at: Model,
    plan: ComparePlan,
    prompts: Sequence[Prompt],
    sides: Sequence[Contender],
    answers: Answers,
    ledger: Ledger,
) -> tuple[list[Request], list[Reply]]:
    """What a judge has yet to be asked, and the replies that are stored."""
    missing: dict[str, Request] = {}
    stored: dict[str, Reply] = {}
    again = plan.settings.retry_unparsed
    met = [game for pair in plan.pairs(sides) for game in games(*pair)]
    for first in range(0, len(prompts), AT_ONCE):
        some = prompts[first : first + AT_ONCE]
        for a, b in met:
            of_pair = answers[a.name], answers[b.name]
            docket = to_ask(seat.judge, some, *of_pair, plan.orders, plan.settings.repeats, at)
            asked = dict(docket.requests)  # each written once
            found = stored_replies(seat.judge, asked, ledger, again)
            stored |= found
            missing |= {name: one for name, one in asked.items() if name not in found}
    return list(missing.values()), list(stored.values())
