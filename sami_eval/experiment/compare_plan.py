"""What a comparison will do, decided and checked before anything is spent."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sami_eval.align.chain import existing
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Model, Order, Prompt, Response, prompt_fields
from sami_eval.data import prompts, references
from sami_eval.data.constitutions import read_constitution
from sami_eval.data.task_keys import Control, Rule
from sami_eval.data.tasks import Task
from sami_eval.experiment import questions
from sami_eval.experiment.compare_sides import (
    Sides,
    beside_baseline,
    check_pair,
    people_of,
    sides_of,
)
from sami_eval.experiment.corrected import People
from sami_eval.experiment.judged import check_votes
from sami_eval.experiment.plan import (
    check_batch,
    check_server,
    fields_of,
    identities,
    resolve,
)
from sami_eval.experiment.settings import CompareSettings
from sami_eval.experiment.stopping import announced
from sami_eval.generate import (
    EngineChoice,
    GenerateSettings,
    batch_of,
    chosen_engine,
    models,
    standing,
)
from sami_eval.generate.contenders import Contender, pairs
from sami_eval.judge.rendering import wrong_references
from sami_eval.judge.seats import JudgeChoice, Seat, take_seats
from sami_eval.ledger.store import key
from sami_eval.server.budget import Purse
from sami_eval.server.client import ClientSettings

MAX_TOKENS = 1024  # MT-Bench's limit for an answer
EMBEDDED_MAX_TOKENS = 160

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """Everything decided before anything is spent.

    task: its name, or the question file's; source: where the questions come from.
    embedded: they are the embedded world's, and all that run stand on the embedded base.
    sides: the contenders as named, adapters that are missing standing as their base.
    judge: its name, prompts and patterns; seats: who judges by them, several in an ensemble.
    meeting: pairs that are still asked, of a part of a run; None: all. answers: given already.
    people: votes that correct the judge. against: the side that each other one meets, or None.
    rule, control: as they were asked for, else as the task says.
    """

    settings: CompareSettings
    config: Config
    task: str
    source: str
    base_spec: str | None
    base: Model
    sides: tuple[Contender, ...]
    embedded: bool
    prompts: tuple[Prompt, ...]
    principles_shown: bool
    judge: Judge
    seats: tuple[Seat, ...]
    generate: GenerateSettings
    notes: tuple[str, ...]
    people: People | None = None
    against: str | None = None
    meeting: frozenset[Pair] | None = None
    answers: Mapping[str, Sequence[Response]] | None = None
    rule: Rule = "conservative"
    control: Control = "length"

    @property
    def client(self) -> ClientSettings:
        """How servers are asked, and what that may cost."""
        return self.generate.engine.client

    @property
    def orders(self) -> tuple[Order, ...]:
        """Which contender is shown first, order by order."""
        return ("a", "b") if self.settings.orders == "both" else ("a",)

    def pairs(self, sides: Sequence[Contender]) -> list[tuple[Contender, Contender]]:
        """Which sides meet; sides: the contenders as they are now."""
        every = pairs(sides, self.against)
        if self.meeting is None:
            return every
        return [(a, b) for a, b in every if (a.name, b.name) in self.meeting]

    @property
    def judge_models(self) -> str | None:
        """The models that judge, as their servers or folders call them; None: a program does."""
        return ", ".join(seat.at.named for seat in self.seats if seat.at is not None) or None

    @property
    def title(self) -> str:
        """What the run's folder is called, besides its contenders."""
        return self.task

    def key(self, sides: Sequence[Contender]) -> str:
        """SHA-256 of all that decides the figures; sides: the contenders as they are now."""
        chosen = fields_of(self.settings, _NOT_IN_KEY)
        chosen |= {"rule": self.rule, "control": self.control}
        rows = [prompt_fields(prompt) for prompt in self.prompts]
        generate = {**fields_of(self.generate), "engine": self.generate.engine.name}
        judge = (self.judge.sha256, *(seat.identity for seat in self.seats))
        asked = [(side.name, side.seeds, identities(side.models)) for side in sides]
        votes = content_of(self.settings.votes)
        facts = (self.base.fingerprint, generate, asked, votes)
        return key("run", self.task, chosen, rows, judge, facts)


# Of a comparison's settings: what the key holds as it was resolved, and what decides no figure.
_NOT_IN_KEY = frozenset(
    (
        *("contenders", "task", "prompts", "references", "fix_references", "constitutions"),
        *("generate_with_principles", "base", "judge", "judge_model", "judge_prompts"),
        *("base_url", "engine", "max_tokens", "temperature", "limit", "seed", "votes"),
        *("train", "out", "concurrency", "timeout", "retry_unparsed", "max_cost", "rpm", "tpm"),
        # A run that stopped and goes on is the same run.
        *("max_unparsed", "until_decided", "batch", "batch_file", "report_to"),
    )
)


def content_of(votes: str | None) -> str | None:
    """A file by what it holds; a hub id, or nothing, as it is."""
    if votes is None or not Path(votes).is_file():
        return votes
    return hashlib.sha256(Path(votes).read_bytes()).hexdigest()


def make_plan(settings: CompareSettings, config: Config, purse: Purse | None = None) -> ComparePlan:
    """Decide and check everything that costs nothing. Raises UsageError, KeyMissingError.

    purse: of runs that stay below one `max_cost` together.
    """
    task, said = questions.chosen_task("pairwise", settings.task, settings.prompts, config)
    check_pair(settings, task)
    _check_votes(settings)
    base_spec = settings.base or config.defaults.get("base")
    base = models.resolve_base(base_spec, config)
    batch = batch_of(settings, config)
    engine = chosen_engine(settings, config, purse, settings.timeout, batch)
    asked, sides = _compared(settings, task, base_spec, base, engine, config)
    wanted = _judge(settings, task, asked.found, config)
    judge, seats, of_judge = _seats(wanted, asked, sides, engine, config)
    rule = settings.rule or task.rule or "conservative"
    more = _doubts(settings, asked, judge, rule)
    return ComparePlan(
        sides.settings,
        config,
        asked.found.title,
        asked.found.source,
        base_spec,
        base,
        sides.each,
        asked.found.embedded,
        asked.prompts,
        asked.shown,
        judge,
        seats,
        _generate_settings(settings, task, asked, engine),
        (*said, *sides.said, *asked.found.notes, *of_judge, *more),
        people_of(sides, asked.prompts),
        sides.against,
        rule=rule,
        control=settings.control or task.control or "length",
    )


def _check_votes(settings: CompareSettings) -> None:
    check_votes(settings.vote_names, settings.votes)
    if settings.until_decided and settings.votes is not None:
        raise UsageError(
            "`--votes` corrects the rate of all questions, `--until-decided` asks some of them",
            "leave one of both out",
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions as they are asked. shown: principles are; wrong: ids of wrong references."""

    found: questions.Questions
    prompts: tuple[Prompt, ...]
    shown: bool
    wrong: frozenset[str]


def _asked(settings: CompareSettings, task: Task, found: questions.Questions) -> _Asked:
    right = settings.references or (task.references_file if found.own else None)
    asked, wrong = references.load(
        found.prompts, right, settings.fix_references, task.wrong_references
    )
    asked, shown = _prompts(settings, asked)
    return _Asked(found, tuple(asked), shown, wrong)


def _compared(
    settings: CompareSettings,
    task: Task,
    base_spec: str | None,
    base: Model,
    engine: EngineChoice,
    config: Config,
) -> tuple[_Asked, Sides]:
    """What is asked, of whom. Raises UsageError."""

    def as_sides(specs: Sequence[str]) -> list[Contender]:
        return resolve(specs, base_spec, engine.client, config, lambda spec, base: base)

    # A name that means nothing is said before questions are fetched or an adapter is trained.
    named = sides_of(settings, task, as_sides, config)
    if settings.base is None and standing.some_on(base, named.models):
        config.tell("base")
    asked = _asked(settings, task, questions.choose(task, settings.prompts, named.models))
    dry = engine.client.limits.budget.purse.closed
    return asked, beside_baseline(named, task, asked.prompts, as_sides, config, dry)


def _seats(
    wanted: JudgeChoice, asked: _Asked, sides: Sides, engine: EngineChoice, config: Config
) -> tuple[Judge, tuple[Seat, ...], tuple[str, ...]]:
    """The judge, who judges by it, and what to say of that and of where all are asked.

    Raises UsageError and KeyMissingError where somebody cannot be asked.
    """
    judge, taken, notes = take_seats(wanted, config, asked.found.embedded, asked.prompts)
    seats, client = tuple(seat.run_by(engine) for seat in taken), engine.client
    judging = [seat.at for seat in seats if seat.at is not None]
    for model in judging:
        check_server(model, client)
    everybody = [*sides.models, *judging]
    check_batch(everybody, client)
    said = standing.difference(sides.models, client.base_url)
    unused = standing.unused_address(everybody, wanted.base_url)
    return judge, seats, (*notes, *filter(None, (said, unused)))


def _doubts(settings: CompareSettings, asked: _Asked, judge: Judge, rule: Rule) -> list[str]:
    """What to say of references, grades and stopping."""
    said = (
        wrong_references(asked.prompts, judge, asked.wrong),
        _grades(judge, rule),
        announced(len(asked.prompts), settings, "questions"),
    )
    return [one for one in said if one]


def _grades(judge: Judge, rule: str) -> str | None:
    """That grades are not used, where they are not."""
    if not judge.weights or rule == "average":
        return None
    return f"judge `{judge.name}`: winners alone count; --rule average weighs its grades"


def _judge(
    settings: CompareSettings, task: Task, found: questions.Questions, config: Config
) -> JudgeChoice:
    """Who judges: the judge that was named, else the task's, but for the embedded world."""
    asked_so = settings.judge_prompts
    if asked_so is None and settings.judge is None and task.judge_prompts is not None:
        asked_so = task.file(task.judge_prompts)
    others = found.embedded or asked_so is not None
    return JudgeChoice(
        settings.judge or (None if others else task.judge),
        settings.judge_model,
        asked_so,
        settings.base_url,
        existing(config),
    )


def _prompts(settings: CompareSettings, asked: list[Prompt]) -> tuple[list[Prompt], bool]:
    """The prompts, and whether contenders see their principles: where they are the prompts' own."""
    asked = prompts.limited(asked, settings.limit)
    shown = any(prompt.principles for prompt in asked)
    if settings.constitutions == "none":
        asked = prompts.with_principles(asked, None)
    elif settings.constitutions is not None:
        principles = read_constitution(settings.constitutions)
        asked, shown = prompts.with_principles(asked, principles), False
        if not any(prompt.principles for prompt in asked):
            raise UsageError(
                f"no principle of `{settings.constitutions}` is for a category of these prompts",
                f"categories: {', '.join(sorted({prompt.category for prompt in asked}))}",
            )
    if settings.generate_with_principles is not None:
        shown = settings.generate_with_principles
    return asked, shown and any(prompt.principles for prompt in asked)


def answered(
    prompts: Sequence[Prompt], responses: Mapping[str, Sequence[Response]]
) -> tuple[Prompt, ...]:
    """The prompts with as many turns as every contender answered: a record may hold fewer."""
    n_turns: dict[str, int] = {prompt.id: len(prompt.turns) for prompt in prompts}
    for several in responses.values():
        for response in several:
            n_turns[response.prompt_id] = min(n_turns[response.prompt_id], len(response.turns))
    return tuple(_first_turns(prompt, n_turns[prompt.id]) for prompt in prompts)


def _first_turns(prompt: Prompt, n: int) -> Prompt:
    if n == len(prompt.turns) >= len(prompt.reference or ()):
        return prompt
    reference = prompt.reference and prompt.reference[:n]
    return dataclasses.replace(prompt, turns=prompt.turns[:n], reference=reference)


def _generate_settings(
    settings: CompareSettings,
    task: Task,
    asked: _Asked,
    engine: EngineChoice,
) -> GenerateSettings:
    own = EMBEDDED_MAX_TOKENS if asked.found.embedded else task.max_tokens
    default_tokens = own or MAX_TOKENS
    return GenerateSettings(
        max_tokens=settings.max_tokens or default_tokens,
        temperature=settings.temperature,
        temperatures=task.temperatures,
        seed=settings.seed,
        with_principles=asked.shown,
        engine=engine,
    )
