"""What a command would ask and cost, probably and at most: nothing is started, asked or written.

The ledger is taken into account: what it holds is not counted. Where answers are not there yet, the
judges' prompts are counted with answers as long as the token limit allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sami_eval.align.chain import MissingLink, existing
from sami_eval.align.options import preset_name
from sami_eval.core.calls import Request
from sami_eval.core.config import Price
from sami_eval.core.types import SERVED, Model, Usage
from sami_eval.experiment import disk
from sami_eval.experiment.likely import BYTES_A_TOKEN, Length, likely_tokens
from sami_eval.experiment.plan import Plan
from sami_eval.generate import models, standing
from sami_eval.server.batch import pending
from sami_eval.server.budget import cost_usd, dollars, most_tokens, most_usd, total, whole_cost
from sami_eval.server.client import ClientSettings
from sami_eval.server.prices import Prices

UNTRAINED = "untrained "  # a fingerprint that begins so is of an adapter yet to be made
Line = tuple[str, str]  # what it is about, and what is said


@dataclass(frozen=True, slots=True)
class Bound:
    """The calls of one model yet to be made, and the most they can take.

    name: the contender, or the judge. model: as its server or folder calls it; None: a program.
    base: what it stands on; None where that is not known. address: of the server it is asked at.
    stored: answers or replies that the ledger, or a record, holds.
    cost_usd: 0 where nothing is paid for; None where a price is not known.
    likely, expected_cost_usd: what the calls will probably take, beside the most they can.
    lengths: what that rests on; nothing where no server is asked.
    lacking: which file lacks what of the price; None where it is known, or nothing is called.
    disk: what its answers or replies will probably take.
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
    warnings: tuple[str, ...] = ()
    likely: Usage = field(default_factory=Usage)
    expected_cost_usd: float | None = 0.0
    lengths: tuple[str, ...] = ()
    lacking: str | None = None
    disk: disk.Disk = field(default_factory=disk.Disk)

    @property
    def expected_prompt_tokens(self) -> int:
        """Tokens that are probably read."""
        return self.likely.prompt_tokens

    @property
    def expected_completion_tokens(self) -> int:
        """Tokens that are probably written."""
        return self.likely.completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """Tokens that are read."""
        return self.most.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens that are written."""
        return self.most.completion_tokens


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a command that starts now does at most.

    said: what is asked, to a person; facts: the same in JSON.
    bounds: by "contenders", "judges", ...; fields: what JSON says of each.
    asks: what the calls of a group are for, where that is to be said. notes: what to say besides.
    rpm, tpm: calls and tokens a minute that it holds to. free: bytes left on the disk.
    """

    said: tuple[Line, ...]
    bounds: Mapping[str, tuple[Bound, ...]]
    asks: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    max_cost: float | None = None
    notes: tuple[str, ...] = ()
    rpm: float | None = None
    tpm: float | None = None
    free: int | None = None

    @property
    def every(self) -> list[Bound]:
        """The bounds of all groups."""
        return [bound for several in self.bounds.values() for bound in several]

    @property
    def cost_usd(self) -> float | None:
        """The most that all of it can cost; None where a price is not known."""
        return whole_cost(bound.cost_usd for bound in self.every)

    @property
    def expected_cost_usd(self) -> float | None:
        """What all of it will probably cost; None as for cost_usd."""
        return whole_cost(bound.expected_cost_usd for bound in self.every)

    @property
    def disk(self) -> disk.Disk:
        """What it will probably lay on the disk."""
        return disk.total(bound.disk for bound in self.every)

    @property
    def least_minutes(self) -> float | None:
        """What its limits alone make it take; None where it has none, or asks no server."""
        served = [bound for bound in self.every if bound.address]
        tokens = sum(one.likely.prompt_tokens + one.likely.completion_tokens for one in served)
        each = ((sum(one.calls for one in served), self.rpm), (tokens, self.tpm))
        return max((n / a_minute for n, a_minute in each if n and a_minute), default=None)


EXPECTED: Final = (  # what JSON says of a bound's probable cost
    *("expected_prompt_tokens", "expected_completion_tokens", "expected_cost_usd", "lengths"),
)


def bound_of(
    model: Model,
    missing: Sequence[Request],
    stored: int,
    client: ClientSettings,
    length: Length | None = None,
    likely: Sequence[Request] | None = None,
    sent: Sequence[Request] | None = None,
) -> Bound:
    """What a model has yet to say, where these requests are missing.

    length: of what it writes, probably; None: nothing is expected, only bounded. likely: the
        requests as they will probably be, where a prompt holds an answer that is missing. sent: the
        missing ones without the room that they are paid for with.
    """
    tokens = Usage()
    if model.engine in SERVED and missing and length is not None:
        tokens = likely_tokens(missing if likely is None else likely, length)
    limit = missing[0].sampling.max_tokens if missing else None
    found = counted(
        *(model, len(missing), total(map(most_tokens, missing)), tokens),
        *(stored, client, length, limit),
    )
    waiting = tuple(_in_jobs(missing if sent is None else sent, client)) if missing else ()
    return replace(found, warnings=(*found.warnings, *waiting))


def counted(
    model: Model,
    n: int,
    most: Usage,
    tokens: Usage,
    stored: int,
    client: ClientSettings,
    length: Length | None,
    limit: int | None,
) -> Bound:
    """What a model has yet to say in n calls, which take these tokens at most, and probably.

    length: as for bound_of. limit: tokens that it can write in one of them.
    """
    prices, is_paid = client.limits.budget.prices, model.engine in SERVED
    expected: float | None = None if n and is_paid else 0.0
    said = tuple[str, ...]()
    if is_paid and n and length is not None:
        expected, said = _cost(model, n, tokens, prices, cost_usd), (length.said,)
    room = disk.Disk()
    if length is not None:
        text = min(length.tokens, limit or length.tokens)
        ids = 0.0 if is_paid else text
        room = disk.room(length.kind, n, stored, BYTES_A_TOKEN * text, ids)
    return Bound(
        model.name,
        model.named,
        _what(model),
        standing.base_name(model),
        standing.address(model, client.base_url),
        n,
        stored,
        most,
        _cost(model, n, most, prices, most_usd),
        tuple(prices.aged([model])) if n else (),
        likely=tokens,
        expected_cost_usd=expected,
        lengths=said,
        lacking=prices.lacking(model) if is_paid and n else None,
        disk=room,
    )


def _in_jobs(missing: Sequence[Request], client: ClientSettings) -> Iterator[str]:
    """That earlier batch jobs have some of them."""
    if waiting := pending.of_worth(pending.holding(missing, client, read_only=True)):
        reads = "" if client.batch else "; without --batch the run would stop before it calls"
        yield f"{pending.in_words(waiting)}{reads}"


def _what(model: Model) -> str:
    if model.fingerprint.startswith(UNTRAINED):
        return "its adapter is missing and would be trained"
    return (
        f"recorded in {model.base}" if model.engine == "recorded" else model.adapter or model.named
    )


def _cost(
    model: Model,
    calls: int,
    tokens: Usage,
    prices: Prices,
    cost: Callable[[Usage, Price], float],
) -> float | None:
    if model.engine not in SERVED or not calls:
        return 0.0
    price = prices.of(model)
    return None if price is None else cost(tokens, price)


def as_it_is(plan: Plan) -> models.Ensure:
    """Adapters as they are; one that the run would train is its base, and says so."""
    there = existing(plan.config)

    def ensure(spec: str, base: Model) -> Model:
        try:
            return there(spec, base)
        except MissingLink:  # it can be made; anything else is the user's error
            if not (preset_name(base) == "embedded" or plan.settings.train):
                raise
            return replace(base, fingerprint=f"{UNTRAINED}{spec}")

    return ensure


def describe(found: Forecast) -> str:
    """A forecast as text, for 80 columns."""
    lines = list(found.said)
    for group, several in found.bounds.items():
        for bound in several:
            lines += _bound_lines(group.removesuffix("s"), found.asks.get(group), bound)
    lines += [*_cost_lines(found), *_time_lines(found), *_disk_lines(found)]
    return "\n".join(f"{label:<12}{text}" for label, text in lines)


def _bound_lines(label: str, asked: str | None, bound: Bound) -> Iterator[Line]:
    yield label, bound.name if bound.what in bound.name else _who(label, bound)
    if bound.address or bound.base:
        yield "", f"at {bound.address}" if bound.address else f"on {bound.base}"
    for warning in bound.warnings:
        yield "", warning
    every = bound.calls + bound.stored
    if not every or asked is None:
        return
    stored = f"{bound.stored:,} of {every:,}" if bound.stored else "0"
    yield "", f"at most {bound.calls:,} {asked}; {stored} stored"
    if bound.address and bound.calls:
        tokens = f"{bound.prompt_tokens:,} in, {bound.completion_tokens:,} out"
        cost = "price not known" if bound.cost_usd is None else dollars(bound.cost_usd)
        yield "", f"at most {tokens}: {cost}"
        yield from _expected_lines(bound)


def _expected_lines(bound: Bound) -> Iterator[Line]:
    if bound.lengths:
        tokens = f"{bound.expected_prompt_tokens:,} in, {bound.expected_completion_tokens:,} out"
        cost = bound.expected_cost_usd
        yield "", f"expected {tokens}" + ("" if cost is None else f": {dollars(cost)}")
        yield from (("", f"  by {length}") for length in bound.lengths)


def _who(label: str, bound: Bound) -> str:
    return f"{bound.name} ({bound.what})" if label == "judge" else f"{bound.name}: {bound.what}"


def _cost_lines(found: Forecast) -> Iterator[Line]:
    if lacking := sorted({bound.lacking for bound in found.every if bound.lacking}):
        yield from (("" if i else "cost", f"not known: {one}") for i, one in enumerate(lacking))
        return
    most, limit = found.cost_usd, found.max_cost
    yield "cost", "nothing" if not most else f"at most {dollars(most)}, without repeated attempts"
    if most and found.expected_cost_usd is not None:
        yield "", f"expected {dollars(found.expected_cost_usd)}"
    if limit is not None and most is not None and most > limit:
        yield "", f"the run stops where it could pass `--max-cost {limit:g}`; a rerun goes on"


def _time_lines(found: Forecast) -> Iterator[Line]:
    if minutes := found.least_minutes:
        shown = f"{minutes / 60:,.1f} hours" if minutes >= 60 else f"{minutes:,.1f} minutes"
        limits = (("--rpm", found.rpm), ("--tpm", found.tpm))
        yield "time", f"at least {shown} by {', '.join(f'{k} {v:g}' for k, v in limits if v)}"


def _disk_lines(found: Forecast) -> Iterator[Line]:
    """Where it is much, and where it is more than there is."""
    much, free = found.disk.bytes, found.free
    if much >= disk.WORTH_SAYING or (free is not None and much > free):
        ledger, run = disk.in_words(found.disk.ledger), disk.in_words(found.disk.run)
        yield "disk", f"about {ledger} in the ledger, {run} in the run's folder"
        if free is not None and much > free:
            yield "", f"warning: {disk.in_words(free)} are free there"


def to_row(found: Forecast) -> dict[str, Any]:
    """A forecast in JSON; docs/formats.md explains it."""
    return {
        **found.facts,
        **{
            group: [{name: getattr(bound, name) for name in found.fields} for bound in several]
            for group, several in found.bounds.items()
        },
        "cost_usd": found.cost_usd,
        "expected_cost_usd": found.expected_cost_usd,
        "max_cost": found.max_cost,
        "least_minutes": found.least_minutes,
        "expected_disk_bytes": round(found.disk.bytes),
        "notes": list(found.notes),
    }
