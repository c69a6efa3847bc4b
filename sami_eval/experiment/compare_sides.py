"""Who is compared: the contenders that were named, their baseline, and the votes on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model, Prompt
from sami_eval.data.tasks import Task
from sami_eval.experiment.baseline import NAMED, NONE, stored
from sami_eval.experiment.corrected import People, read_people
from sami_eval.experiment.plan import models_of
from sami_eval.experiment.settings import CompareSettings
from sami_eval.generate.contenders import Contender, pairs, with_baseline
from sami_eval.generate.steps import ALL, split

AsSides = Callable[[Sequence[str]], list[Contender]]


@dataclass(frozen=True, slots=True)
class Sides:
    """Contenders as named, adapters that are missing standing as their base.

    settings: what was asked, with every contender named. against: the side that each other one
        meets, or None. models: those that somebody named; a task's own baseline is none.
    said: of that baseline.
    """

    settings: CompareSettings
    each: tuple[Contender, ...]
    against: str | None
    models: tuple[Model, ...]
    said: tuple[str, ...] = ()


def check_pair(settings: CompareSettings, task: Task) -> None:
    """Raise UsageError where one contender was named, and nothing gives another."""
    specs = settings.contenders
    several = len(specs) > 1 or settings.against not in (None, NONE)
    several = several or _by_default(settings, task) or (bool(specs) and split(specs[0])[1] == ALL)
    if not specs or not several:
        raise UsageError(
            f"`{' '.join(specs)}` is no pair: name at least two contenders",
            "sami-eval compare sami dpo --task mtbench",
        )


def sides_of(settings: CompareSettings, task: Task, as_sides: AsSides, config: Config) -> Sides:
    """Those that were named. Raises UsageError for a name that means nothing."""
    alone = _by_default(settings, task) or settings.against == NONE
    specs, sides, against = with_baseline(
        settings.contenders, None if alone else settings.against, as_sides, config
    )
    whole = replace(settings, contenders=specs)
    return Sides(whole, tuple(sides), against, tuple(models_of(sides)))


def beside_baseline(
    sides: Sides, task: Task, asked: Sequence[Prompt], as_sides: AsSides, config: Config, dry: bool
) -> Sides:
    """With the task's own baseline where nobody said another.

    Raises UsageError where there are no two.
    """
    if _by_default(sides.settings, task):
        record, of_baseline = stored(task, asked, config, dry)
        specs = (*sides.settings.contenders, str(record))
        each, settings = tuple(as_sides(specs)), replace(sides.settings, contenders=specs)
        sides = Sides(settings, each, each[-1].name, sides.models, (of_baseline,))
    if len(sides.each) < 2:
        raise UsageError(
            f"`{' '.join(sides.settings.contenders)}` is one contender: nothing to compare it with",
            "name another beside it, e.g. base",
        )
    return sides


def people_of(sides: Sides, asked: Sequence[Prompt]) -> People | None:
    """People's votes on them; None where none are given."""
    votes, names = sides.settings.votes, sides.settings.vote_names
    if votes is None:
        return None
    meeting = [(a.name, b.name) for a, b in pairs(sides.each, sides.against)]
    return read_people(votes, names, meeting, [one.id for one in asked])


def _by_default(settings: CompareSettings, task: Task) -> bool:
    """Whether the task's baseline is one contender more, with which each other one is compared."""
    named = settings.against in settings.contenders
    return task.baseline is not None and settings.against in (None, NAMED) and not named
