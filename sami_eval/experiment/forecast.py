"""What a run would do and cost at most: nothing is started, asked or written.

The ledger is taken into account: what it holds is not counted. Where answers are not there yet, the
judges' prompts are counted with answers as long as the token limit allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sami_eval.align.chain import MissingLink, existing
from sami_eval.align.options import preset_name
from sami_eval.core.config import Config, Price
from sami_eval.core.types import SERVED, Model, Usage
from sami_eval.experiment.compare import answered
from sami_eval.experiment.compare_plan import ComparePlan as Plan
from sami_eval.experiment.compare_plan import make_plan
from sami_eval.experiment.plan import resolved
from sami_eval.experiment.settings import CompareSettings
from sami_eval.generate import models, standing
from sami_eval.generate.contenders import Contender, games, pairs
from sami_eval.generate.expected import Foreseen, expected
from sami_eval.generate.seen import warnings
from sami_eval.judge import stored_replies, to_ask
from sami_eval.judge.seats import Seat
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import cost_usd, dollars, most_tokens, total

SCHEMA: Final = "sami-eval/forecast/1"


@dataclass(frozen=True, slots=True)
class Bound:
    """The calls of one model yet to be made, and the most they can take.

    name: the contender, or the judge. model: as its server or folder calls it; None: a program.
    base: what it stands on; None where that is not known. address: of the server it is asked at.
    stored: answers or replies that the ledger, or a record, holds.
    cost_usd: 0 where nothing is paid for; None where a price is not known.
    """

    name: str
    model: str | None
    what: str
    base: str | None
    address: str | None
    calls: int
    stored: int
    most: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run that starts now does at most."""

    plan: Plan
    n_turns: int
    contenders: tuple[Bound, ...]
    judges: tuple[Bound, ...]

    @property
    def cost_usd(self) -> float | None:
        """The most that all of it can cost; None where a price is not known."""
        costs = [bound.cost_usd for bound in (*self.contenders, *self.judges)]
        return None if None in costs else sum(cost for cost in costs if cost)


def forecast(settings: CompareSettings, config: Config) -> Forecast:
    """What a comparison would do and cost at most. Raises UsageError as the run would."""
    plan = make_plan(settings, config)
    untrained: set[str] = set()
    sides = resolved(plan, _ensure(plan, untrained))
    with Ledger(config.ledger_path, read_only=True) as ledger:
        each = [model for side in sides for model in side.models]
        plan = replace(plan, notes=(*plan.notes, *warnings(each, plan.prompts)))
        answers = expected(plan.prompts, each, plan.generate, ledger)
        plan = replace(plan, prompts=answered(plan.prompts, answers.responses))
        judges = tuple(_judging(seat, plan, sides, answers, ledger) for seat in plan.seats)
    contenders = tuple(_answering(model, plan, answers, untrained) for model in each)
    n_turns = sum(len(prompt.turns) for prompt in plan.prompts)
    return Forecast(plan, n_turns, contenders, judges)


def _ensure(plan: Plan, untrained: set[str]) -> models.Ensure:
    """Adapters as they are; one that the run would train is a model without a fingerprint."""
    as_it_is = existing(plan.config)

    def ensure(spec: str, base: Model) -> Model:
        try:
            return as_it_is(spec, base)
        except MissingLink:  # it can be made; anything else is the user's error
            if not (preset_name(base) == "embedded" or plan.settings.train):
                raise
            fingerprint = f"untrained {spec}"
            untrained.add(fingerprint)
            return replace(base, fingerprint=fingerprint)

    return ensure


def _answering(model: Model, plan: Plan, answers: Foreseen, untrained: set[str]) -> Bound:
    missing = answers.missing[model.name]
    most = total(map(most_tokens, missing))
    what = model.adapter or model.base
    if model.fingerprint in untrained:
        what = "its adapter is missing and would be trained"
    elif model.engine == "recorded":
        what = f"recorded in {model.base}"
    cost = _cost(model, len(missing), most, plan.config.prices)
    stands = (standing.base_name(model), standing.address(model, plan.client.base_url))
    names = (model.name, model.base, what, *stands)
    return Bound(*names, len(missing), answers.n_stored[model.name], most, cost)


def _judging(
    seat: Seat, plan: Plan, sides: Sequence[Contender], answers: Foreseen, ledger: Ledger
) -> Bound:
    """What one judge has yet to say on all pairs; a program says it for nothing."""
    judge, at = seat.judge, seat.at
    if at is None:
        return Bound(judge.name, None, "a program, no calls", None, None, 0, 0, Usage(), 0.0)
    seen: set[str] = set()
    calls, most = 0, Usage()
    for a, b in (game for pair in pairs(sides) for game in games(*pair)):
        requests = to_ask(
            judge,
            plan.prompts,
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
    stands = (standing.base_name(at), standing.address(at, plan.client.base_url))
    names = (judge.name, at.base, at.base, *stands)
    cost = _cost(at, calls, most, plan.config.prices)
    return Bound(*names, calls, len(seen) - calls, most, cost)


def _cost(model: Model, calls: int, most: Usage, prices: Mapping[str, Price]) -> float | None:
    if model.engine not in SERVED or not calls:
        return 0.0
    price = prices.get(model.base)
    return None if price is None else cost_usd(most, price)


def describe(found: Forecast) -> str:
    """A forecast as text, for 80 columns."""
    plan = found.plan
    lines = [
        ("task", f"{plan.task}: {len(plan.prompts)} questions, {found.n_turns} turns"),
        ("questions", f"of {plan.source}"),
        ("answers", f"of up to {plan.generate.max_tokens:,} tokens a turn"),
    ]
    for bound in found.contenders:
        lines += _bound_lines("contender", f"{bound.name}: {bound.what}", "answers", bound)
    shown = "shown" if plan.principles_shown else "not shown"
    lines += [("principles", f"{shown} to the contenders")]
    for bound in found.judges:
        told_apart = bound.name.endswith(")")  # an ensemble's: it names the model itself
        who = bound.name if told_apart else f"{bound.name} ({bound.what})"
        lines += _bound_lines("judge", who, "calls", bound)
    lines += list(_cost_lines(found))
    return "\n".join(f"{label:<12}{text}" for label, text in lines)


def _bound_lines(label: str, who: str, unit: str, bound: Bound) -> Iterator[tuple[str, str]]:
    yield label, who
    if bound.address or bound.base:
        yield "", f"at {bound.address}" if bound.address else f"on {bound.base}"
    every = bound.calls + bound.stored
    if not every:
        return
    yield "", f"at most {bound.calls:,} {unit}; {bound.stored:,} of {every:,} stored"
    if bound.address and bound.calls:
        tokens = f"{bound.most.prompt_tokens:,} in, {bound.most.completion_tokens:,} out"
        yield "", f"at most {tokens}: {_dollars(bound.cost_usd)}"


def _dollars(amount: float | None) -> str:
    return "price not known" if amount is None else dollars(amount)


def _cost_lines(found: Forecast) -> Iterator[tuple[str, str]]:
    bounds = (*found.contenders, *found.judges)
    unpriced = sorted({b.model for b in bounds if b.model and b.cost_usd is None})
    if unpriced:
        table = ", ".join(f'[prices."{name}"]' for name in unpriced)
        yield "cost", f"not known: sami-eval.toml has no {table}"
        return
    most, limit = found.cost_usd, found.plan.settings.max_cost
    yield "cost", "nothing" if not most else f"at most {dollars(most)}, without repeated attempts"
    if limit is not None and most is not None and most > limit:
        yield "", f"the run stops where it could pass `--max-cost {limit:g}`; a rerun goes on"


def to_row(found: Forecast) -> dict[str, Any]:
    """A forecast in JSON; docs/formats.md explains it."""
    plan = found.plan
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "questions": plan.source,
        "embedded": plan.embedded,
        "base": _recipes_base(plan),
        "max_tokens": plan.generate.max_tokens,
        "n_questions": len(plan.prompts),
        "n_turns": found.n_turns,
        "principles_shown": plan.principles_shown,
        "contenders": [_bound_row(bound) for bound in found.contenders],
        "judges": [_bound_row(bound) for bound in found.judges],
        "cost_usd": found.cost_usd,
        "max_cost": plan.settings.max_cost,
        "notes": list(plan.notes),
    }


def _recipes_base(plan: Plan) -> str | None:
    """The base of recipes, where a contender stands on it."""
    every = [model for side in plan.sides for model in side.models]
    return plan.base.base if any(model.base == plan.base.base for model in every) else None


def _bound_row(bound: Bound) -> dict[str, Any]:
    return {
        "name": bound.name,
        "model": bound.model,
        "what": bound.what,
        "base": bound.base,
        "address": bound.address,
        "calls": bound.calls,
        "stored": bound.stored,
        "prompt_tokens": bound.most.prompt_tokens,
        "completion_tokens": bound.most.completion_tokens,
        "cost_usd": bound.cost_usd,
    }
