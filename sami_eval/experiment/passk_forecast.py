"""What a pass@k run would draw and cost at most: nothing is started, asked or written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sami_eval.align.chain import MissingLink, existing
from sami_eval.align.options import preset_name
from sami_eval.core.config import Config
from sami_eval.core.progress import silent
from sami_eval.core.types import SERVED, Model
from sami_eval.experiment.passk import requests_of
from sami_eval.experiment.passk_plan import PasskPlan as Plan
from sami_eval.experiment.passk_plan import make_plan
from sami_eval.experiment.plan import models_of, resolved
from sami_eval.experiment.settings import PasskSettings
from sami_eval.generate import Engines, seen, standing
from sami_eval.generate.complete import by_key
from sami_eval.generate.kept import stored as stored_of
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import cost_usd, dollars, most_tokens, total

SCHEMA: Final = "sami-eval/passk-forecast/1"


@dataclass(frozen=True, slots=True)
class Drawing:
    """The samples of one contender yet to be drawn.

    what: its adapter, base or server-side name. base: what it stands on; None where that is not
    known. address: of the server it is asked at. stored: answers that the ledger holds.
    cost_usd: 0 where nothing is paid for; None where a price is not known.
    """

    name: str
    what: str
    base: str | None
    address: str | None
    calls: int
    stored: int
    cost_usd: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PasskForecast:
    """What a run that starts now does at most."""

    plan: Plan
    contenders: tuple[Drawing, ...]

    @property
    def cost_usd(self) -> float | None:
        """The most that all of it can cost; None where a price is not known."""
        costs = [one.cost_usd for one in self.contenders]
        return None if None in costs else sum(cost for cost in costs if cost)


def forecast(settings: PasskSettings, config: Config) -> PasskForecast:
    """What a run would draw and cost at most. Raises UsageError as the run would."""
    plan = make_plan(settings, config)
    engines = Engines(plan.engine, silent())
    drawings: list[Drawing] = []
    with Ledger(config.ledger_path, read_only=True) as ledger:
        for spec in settings.contenders:
            drawings += _drawings(spec, plan, engines, ledger)
    return PasskForecast(plan, tuple(drawings))


def _drawings(spec: str, plan: Plan, engines: Engines, ledger: Ledger) -> Iterator[Drawing]:
    alone = dataclasses.replace(
        plan, settings=dataclasses.replace(plan.settings, contenders=(spec,))
    )
    try:
        found = models_of(resolved(alone, existing(plan.config)))
    except MissingLink:  # it can be made; anything else is the user's error
        if not (preset_name(plan.base) == "embedded" or plan.settings.train):
            raise
        what, n_each = "its adapter is missing and would be trained", plan.samples
        n = len(plan.problems) * (n_each + plan.settings.greedy)
        yield Drawing(spec, what, standing.base_name(plan.base), None, n, 0, 0.0)
        return
    for model in found:
        yield _drawing(model, plan, engines, ledger)


def _drawing(model: Model, plan: Plan, engines: Engines, ledger: Ledger) -> Drawing:
    keyed = dict(by_key(requests_of(model, plan), engines))
    stored = stored_of(keyed, ledger)
    missing = [request for name, request in keyed.items() if name not in stored]
    cost: float | None = 0.0
    if model.engine in SERVED and missing:
        most, price = total(map(most_tokens, missing)), plan.config.prices.get(model.base)
        cost = None if price is None else cost_usd(most, price)
    return Drawing(
        model.name,
        model.adapter or model.base,
        standing.base_name(model),
        standing.address(model, plan.client.base_url),
        len(missing),
        len(keyed) - len(missing),
        cost,
        tuple(seen.warnings([model], plan.prompts)),
    )


def describe(found: PasskForecast) -> str:
    """A forecast as text."""
    plan = found.plan
    split = f", split {plan.split}" if plan.split else ""
    greedy = " and a greedy one" if plan.settings.greedy else ""
    each = f"{plan.samples} samples a problem{greedy}"
    lines = [
        ("task", f"{plan.task}: {len(plan.problems)} problems of {plan.source}{split}"),
        ("sampling", f"T {plan.temperature:g}, top_p {plan.top_p:g}, {len(plan.examples)} shots"),
        ("answers", f"{each}, of up to {plan.max_tokens} tokens"),
    ]
    for one in found.contenders:
        lines += _lines(one)
    return "\n".join(f"{label:<12}{text}" for label, text in lines)


def _lines(one: Drawing) -> Iterator[tuple[str, str]]:
    yield "contender", f"{one.name}: {one.what}"
    if one.address or one.base:
        yield "", f"at {one.address}" if one.address else f"on {one.base}"
    for warning in one.warnings:
        yield "", warning
    yield "", f"{one.calls:,} answers to draw; {one.stored:,} stored"
    if one.address and one.calls:
        known = one.cost_usd is not None
        cost = f"at most {dollars(one.cost_usd or 0)}" if known else "price not known"
        yield "", f"{cost}, without repeated attempts"


def to_row(found: PasskForecast) -> dict[str, Any]:
    """A forecast in JSON; docs/formats.md explains it."""
    plan = found.plan
    rows: Sequence[dict[str, Any]] = [dataclasses.asdict(one) for one in found.contenders]
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "problems": plan.source,
        "split": plan.split,
        "embedded": plan.embedded,
        "n_problems": len(plan.problems),
        "samples": plan.samples,
        "greedy": plan.settings.greedy,
        "shots": len(plan.examples),
        "temperature": plan.temperature,
        "top_p": plan.top_p,
        "max_tokens": plan.max_tokens,
        "contenders": rows,
        "cost_usd": found.cost_usd,
        "max_cost": plan.settings.max_cost,
        "notes": list(plan.notes),
    }
