"""What a reproduction would take, stage by stage, from the scale's own figures; nothing is read.

Plain arithmetic, so that a person can check it by hand (docs/reproduce.md does).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sami_eval.align.options import Options, change, preset
from sami_eval.core.config import Config, Price
from sami_eval.data.gsm8k import HUB_ID
from sami_eval.data.prompts import MTBENCH_HUB_ID
from sami_eval.experiment.questions import WORLD
from sami_eval.experiment.reproduce.gsm8k import RECIPES as MATH_RECIPES
from sami_eval.experiment.reproduce.mtbench import CONTENDERS, RECIPES
from sami_eval.experiment.reproduce.scale import (
    EMBEDDED,
    Expected,
    MtBench,
    Scale,
    Trainings,
    Writing,
)
from sami_eval.generate.standing import EMBEDDED as THE_BASE
from sami_eval.judge import IN_PROCESS
from sami_eval.server.endpoint import at_server

PAIRS, TURNS, ORDERS = 3, 2, 2
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
    judges: tuple[str, ...]


def asks(
    experiment: str, scale: Scale, config: Config, file: Path | None, judge: str | None
) -> Asks:
    """Base, questions and judges of an experiment; file, judge: in the place of the scale's."""
    of = scale.mtbench if experiment == "mtbench" else scale.gsm8k
    hub = MTBENCH_HUB_ID if experiment == "mtbench" else HUB_ID
    usual = WORLD if of.base == EMBEDDED else hub
    judges = []
    for how in scale.mtbench.judging if experiment == "mtbench" else ():
        model = judge or how.judge_model or config.defaults.get("judge-model")
        asked = model and how.judge != "rules"
        judges.append(f"{how.judge} ({model})" if asked else how.judge)
    base = THE_BASE if of.base == EMBEDDED else of.base
    return Asks(base, str(file or usual), tuple(dict.fromkeys(judges)))


def needs(experiment: str, scale: Scale, config: Config, judge: str | None) -> list[Need]:
    """The needs of every stage of an experiment. judge: a model in the place of the scale's."""
    if experiment == "mtbench":
        of = scale.mtbench
        trained = _training(RECIPES, of.contrasts, of.training, scale.expected, experiment)
        tail = [_responses(of, scale.expected), _judging(of, scale, config, judge)]
        return [_contrasts(of.contrasts, scale, config), *trained, *tail]
    math = scale.gsm8k
    trained = _training(MATH_RECIPES, math.contrasts, math.training, scale.expected, experiment)
    return [_contrasts(math.contrasts, scale, config), *trained, _samples(scale)]


def _contrasts(writing: Writing, scale: Scale, config: Config) -> Need:
    expected, calls = scale.expected, writing.prompts * writing.n
    asked = calls * (expected.prompt_tokens + expected.constitution_tokens)
    written = calls * expected.contrast_tokens
    need = _generated("contrasts", calls, "responses", asked, written, expected)
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


def _training(
    recipes: Mapping[str, str], writing: Writing, training: Trainings, expected: Expected, name: str
) -> Iterator[Need]:
    n = accepted(writing, expected.accepted[name])
    for stage, recipe in recipes.items():
        method = recipe.rpartition("+")[2]
        options = change(preset(training.preset, method), **training.changes.get(method, {}))
        steps, passes = _steps(options, n)
        read = round(n * passes * _row_tokens(method, writing.n, options, expected))
        seconds = expected.start_s + read / expected.trained[method]
        yield Need(stage, steps, "steps", read, 0, seconds)


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
    if method == "dpo":
        return 2 * n * (n - 1) * (prompt + response)
    return n * (prompt + n * response)


def _responses(of: MtBench, expected: Expected) -> Need:
    shown = {how.principles_shown for how in of.judging}
    calls = len(shown) * len(CONTENDERS) * of.questions * TURNS
    # The second turn reads the first question and answer again.
    asked = calls * expected.question_tokens + calls // 2 * (
        expected.question_tokens + expected.answer_tokens
    )
    return _generated(
        "responses", calls, "answers", asked, calls * expected.answer_tokens, expected
    )


def _judging(of: MtBench, scale: Scale, config: Config, judge: str | None) -> Need:
    calls = read = 0
    cost: float | None = 0.0
    for how in of.judging:
        if how.judge == "rules":
            continue
        n = PAIRS * of.questions * TURNS * ORDERS
        tokens = n * _judged_tokens(scale.expected)
        calls, read = calls + n, read + round(tokens)
        model = judge or how.judge_model or ""
        if model.partition(":")[0] not in IN_PROCESS:
            price = _price(at_server(model, config), scale, config)
            cost = _add(cost, price, tokens, n * scale.expected.reply_tokens)
    written = calls * scale.expected.reply_tokens
    return Need("judging", calls, "calls", read, written, calls / SERVED_A_SECOND, cost)


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


def _samples(scale: Scale) -> Need:
    of, expected = scale.gsm8k, scale.expected
    contenders = len(MATH_RECIPES) + 1
    # With the greedy attempt that is drawn beside the samples.
    calls = sum(contenders * how.problems * (how.samples + 1) for how in of.sampling)
    written = calls * expected.sample_tokens
    return _generated(
        "samples", calls, "answers", calls * expected.question_tokens, written, expected
    )


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
