"""Answers of a task judged against a baseline's recorded ones, through our judge and its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sami_eval.core.config import Config, find_config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import terminal
from sami_eval.core.types import SERVED, Judge, Model, Prompt, Response, Verdict
from sami_eval.data.answers import read_answers
from sami_eval.data.baselines import read_baseline
from sami_eval.data.tasks import Task
from sami_eval.experiment.fold import Rule, by_question, fold
from sami_eval.generate import EngineChoice
from sami_eval.generate.tools import Tools
from sami_eval.harness import asked
from sami_eval.judge import judge_all, program, read_judge, read_published, replaced
from sami_eval.judge.rendering import check_prompts
from sami_eval.judge.seats import fitting, seat
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings, check_key


@dataclass(frozen=True, slots=True)
class BaselineJudge:
    """Whom answers are judged against, and by whom.

    baseline: its responses by prompt id, all of one model. at: what the judge is asked at.
    """

    judge: Judge
    client: ClientSettings
    config: Config
    baseline: Mapping[str, Response]
    at: Model | None = None


def read_recorded(path: Path, model: str | None = None) -> dict[str, Response]:
    """The first sample of each answer in a file of one model's, by prompt id.

    model: whose answers these must be; None for anybody's. Raises UsageError for another's.
    """
    responses = [one for one in read_answers(path) if one.sample == 0]
    names = list(dict.fromkeys(one.model for one in responses))
    if len(names) > 1:
        raise UsageError(
            f"`{path}` holds answers of {len(names)} models, `{names[0]}` and `{names[1]}`",
            "one file a model",
        )
    if model is not None and names != [model]:
        raise UsageError(
            f"`{path}` holds answers of `{names[0]}`, and this run is of `{model}`",
            "a second turn follows the model's own first answer: record it with mtbench_turn1",
        )
    return {one.prompt_id: one for one in responses}


def baseline_judge(
    metadata: asked.Metadata, prompts: Sequence[Prompt], task: Task
) -> BaselineJudge:
    """What `--metadata` and the task say about judging, before any call.

    Raises UsageError, KeyMissingError.
    """
    against = _baseline(metadata, prompts, task)
    config = find_config(Path.cwd())
    model = config.choice("judge-model", asked.text(metadata, "judge_model"))
    fits, _ = fitting(prompts, embedded=False, free=model is None)
    judge = _judge(metadata, task, config, fits)
    # A backend's own base_url comes this way too, hence the second name.
    url = asked.text(metadata, "judge_base_url") or asked.text(metadata, "base_url")
    client, at = ClientSettings(base_url=url), None
    if judge.kind != "program":
        judge = replace(judge, model=model or judge.model)
        if judge.model is None:
            raise UsageError(
                f"judge `{judge.name}` needs a model", "--metadata judge_model=openai:gpt-4o"
            )
        taken = seat(judge, config, url).run_by(EngineChoice())
        judge, at = taken.judge, taken.at
        if at is not None and at.engine in SERVED:
            check_key(at, client)
    bare = [prompt for prompt in prompts if not prompt.principles]
    if judge.principles and bare:
        raise UsageError(
            f"judge `{judge.name}` judges by principles, and question `{bare[0].id}` has none",
            "--metadata constitutions=FILE gives them; judge=quality needs none",
        )
    notes = program.notes(judge, prompts) if judge.kind == "program" else ()
    for note in (*notes, *check_prompts(judge, prompts)):
        asked.warn(note)
    return BaselineJudge(judge, client, config, against, at)


def _judge(metadata: asked.Metadata, task: Task, config: Config, fits: str) -> Judge:
    """The judge that is named, by its authors' prompts where they are; else the task's."""
    named, prompts = asked.text(metadata, "judge"), asked.file(metadata, "judge_prompts")
    if prompts is None and named is None and task.judge_prompts is not None:
        prompts = task.file(task.judge_prompts)
    if prompts is not None:
        return read_published(prompts, named)
    name = config.choice("judge", named or task.judge) or fits
    judge = read_judge(name)
    if instead := replaced(judge, name):
        asked.warn(instead)
    return judge


def _baseline(
    metadata: asked.Metadata, prompts: Sequence[Prompt], task: Task
) -> dict[str, Response]:
    """The recorded answers of the file that is named, else of the task's own baseline."""
    path = asked.file(metadata, "baseline")
    if path is not None:
        return read_recorded(path)
    if task.baseline is None:
        raise UsageError(
            f"{task.full} compares with recorded answers, and none are named",
            "--metadata baseline=FILE (ours, FastChat's or the paper's)",
        )
    answers, whose = read_baseline(task.baseline, task.stated.path.parent, prompts)
    asked.warn(f"against the task's baseline `{task.baseline.name}`, answers of {whose}")
    return {one.prompt_id: one for one in answers}


def check_baseline(against: BaselineJudge, prompts: Sequence[Prompt]) -> None:
    """Raise UsageError where the baseline does not answer every turn that will be judged."""
    for prompt in prompts:
        recorded = against.baseline.get(prompt.id)
        n_turns = len(recorded.turns) if recorded else 0
        if n_turns < len(prompt.turns):
            raise UsageError(
                f"the baseline answers {n_turns} of {len(prompt.turns)} turns of question "
                f"`{prompt.id}`",
                "record it for these very questions, or name them: --metadata questions=FILE",
            )


def judged(
    against: BaselineJudge, prompts: Sequence[Prompt], responses: Sequence[Response]
) -> list[Verdict]:
    """Verdicts on each turn in both orders, asked side by side; a is the model, b the baseline."""
    name = responses[0].model
    others = []
    for prompt in prompts:
        recorded = against.baseline[prompt.id]
        other = f"{recorded.model} (baseline)" if recorded.model == name else recorded.model
        others.append(replace(recorded, model=other, turns=recorded.turns[: len(prompt.turns)]))
    with Ledger(against.config.ledger_path) as ledger:
        return judge_all(
            against.judge,
            prompts,
            responses,
            others,
            tools=Tools(against.config, ledger, terminal(), against.client),
            model=against.at,
        )


def win_rates(verdicts: Sequence[Verdict], rule: Rule = "conservative") -> dict[str, float]:
    """A number a question whose mean is the win rate over turns and whose standard error is the
    question-clustered one.

    lm-eval has a closed form for means alone. The rate is a ratio, points over turns, so each
    question stands for rate + (its points - rate * its turns) / mean turns: where all questions
    have as many turns, that is the question's own rate. Questions without a verdict are left out.
    """
    scores = by_question(fold(verdicts, rule))
    if not scores:
        return {}
    n_turns = sum(map(len, scores.values()))
    rate = sum(map(sum, scores.values())) / n_turns
    mean = n_turns / len(scores)
    return {name: rate + (sum(own) - rate * len(own)) / mean for name, own in scores.items()}


def metrics_of(
    prompts: Sequence[Prompt], verdicts: Sequence[Verdict], rule: Rule = "conservative"
) -> dict[str, dict[str, float]]:
    """Each question's metrics: win_rate, win_rate_CATEGORY and the share without a verdict."""
    category = {prompt.id: prompt.category for prompt in prompts}
    rows: dict[str, dict[str, float]] = {prompt.id: {} for prompt in prompts}
    for name, value in win_rates(verdicts, rule).items():
        rows[name]["win_rate"] = value
    for group in dict.fromkeys(category.values()):
        own = [verdict for verdict in verdicts if category[verdict.prompt_id] == group]
        for name, value in win_rates(own, rule).items():
            rows[name][metric_name(group)] = value
    for name, row in rows.items():
        own = [verdict for verdict in verdicts if verdict.prompt_id == name]
        row["unparsed"] = sum(verdict.winner is None for verdict in own) / len(own)
    return rows


def metric_name(category: str) -> str:
    """What the win rate in a category is called."""
    return f"win_rate_{category}"


def identity(metadata: Mapping[str, Any]) -> str:
    """The model a run is of, from lm-eval's --model_args; what records are kept under."""
    base = next((metadata[n] for n in ("pretrained", "model", "base") if metadata.get(n)), "model")
    if metadata.get("pretrained") and metadata.get("model"):
        base = f"{metadata['model']} on {base}"
    adapter = next((metadata[n] for n in ("peft", "lora_local_path") if metadata.get(n)), None)
    revision = f"@{metadata['revision']}" if metadata.get("revision") else ""
    return f"{base}{revision}" + (f" + {adapter}" if adapter else "")
