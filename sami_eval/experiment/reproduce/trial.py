"""A step that runs `compare` or `passk` on what was trained: its settings, its stage, its check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sami_eval.core.config import Config
from sami_eval.data.constitutions import constitution_file
from sami_eval.experiment import compare, passk
from sami_eval.experiment.compare_plan import content_of
from sami_eval.experiment.frame import Experiment, draw, run
from sami_eval.experiment.plan import fields_of
from sami_eval.experiment.reproduce import judged, sampled
from sami_eval.experiment.reproduce.checklist import Facts, Stage
from sami_eval.experiment.reproduce.document import JudgedResult, SampledResult
from sami_eval.experiment.reproduce.scale import base_spec
from sami_eval.experiment.reproduce.step import DECIDED, REPLACED, Answering, Trial
from sami_eval.experiment.reproduce.work import Asked, Bench
from sami_eval.experiment.settings import CompareSettings, PasskSettings
from sami_eval.generate.recipes import BASE
from sami_eval.judge import read_judge


@dataclass(frozen=True, slots=True)
class Command:
    """What is the command's own of a trial. beside: ours beside the published figures."""

    kind: Experiment[Any, Any, Any, Any, Any]
    facts: Callable[[Any], Facts]
    beside: Callable[[Trial, Path, int], JudgedResult | SampledResult]


COMMANDS: Final[dict[type, Command]] = {
    CompareSettings: Command(compare, judged.facts, judged.beside),
    PasskSettings: Command(passk, sampled.facts, sampled.beside),
}


def settings_of(asked: Asked, trial: Trial) -> CompareSettings | PasskSettings:
    """What the command is asked: what the step says, and what the flags say of every step."""
    own, flags = trial.settings, asked.settings
    known = {one.name for one in dataclasses.fields(own)}
    shared = {one.name for one in dataclasses.fields(flags)} & known
    given: dict[str, Any] = {name: getattr(flags, name) for name in shared}
    given |= {name: given[name] or getattr(own, name) for name in REPLACED if name in shared}
    if isinstance(own, CompareSettings):
        given["constitutions"] = own.constitutions
        if own.constitutions not in (None, "none"):
            file = flags.constitutions or constitution_file(str(own.constitutions))
            given["constitutions"] = str(file)
        given["judge_model"] = (not by_program(own) and asked.judge_model) or own.judge_model
    given |= {"base": base_spec(asked.course.base), "out": asked.run(trial.title)}
    return replace(own, **given)


def by_program(settings: CompareSettings | PasskSettings) -> bool:
    """Whether a program judges: there is no model to name."""
    if isinstance(settings, PasskSettings):
        return True
    return settings.judge is not None and not read_judge(settings.judge).templates


def check(asked: Asked) -> None:
    """Refuse now what a step would refuse hours later: questions, judge, its key, its price."""
    for trial in asked.course.trials:
        # The base stands in for the models that are to be trained on it.
        settings = replace(settings_of(asked, trial), contenders=(BASE, BASE))
        COMMANDS[type(settings)].kind.make_plan(settings, asked.config, None)


def answers(bench: Bench, name: str, answering: Answering) -> Stage:
    """The stage that draws the answers of comparisons, so that judging finds them."""
    several = list({trial.answers: trial for trial in reversed(answering.trials)}.values())[::-1]
    held = [_decides(bench.asked, one) for one in several]
    read = [[one.get(name) for name in REPLACED] for one in held]
    return Stage(
        name,
        f"{', '.join(trial.title for trial in several)}: their answers",
        ([one.answers for one in several], read),
        (),
        lambda: _draw(bench, several),
    )


def _draw(bench: Bench, trials: Sequence[Trial]) -> Facts:
    """Answers alone: a program in the place of the judge needs no key."""
    n = tokens = 0
    for trial in trials:
        asked, config = settings_of(bench.asked, trial), config_of(bench, trial)
        assert isinstance(asked, CompareSettings)
        asked = replace(asked, judge="rules", judge_model=None, judge_prompts=None, votes=None)
        drawn = draw(compare, asked, config, bench.progress, bench.asked.purse)
        for response in (one for each in drawn.responses.values() for one in each):
            n += len(response.turns)
            tokens += sum(one or 0 for one in response.n_tokens)
    return {"answers": n, "tokens each": round(tokens / max(n, 1))}


def runs(bench: Bench, name: str, trial: Trial) -> Stage:
    """The stage that is a run of its own."""
    return Stage(
        name,
        f"{', '.join(trial.contenders)}: {trial.title}",
        (trial.title, trial.contenders, trial.published, _decides(bench.asked, trial)),
        (bench.asked.run(trial.title),),
        lambda: _run(bench, trial),
    )


def _run(bench: Bench, trial: Trial) -> Facts:
    """All that a reproduction asks stays below one limit."""
    asked, purse = settings_of(bench.asked, trial), bench.asked.purse
    before, command = purse.spent_usd, COMMANDS[type(asked)]
    document = run(
        command.kind,
        asked,
        config_of(bench, trial),
        bench.progress,
        command=bench.command,
        purse=purse,
        replace=True,
    )
    spent = purse.spent_usd - before
    return {**command.facts(document), **({"USD": round(spent, 2)} if spent else {})}


def _decides(asked: Asked, trial: Trial) -> dict[str, object]:
    """All that a step says of its run, a file by what it holds."""
    said = fields_of(settings_of(asked, trial), DECIDED.difference(REPLACED))
    return {
        name: content_of(str(one)) if isinstance(one, Path) or (one and name in REPLACED) else one
        for name, one in said.items()
    }


def config_of(bench: Bench, trial: Trial) -> Config:
    """The configuration in which a trial's names name the trained models."""
    known = {name: row for name, row in bench.asked.config.models.items() if name != BASE}
    return replace(bench.asked.config, models={**known, **models_of(bench, trial.contenders)})


def models_of(bench: Bench, contenders: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What `[models]` says of each contender; nothing of the base by its own name."""
    several = (one for one in contenders.items() if one != (BASE, BASE))
    return {name: bench.named(recipe) for name, recipe in several}


def result(asked: Asked) -> list[JudgedResult | SampledResult]:
    """Ours beside the published figures, a row a run; of finished runs."""
    return [
        COMMANDS[type(trial.settings)].beside(trial, asked.run(trial.title), asked.settings.seed)
        for trial in asked.course.trials
    ]
