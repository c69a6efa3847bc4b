"""The main job: contenders in, one honest comparison out.

prompts -> responses -> verdicts -> Comparison -> Document, each stage resumable.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from sami_eval.align.adapters import ensure_in
from sami_eval.core.config import Config, find_config
from sami_eval.core.progress import Progress, silent
from sami_eval.core.settings import made
from sami_eval.core.stages import Stages
from sami_eval.core.types import Comparison, Model, Prompt, Response, Verdict
from sami_eval.core.versions import versions
from sami_eval.data import unanswered
from sami_eval.experiment import runs
from sami_eval.experiment.compare import compare as compare_pair
from sami_eval.experiment.compare import correct_pairs, round_robin
from sami_eval.experiment.corrected import People, read_people, with_votes
from sami_eval.experiment.document import (
    SCHEMA,
    Calls,
    ContenderRow,
    Document,
    JudgeRow,
    comparison_row,
    rank_rows,
)
from sami_eval.experiment.ensemble import with_judges
from sami_eval.experiment.plan import Plan, make_plan, resolve
from sami_eval.experiment.settings import CompareSettings
from sami_eval.generate import models, respond, seen
from sami_eval.generate.contenders import Contender, games, pairs, seed_of
from sami_eval.generate.standing import on_embedded
from sami_eval.generate.tools import Tools
from sami_eval.judge import Counted, engines_of, judge_all, read_in_words
from sami_eval.judge.seats import Seat
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import Purse

TOKENS = ("prompt", "completion")

Pair = tuple[str, str]
Responses = Mapping[str, Sequence[Response]]
Verdicts = Mapping[Pair, Sequence[Verdict]]


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What a judge took: its calls, and USD, None where a price or a usage is not known."""

    calls: Counted
    cost_usd: float | None


def compare(
    *contenders: str,
    config: Config | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Document:
    """Compare models and return the result: `sami-eval compare` from Python.

    settings: fields of `CompareSettings`, e.g. task="mtbench", base="...", limit=20.
    config: the nearest `sami-eval.toml` by default. progress: nothing is shown by default.
    Returns the document that `--json` prints (docs/formats.md); it is saved as a run, too.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    judge or server fails: the same call goes on from what is stored.
    """
    asked = made(CompareSettings, "compare", {"contenders": contenders, **settings})
    return run_comparison(asked, config or find_config(Path.cwd()), progress or silent())


def run_comparison(
    settings: CompareSettings,
    config: Config,
    progress: Progress,
    command: str = "",
    purse: Purse | None = None,
    replace: bool = False,
) -> Document:
    """Compare the contenders and save the run; what is stored already is not done again.

    replace: a run of other settings in the folder that is named gives way.
    """
    plan, stages = make_plan(settings, config, purse), Stages()
    people = _people(plan)
    # Nothing is spent where nothing could be saved.
    runs.claim(settings.out or config.root / "runs")
    for note in plan.notes:
        progress.say(note)
    with Ledger(config.ledger_path, say=progress.say) as ledger, ExitStack() as held:
        with stages.stage("adapters"):
            sides = _contenders(plan, ledger, progress)
            answering = [model for side in sides for model in side.models]
            for warning in seen.warnings(answering, plan.prompts):
                progress.say(warning)
        settings_key = plan.key(sides)
        folder = held.enter_context(_claimed(plan, settings_key, progress, replace))
        with stages.stage("generating"):
            responses = respond(plan.prompts, answering, plan.generate, ledger, progress)
            plan = dataclasses.replace(plan, prompts=answered(plan.prompts, responses))
            counted = {name: unanswered.of_responses(of) for name, of in responses.items()}
            for note in unanswered.notes(counted):
                progress.say(note)
        with stages.stage("judging"):
            verdicts, taken = _judge_pairs(plan, sides, responses, ledger, progress)
        answers = [response for several in responses.values() for response in several]
        judged = [verdict for several in verdicts.values() for verdict in several]
        with stages.stage("statistics"):
            document = _document(plan, sides, responses, verdicts, taken)
            if people is not None:
                document = with_votes(document, judged, people, answers)
        document |= {
            "settings_key": settings_key,
            "run": shown(folder, config),
            "command": command,
            "seconds": stages.seconds,
            "memory_mb": stages.memory_mb,
        }
        _say_read_in_words(plan, judged, progress)
        runs.save(folder, document, plan.prompts, answers, judged)
    return document


def _say_read_in_words(plan: Plan, judged: Sequence[Verdict], progress: Progress) -> None:
    for judge in (seat.judge for seat in plan.seats):
        if n := read_in_words(judge, judged):
            of = sum(verdict.judge == judge.name for verdict in judged)
            progress.say(
                f"judge `{judge.name}`: {n} of {of} judgments came without "
                "log-probabilities: what it says is the verdict"
            )


def _people(plan: Plan) -> People | None:
    """People's votes, before anything is spent; None where none are given."""
    settings = plan.settings
    if settings.votes is None:
        return None
    names = [(a.name, b.name) for a, b in pairs(plan.sides)]
    questions = [prompt.id for prompt in plan.prompts]
    return read_people(settings.votes, settings.vote_names, names, questions)


def _claimed(
    plan: Plan, settings_key: str, progress: Progress, replace: bool
) -> AbstractContextManager[Path]:
    """The run's folder, this process's alone. Raises UsageError for another run's."""
    today, names = datetime.date.today().isoformat(), plan.settings.contenders
    default = runs.default_folder(plan.config.root, today, plan.task, names)
    return runs.claimed(plan.settings.out, default, settings_key, progress.say, replace)


def shown(folder: Path, config: Config) -> str:
    """A run's folder as a person names it: beside sami-eval.toml without the path to it."""
    inside = folder.is_relative_to(config.root)
    return str(folder.relative_to(config.root) if inside else folder)


def _contenders(plan: Plan, ledger: Ledger, progress: Progress) -> list[Contender]:
    tools = Tools(plan.config, ledger, progress, plan.client)
    return resolved(plan, ensure_in(tools, plan.settings.train))


def resolved(plan: Plan, ensure: models.Ensure) -> list[Contender]:
    """The sides of the comparison, missing adapters made as `ensure` does."""
    return resolve(plan.settings, plan.base_spec, plan.client, plan.config, ensure)


def answered(prompts: Sequence[Prompt], responses: Responses) -> tuple[Prompt, ...]:
    """The prompts with as many turns as every contender answered: a record may hold fewer."""
    n_turns: dict[str, int] = {prompt.id: len(prompt.turns) for prompt in prompts}
    for several in responses.values():
        for response in several:
            n_turns[response.prompt_id] = min(n_turns[response.prompt_id], len(response.turns))
    return tuple(_first_turns(prompt, n_turns[prompt.id]) for prompt in prompts)


def _first_turns(prompt: Prompt, n: int) -> Prompt:
    reference = prompt.reference and prompt.reference[:n]
    return dataclasses.replace(prompt, turns=prompt.turns[:n], reference=reference)


def _judge_pairs(
    plan: Plan,
    sides: Sequence[Contender],
    responses: Responses,
    ledger: Ledger,
    progress: Progress,
) -> tuple[Verdicts, list[Taken]]:
    """Verdicts by pair, judge after judge, and what each judge took."""
    every = [game for pair in pairs(sides) for game in games(*pair)]
    verdicts: dict[Pair, list[Verdict]] = {(a.name, b.name): [] for a, b in every}
    taken: list[Taken] = []
    for seat in plan.seats:
        before, calls = plan.client.limits.budget.mark(), Counted()
        arguments = seat.arguments(plan.generate.engine)
        # A judge in this process is loaded once for all pairs.
        with engines_of(seat.judge, arguments, progress) as engines:
            for a, b in every:
                verdicts[a.name, b.name] += judge_all(
                    seat.judge,
                    plan.prompts,
                    responses[a.name],
                    responses[b.name],
                    plan.orders,
                    plan.settings.repeats,
                    ledger=ledger,
                    settings=plan.client,
                    progress=progress,
                    retry_unparsed=plan.settings.retry_unparsed,
                    model=seat.at,
                    engines=engines,
                    counted=calls,
                )
        taken.append(Taken(calls, plan.client.limits.budget.since(before)))
    return verdicts, taken


def _compare(
    plan: Plan, sides: Sequence[Contender], responses: Responses, verdicts: Verdicts
) -> list[Comparison]:
    rule, seed = plan.settings.rule, plan.settings.seed
    comparisons = []
    for a, b in pairs(sides):
        judged = [verdict for x, y in games(a, b) for verdict in verdicts[x.name, y.name]]
        seeds = seed_of(a, b)
        found = compare_pair(
            plan.prompts,
            [response for model in a.models for response in responses[model.name]],
            [response for model in b.models for response in responses[model.name]],
            judged,
            names=(a.name, b.name),
            rule=rule,
            seed=seed,
            seed_of=seeds,
        )
        comparisons.append(with_judges(found, judged, rule, seed, seeds))
    return comparisons


def _document(
    plan: Plan,
    sides: Sequence[Contender],
    responses: Responses,
    verdicts: Verdicts,
    taken: Sequence[Taken],
) -> Document:
    comparisons = correct_pairs(_compare(plan, sides, responses, verdicts))
    judges = [_judge_row(*both) for both in zip(plan.seats, taken, strict=True)]
    budget = plan.client.limits.budget
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "judge": plan.judge.name,
        "judge_model": plan.judge_models,
        "judges": judges,
        "orders": plan.settings.orders,
        "rule": plan.settings.rule,
        "principles_shown": plan.principles_shown,
        "embedded": any(on_embedded(model) for side in sides for model in side.models),
        "settings_key": "",
        "settings": _settings_row(plan),
        "run": "",
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "contenders": [
            _contender_row(side, model, responses[model.name], plan.prompts)
            for side in sides
            for model in side.models
        ],
        "comparisons": [comparison_row(comparison) for comparison in comparisons],
        "ranking": rank_rows(round_robin(comparisons, plan.settings.seed)),
        "cost_usd": budget.spent_usd,
        "cost_unseen_usd": budget.unseen_usd,
        "calls": _all_calls(judges),
        "tokens": {kind: sum(row["tokens"][kind] for row in judges) for kind in TOKENS},
        "seconds": {},
        "memory_mb": {},
        "versions": versions(),
        "command": "",
    }


def _all_calls(judges: Sequence[JudgeRow]) -> Calls:
    return _calls(
        sum(row["calls"]["made"] for row in judges),
        sum(row["calls"]["from_ledger"] for row in judges),
        sum(row["calls"].get("failed", 0) for row in judges),
    )


def _calls(made: int, stored: int, failed: int) -> Calls:
    if failed:
        return {"made": made, "from_ledger": stored, "failed": failed}
    return {"made": made, "from_ledger": stored}


def _judge_row(seat: Seat, taken: Taken) -> JudgeRow:
    tokens, calls = taken.calls.tokens, taken.calls
    return {
        "name": seat.judge.name,
        "model": seat.at.base if seat.at is not None else None,
        "calls": _calls(len(calls.made), len(calls.stored), len(calls.failed)),
        "tokens": {"prompt": tokens.prompt_tokens, "completion": tokens.completion_tokens},
        "cost_usd": taken.cost_usd,
    }


def _settings_row(plan: Plan) -> dict[str, object]:
    row = dataclasses.asdict(plan.settings)
    chosen = {
        "base": plan.base.base,
        "judge": plan.judge.source,
        "judge_sha256": plan.judge.sha256,
        "max_tokens": plan.generate.max_tokens,
        "engine": plan.generate.engine.name,
    }
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in {**row, **chosen}.items()
        if name != "max_unparsed"  # of the exit code alone
    }


def _contender_row(
    side: Contender, model: Model, responses: Sequence[Response], prompts: Sequence[Prompt]
) -> ContenderRow:
    return {
        "name": model.name,
        "contender": side.name,
        "base": model.base,
        "adapter": model.adapter,
        "engine": model.engine,
        "fingerprint": model.fingerprint,
        "n_cut": sum(ended is False for response in responses for ended in response.finished),
        "answers": unanswered.of_responses(responses),
        "trained_on": seen.trained_on(model, prompts),
    }
