"""What every experiment decides before anything is spent: who takes part, what tells runs apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sami_eval.align.chain import existing
from sami_eval.core import address
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import SERVED, Model, Prompt
from sami_eval.generate import models
from sami_eval.generate.contenders import Contender, contenders
from sami_eval.server.client import ClientSettings, check_key
from sami_eval.server.prices import STANDARD, tier_of


class Settings(Protocol):
    """What an experiment was asked to do, as far as every kind is asked it."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """As they were named."""

    @property
    def train(self) -> bool:
        """Whether missing adapters of a base of the user's own are made, too."""

    @property
    def base_url(self) -> str | None:
        """The server that is asked, where one is named."""

    @property
    def out(self) -> Path | None:
        """The run's folder, where one is named."""


class Plan(Protocol):
    """Everything decided before anything is spent, as far as every kind decides it."""

    @property
    def settings(self) -> Settings:
        """What was asked."""

    @property
    def config(self) -> Config:
        """The nearest `sami-eval.toml`."""

    @property
    def title(self) -> str:
        """What the run's folder is called, besides its contenders."""

    @property
    def base_spec(self) -> str | None:
        """The base of recipes, as it was named."""

    @property
    def client(self) -> ClientSettings:
        """How servers are asked, and what that may cost."""

    @property
    def prompts(self) -> Sequence[Prompt]:
        """What is asked."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say before anything is spent."""

    def key(self, sides: Sequence[Contender]) -> str:
        """SHA-256 of all that decides the figures: runs of one key share a folder.

        sides: the contenders with their adapters as they are now.
        """


def resolve(
    specs: Sequence[str],
    base_spec: str | None,
    client: ClientSettings,
    config: Config,
    ensure: models.Ensure,
) -> list[Contender]:
    """The contenders; those at servers with their keys and prices checked."""
    url, kept = client.base_url, existing(config)  # what a checkpoint is of is never trained here
    each = models.resolve_each(
        specs, base_spec, config=config, base_url=url, ensure=ensure, kept=kept
    )
    for several in each:
        for model in several:
            check_server(model, client)
    _check_steps(specs, each)
    return contenders(specs, each, config)


def _check_steps(specs: Sequence[str], each: Iterable[Sequence[Model]]) -> None:
    """Raise UsageError for a checkpoint that is named twice: a curve would hold it twice."""
    holds: dict[str, str] = {}
    for spec, several in zip(specs, each, strict=True):
        for model in several:
            if model.step is None:
                continue
            if model.fingerprint in holds:
                again = f"step {model.step} of `{spec}` stands in `{holds[model.fingerprint]}`"
                raise UsageError(f"{again} already", "name each checkpoint once")
            holds[model.fingerprint] = spec


def resolved(plan: Plan, ensure: models.Ensure) -> list[Contender]:
    """The contenders of a plan, missing adapters made as `ensure` does."""
    specs = plan.settings.contenders
    return resolve(specs, plan.base_spec, plan.client, plan.config, ensure)


def models_of(sides: Sequence[Contender]) -> list[Model]:
    """Every model that answers, side after side."""
    return [model for side in sides for model in side.models]


def check_server(model: Model, client: ClientSettings) -> None:
    """Raise where a model at a server lacks its key, or its price under `--max-cost`.

    Where nothing is to be asked, no key is needed.
    """
    if model.engine in SERVED:
        if not client.limits.budget.purse.closed:
            check_key(model, client)
        client.limits.budget.check([model])


def check_batch(asked: Iterable[Model], client: ClientSettings) -> None:
    """Raise UsageError where batch jobs are wanted, and no server is asked, or in a tier of its."""
    if client.batch is None:
        return
    served = [model for model in asked if model.engine in SERVED]
    flag = "--batch-file" if client.batch.to_file else "--batch"
    if not served:
        raise UsageError(
            f"`{flag}` is for models at servers, and none is asked at one",
            "leave it out, or name one: --judge-model openai:NAME",
        )
    for model in served:
        tier = tier_of(model)
        if tier not in STANDARD:
            raise UsageError(
                f"`{model.name}` has `service_tier = {tier}`, and `{flag}` is a tier of its own",
                "leave one of both out: vendors do not sell them together",
            )


def fields_of(settings: Any, leaving: Collection[str] = ()) -> dict[str, object]:
    """A dataclass's fields by name. leaving: by name what is left out: one that is new counts."""
    names = [field.name for field in dataclasses.fields(settings) if field.name not in leaving]
    return {name: getattr(settings, name) for name in names}


def settings_row(settings: Any, chosen: Mapping[str, object]) -> dict[str, object]:
    """Settings in JSON, with what was chosen where they leave the choice."""
    row = {**dataclasses.asdict(settings), **chosen}
    if row.get("base_url"):  # an address that nobody is asked at was never checked
        row["base_url"] = address.shown(row["base_url"])
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in row.items()
        if name not in ("max_unparsed", "report_to")  # of what happens afterwards alone
    }


def identities(several: Sequence[Model]) -> list[tuple[object, ...]]:
    """What tells models apart in a run's key: how tables call them, and what answers."""
    return [(one.name, one.engine, one.fingerprint, one.chat_template) for one in several]
