"""Over the training: the figures of a training's checkpoints, a row a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from sami_eval.core.types import Model
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.step_rows import KlRow, MetRow, PasskStepRow, StepRow
from sami_eval.generate import steps
from sami_eval.generate.contenders import Contender

if TYPE_CHECKING:
    from sami_eval.experiment.document import ContenderRow
    from sami_eval.experiment.passk_document import PasskContender


def win_rates(
    sides: Sequence[Contender],
    comparisons: Sequence[ComparisonRow],
    contenders: Sequence[ContenderRow],
) -> list[StepRow]:
    """Of each training's checkpoints against one baseline, in the order of their steps."""
    of = {row["a"]: row for row in comparisons}
    met: dict[str, list[MetRow | None]] = {}
    for one in contenders:
        met.setdefault(one["contender"], []).append(one["checks_met"])
    return [
        {
            "training": training,
            "step": step,
            "contender": name,
            "win_rate": of[name]["win_rate"],
            "interval": of[name]["interval"],
            "p_adjusted": of[name]["p_adjusted"],
            "significant": of[name]["significant"],
            "n_questions": of[name]["n_questions"],
            "checks_met": met[name][0] if len(met[name]) == 1 else None,
            "kl": _kl(side.models),
        }
        for training, step, side in _steps(sides)
        if (name := side.name) in of
    ]


def passes(models: Sequence[Model], contenders: Sequence[PasskContender]) -> list[PasskStepRow]:
    """pass@k of each training's checkpoints, in the order of their steps."""
    of = {row["name"]: row["pass_at_k"] for row in contenders}
    sides = [Contender(model.name, (model,)) for model in models]
    return [
        {
            "training": training,
            "step": step,
            "contender": side.name,
            "pass_at_k": of[side.name],
            "kl": _kl(side.models),
        }
        for training, step, side in _steps(sides)
    ]


def _steps(sides: Sequence[Contender]) -> Iterator[tuple[str, int, Contender]]:
    """Checkpoints, training by training, each with its name; one by itself is no curve."""
    trainings: dict[tuple[object, ...], list[Contender]] = {}
    for side in sides:
        if side.step is not None:
            trainings.setdefault(tuple(map(steps.training_of, side.models)), []).append(side)
    for several in trainings.values():
        ordered = sorted(several, key=lambda side: side.step or 0)
        name = ordered[0].name.removesuffix(f":{ordered[0].step}")
        if len(ordered) > 1:
            yield from ((name, side.step or 0, side) for side in ordered)


def _kl(models: Sequence[Model]) -> KlRow | None:
    found = [steps.kl_of(model) for model in models]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    return {"value": fmean(value for value, _ in known), "source": known[0][1]}


def meeting(models: Sequence[Model]) -> list[tuple[str, str]]:
    """Which models are told apart: every two, of one training's checkpoints each and the last."""
    last: dict[object, Model] = {}
    for model in models:
        training = steps.training_of(model)
        if training not in last or (last[training].step or 0) < (model.step or 0):
            last[training] = model

    def meet(a: Model, b: Model) -> bool:
        training = steps.training_of(a)
        if steps.is_one(a, b):
            return False
        return training is None or training != steps.training_of(b) or last[training] in (a, b)

    return [(a.name, b.name) for a, b in combinations(models, 2) if meet(a, b)]
