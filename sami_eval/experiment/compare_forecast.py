"""What a comparison would ask and cost at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sami_eval.core.types import Prompt, Usage
from sami_eval.experiment.compare_plan import ComparePlan, answered
from sami_eval.experiment.forecast import Bound, Forecast, bound_of, bound_of_tokens
from sami_eval.experiment.plan import models_of
from sami_eval.generate.contenders import Contender, games
from sami_eval.generate.expected import Foreseen, expected
from sami_eval.generate.seen import warnings
from sami_eval.judge import stored_replies, to_ask
from sami_eval.judge.seats import Seat
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import most_tokens, total

SCHEMA: Final = "sami-eval/forecast/1"
FIELDS: Final = (
    *("name", "model", "what", "base", "address", "calls", "stored"),
    *("prompt_tokens", "completion_tokens", "cost_usd"),
)


def foresee(plan: ComparePlan, sides: Sequence[Contender], ledger: Ledger) -> Forecast:
    """What a comparison that starts now does at most."""
    each = models_of(sides)
    answers = expected(plan.prompts, each, plan.generate, ledger)
    prompts = answered(plan.prompts, answers.responses)
    contenders = [
        bound_of(model, answers.missing[model.name], answers.n_stored[model.name], plan.client)
        for model in each
    ]
    judges = [_judging(seat, plan, prompts, sides, answers, ledger) for seat in plan.seats]
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
    )


def _recipes_base(plan: ComparePlan) -> str | None:
    """The base of recipes, where a contender stands on it."""
    return plan.base.named if plan.base.base in {m.base for m in models_of(plan.sides)} else None


def _judging(
    seat: Seat,
    plan: ComparePlan,
    prompts: Sequence[Prompt],
    sides: Sequence[Contender],
    answers: Foreseen,
    ledger: Ledger,
) -> Bound:
    """What one judge has yet to say on all pairs; a program says it for nothing."""
    judge, at = seat.judge, seat.at
    if at is None:
        return Bound(judge.name, None, "a program, no calls", None, None, 0, 0, Usage(), 0.0)
    seen: set[str] = set()
    calls, most = 0, Usage()
    for a, b in (game for pair in plan.pairs(sides) for game in games(*pair)):
        requests = to_ask(
            judge,
            prompts,
            answers.responses[a.name],
            answers.responses[b.name],
            plan.orders,
            plan.settings.repeats,
            at,
        ).requests
        new = {name: request for name, request in requests.items() if name not in seen}
        stored = stored_replies(judge, new, ledger, plan.settings.retry_unparsed)
        missing = [request for name, request in new.items() if name not in stored]
        calls, most = calls + len(missing), total([most, *map(most_tokens, missing)])
        seen.update(new)
    found = bound_of_tokens(at, calls, most, len(seen) - calls, plan.client)
    return replace(found, name=judge.name, what=at.named)
