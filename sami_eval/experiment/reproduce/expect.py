"""What a reproduction would take, stage by stage, from the scale's own figures; nothing is read.

Plain arithmetic, so that a person can check it by hand (docs/reproduce.md does).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sami_eval.align.estimate import PREFERENCES
from sami_eval.align.options import Options
from sami_eval.core.config import Config, Price
from sami_eval.core.task_files import DEFAULT, Kind
from sami_eval.data.tasks import read_task
from sami_eval.experiment.passk_plan import N_SAMPLES
from sami_eval.experiment.questions import WORLD
from sami_eval.experiment.reproduce.scale import EMBEDDED, Course, Expected, Scale
from sami_eval.experiment.reproduce.step import Aligning, Answering, Trial, Writing
from sami_eval.experiment.reproduce.trial import by_program
from sami_eval.experiment.settings import CompareSettings, PasskSettings
from sami_eval.generate.standing import EMBEDDED as THE_BASE
from sami_eval.judge import IN_PROCESS
from sami_eval.server.named import at_server

TURNS = 2
SERVED_A_SECOND = 1.6  # sixteen calls at a time, some ten seconds each


@dataclass(frozen=True, slots=True)
class Need:
    """Of one stage. calls: generations, judgments or optimizer steps, as `unit` says.

    cost_usd: 0 where nothing is paid for; None where a price is not known.
    """

    stage: str
    calls: int
    unit: str
    tokens_in: int
    tokens_out: int
    seconds: float
    cost_usd: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Asks:
    """What an experiment asks of whom. judges: their names, and the models that judge."""

    base: str
    questions: str
    writers: tuple[str, ...]
    presets: tuple[str, ...]
    judges: tuple[str, ...]


def asks(
    experiment: str, scale: Scale, config: Config, file: Path | None, judge: str | None
) -> Asks:
    """Base, questions and judges of an experiment; file, judge: in the place of the scale's."""
    course, judges = scale.course(experiment), []
    for trial in course.trials:
        if isinstance(trial.settings, CompareSettings):
            named = trial.settings.judge or "its judge"
            models = _judge_models(trial, config, judge)
            judges.append(f"{named} ({', '.join(models)})" if models else named)
    return Asks(
        THE_BASE if course.base == EMBEDDED else course.base,
        ", ".join(dict.fromkeys(_questions(course, trial, file) for trial in course.trials)),
        tuple(dict.fromkeys(one.writer for one in course.writings)),
        tuple(dict.fromkeys(one.preset for one in course.alignings)),
        tuple(dict.fromkeys(judges)),
    )


def _questions(course: Course, trial: Trial, file: Path | None) -> str:
    """Where a trial's questions come from."""
    kind: Kind = "pairwise" if isinstance(trial.settings, CompareSettings) else "passk"
    task = read_task(trial.settings.task or DEFAULT[kind], kind)
    own = WORLD if course.base == EMBEDDED and task.embedded else task.questions.named
    return str(file or trial.settings.prompts or own)


def _judge_models(trial: Trial, config: Config, judge: str | None) -> tuple[str, ...]:
    """What judges a comparison; empty where a program does, or where no model is named."""
    if not isinstance(trial.settings, CompareSettings) or by_program(trial.settings):
        return ()
    named = judge or trial.settings.judge_model or config.defaults.get("judge-model")
    return (named,) if isinstance(named, str) else tuple(named or ())


def needs(experiment: str, scale: Scale, config: Config, judge: str | None) -> list[Need]:
    """What every step of an experiment needs. judge: a model in the place of the scale's."""
    course = scale.course(experiment)
    share = scale.expected.accepted[experiment]
    n = sum(accepted(writing, share) for writing in course.writings)
    found: list[Need] = []
    drawn: set[object] = set()
    for step in course.steps:
        if isinstance(step.of, Writing):
            found.append(_contrasts(step.name, step.of, scale, config))
        elif isinstance(step.of, Aligning):
            found.append(_training(step.name, step.of, course, n, scale.expected))
        else:
            trials = step.of.trials if isinstance(step.of, Answering) else (step.of,)
            new = {one.answers: one for one in reversed(trials) if one.answers not in drawn}
            drawn.update(new)
            if new or isinstance(step.of, Answering):
                found.append(_answers(step.name, list(new.values()), scale.expected))
            if isinstance(step.of, Trial) and not (new and by_program(step.of.settings)):
                found.append(_judging(step.name, step.of, scale, config, judge))
    return found


def _contrasts(name: str, writing: Writing, scale: Scale, config: Config) -> Need:
    expected, calls = scale.expected, writing.prompts * writing.n
    asked = calls * (expected.prompt_tokens + expected.constitution_tokens)
    written = calls * expected.contrast_tokens
    need = _generated(name, calls, "responses", asked, written, expected)
    served = at_server(writing.writer, config)
    if served is None:
        return need
    cost = _add(0.0, _price(served, scale, config), asked, written)
    return replace(need, seconds=calls / SERVED_A_SECOND, cost_usd=cost)


def _generated(
    stage: str, calls: int, unit: str, asked: int, written: int, expected: Expected
) -> Need:
    seconds = expected.start_s + written / expected.generated
    return Need(stage, calls, unit, asked, written, seconds)


def accepted(writing: Writing, share: float) -> int:
    """Contrasts that are trained on."""
    n = round(writing.prompts * share)
    return n if writing.keep is None else min(n, writing.keep)


def _training(name: str, aligning: Aligning, course: Course, n: int, expected: Expected) -> Need:
    method, options, each = aligning.method, aligning.options, course.writings[0].n
    steps, passes = _steps(options, n)
    read = round(n * passes * _row_tokens(method, each, options, expected))
    return Need(name, steps, "steps", read, 0, expected.start_s + read / expected.trained[method])


def _steps(options: Options, n: int) -> tuple[int, float]:
    """Optimizer steps, and passes over the contrasts."""
    a_step = options.batch_size * options.accumulation
    steps = options.steps or max(1, -(-int(n * options.epochs) // a_step))
    return steps, steps * a_step / n if options.steps else options.epochs


def _row_tokens(method: str, n: int, options: Options, expected: Expected) -> int:
    """Tokens that one contrast's rows hold; see `align.estimate`."""
    prompt = expected.prompt_tokens + expected.constitution_tokens
    response = expected.contrast_tokens
    if method == "sft":
        rows = n // 2 if options.positives_only else n  # about half hold no antithesis
        return rows * (prompt + response)
    if method in PREFERENCES:
        return n * PREFERENCES[method](n) * (prompt + response)
    return n * (prompt + n * response)


def _answers(name: str, trials: Sequence[Trial], expected: Expected) -> Need:
    """All that these trials' contenders say."""
    calls = asked = written = 0
    for trial in trials:
        n = len(trial.contenders) * trial.n
        if isinstance(trial.settings, PasskSettings):
            several = N_SAMPLES if trial.settings.samples is None else trial.settings.samples
            n *= several + trial.settings.greedy
            asked += n * expected.question_tokens
            written += n * expected.sample_tokens
        else:
            n *= TURNS
            # The second turn reads the first question and answer again.
            asked += n * expected.question_tokens
            asked += n // 2 * (expected.question_tokens + expected.answer_tokens)
            written += n * expected.answer_tokens
        calls += n
    return _generated(name, calls, "answers", asked, written, expected)


def _judging(name: str, trial: Trial, scale: Scale, config: Config, judge: str | None) -> Need:
    assert isinstance(trial.settings, CompareSettings)  # what `passk` draws a program marks
    orders = 2 if trial.settings.orders == "both" else 1
    n = math.comb(len(trial.contenders), 2) * trial.n * TURNS * orders * trial.settings.repeats
    models = () if by_program(trial.settings) else _judge_models(trial, config, judge) or ("",)
    tokens, written = n * _judged_tokens(scale.expected), n * scale.expected.reply_tokens
    cost: float | None = 0.0
    for model in models:
        if model.partition(":")[0] not in IN_PROCESS:
            cost = _add(cost, _price(at_server(model, config), scale, config), tokens, written)
    calls, read, said = (round(one * len(models)) for one in (n, tokens, written))
    return Need(name, calls, "calls", read, said, calls / SERVED_A_SECOND, cost)


def _judged_tokens(expected: Expected) -> float:
    """Of a mean judgment: the second turn's shows both turns of both answers."""
    turn = expected.question_tokens + 2 * expected.answer_tokens
    return expected.judge_tokens + 1.5 * turn


def _price(served: str | None, scale: Scale, config: Config) -> Price | None:
    """Of `openai:NAME`, the user's own table first; None where no table has it."""
    if served is None:
        return None
    name = served.partition(":")[2]
    return config.prices.get(name) or scale.prices.get(name)


def _add(cost: float | None, price: Price | None, read: float, written: float) -> float | None:
    if cost is None or price is None:
        return None
    return cost + (read * price.input + written * price.output) / 1e6


def to_row(need: Need) -> dict[str, Any]:
    """A stage's needs in JSON."""
    return {
        "stage": need.stage,
        "calls": need.calls,
        "unit": need.unit,
        "tokens_in": need.tokens_in,
        "tokens_out": need.tokens_out,
        "seconds": round(need.seconds, 1),
        "cost_usd": need.cost_usd,
    }
