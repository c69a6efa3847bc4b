"""Contenders: models, or one recipe trained under several seeds, and which of them meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.types import Model
from sami_eval.generate import recipes, steps
from sami_eval.generate.recipes import methods_in
from sami_eval.server.named import at_server


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison. seeds: of its models, in order; empty where it is one model."""

    name: str
    models: tuple[Model, ...]
    seeds: tuple[int, ...] = ()

    @property
    def step(self) -> int | None:
        """Of a training, where it is a checkpoint of one."""
        return self.models[0].step


def seeds_of(spec: str, config: Config) -> tuple[int, ...]:
    """The seeds of `sami@1,2,3` and its checkpoints; empty for any other spec, and for one seed."""
    if spec in config.models or at_server(spec, config):
        return ()
    plain, files = methods_in(steps.split(spec)[0])
    recipe = recipes.match(plain, files)
    return recipe.seeds if recipe is not None and len(recipe.seeds) > 1 else ()


def contenders(
    specs: Sequence[str], each: Iterable[Sequence[Model]], config: Config
) -> list[Contender]:
    """Sides of the comparison; each: the models of each spec.

    Several seeds of one recipe are one side, at each step of its checkpoints; several models of one
    file, and several checkpoints, are one side each.
    """
    sides: list[Contender] = []
    for spec, models in zip(specs, each, strict=True):
        seeds = seeds_of(spec, config)
        if seeds:
            for at_step in _by_step(spec, models, len(seeds)):
                sides.append(Contender(_name(at_step, seeds, sides), tuple(at_step), seeds))
        else:
            sides += [Contender(model.name, (model,)) for model in models]
    return sides


def _by_step(spec: str, models: Sequence[Model], n_seeds: int) -> Iterable[list[Model]]:
    """The models of all seeds, step by step. Raises UsageError where seeds keep other steps."""
    by_step: dict[int | None, list[Model]] = {}
    for model in models:
        by_step.setdefault(model.step, []).append(model)
    for step, several in by_step.items():
        if len(several) != n_seeds:
            raise UsageError(
                f"`{spec}`: {len(several)} of {n_seeds} seeds keep step `{step}`",
                "train each seed with the same --steps and --keep-checkpoints",
            )
    return by_step.values()


def _name(models: Sequence[Model], seeds: Sequence[int], others: Sequence[Contender]) -> str:
    """`sft+sami@1,2,3`; with a number behind it where another side has this name."""
    plain = f"{models[0].name.partition('@')[0]}@{','.join(map(str, seeds))}"
    plain += "" if models[0].step is None else f":{models[0].step}"
    taken, name, n = {other.name for other in others}, plain, 2
    while name in taken:
        name, n = f"{plain} ({n})", n + 1
    return name


def baseline(name: str, specs: Sequence[str], sides: Sequence[Contender]) -> str:
    """The name of the side that is called so, by its name or as it was typed.

    specs: the contenders as typed. Raises UsageError where none is.
    """
    names = [side.name for side in sides]
    if name not in names and name in specs and len(specs) == len(sides):
        return names[specs.index(name)]
    if name not in names:
        hint = did_you_mean(name, names, "contenders: ")
        raise UsageError(f"`--against {name}`: no contender `{name}`", hint)
    return name


def with_baseline(
    specs: tuple[str, ...],
    against: str | None,
    as_sides: Callable[[Sequence[str]], list[Contender]],
    config: Config,
) -> tuple[tuple[str, ...], list[Contender], str | None]:
    """Specs, sides, and the side that each other one meets: named with it alone, it is one more.

    Raises UsageError where none is called so.
    """
    sides = as_sides(specs)
    names = [side.name for side in sides]
    if against is not None and against not in names:
        typed = against in specs and len(specs) == len(sides)
        own = as_sides([against]) if not typed and _is_here(against, config) else []
        if len(own) == 1 and own[0].name not in names:
            specs = (*specs, against)
            sides = as_sides(specs)
        against = own[0].name if len(own) == 1 else baseline(against, specs, sides)
    return specs, sides, against


def _is_here(spec: str, config: Config) -> bool:
    """Whether a spec names a model, the hub not asked."""
    name = steps.split(spec)[0]
    plain, files = methods_in(name)
    known = name in config.models or at_server(spec, config) or recipes.match(plain, files)
    return bool(known) or Path(name).expanduser().exists()


def pairs(
    sides: Sequence[Contender], against: str | None = None
) -> list[tuple[Contender, Contender]]:
    """Every two sides once, in the order they were named; against: each other one with this.

    A checkpoint that is the baseline itself does not meet it.
    """
    if against is None:
        return [(a, b) for i, a in enumerate(sides) for b in sides[i + 1 :]]
    return [(a, b) for b in sides if b.name == against for a in sides if not _is_it(a, b)]


def _is_it(a: Contender, b: Contender) -> bool:
    alike = len(a.models) == len(b.models) and all(map(steps.is_one, a.models, b.models))
    return a is b or alike


def games(a: Contender, b: Contender) -> list[tuple[Model, Model]]:
    """Which models of two sides meet: seed i with seed i where both have as many, else all."""
    if len(a.models) == len(b.models):
        return list(zip(a.models, b.models, strict=True))
    return list(product(a.models, b.models))


def seed_of(a: Contender, b: Contender) -> dict[str, int]:
    """Training seeds by model name, of the sides that have several."""
    return {
        model.name: seed
        for side in (a, b)
        if side.seeds
        for model, seed in zip(side.models, side.seeds, strict=True)
    }
