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
from sami_eval.experiment.baseline import NAMED, NONE, stored
from sami_eval.experiment.corrected import People, read_people
from sami_eval.experiment.judged import check_votes
from sami_eval.experiment.plan import (
    check_batch,
    check_server,
    fields_of,
    identities,
    models_of,
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
from sami_eval.generate.contenders import Contender, pairs, with_baseline
from sami_eval.generate.steps import ALL, split
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
    task, said_of_task = questions.chosen_task("pairwise", settings.task, settings.prompts, config)
    _check_pair(settings, task)
    base_spec = settings.base or config.defaults.get("base")
    base = models.resolve_base(base_spec, config)
    batch = batch_of(settings, config)
    engine = chosen_engine(settings, config, purse, settings.timeout, batch)
    client = engine.client
    check_votes(settings.vote_names, settings.votes)
    if settings.until_decided and settings.votes is not None:
        raise UsageError(
            "`--votes` corrects the rate of all questions, `--until-decided` asks some of them",
            "leave one of both out",
        )

    def as_sides(specs: Sequence[str]) -> list[Contender]:
        return resolve(specs, base_spec, client, config, lambda spec, base: base)

    # A name that means nothing is said before questions are fetched or an adapter is trained.
    alone = _by_default(settings, task) or settings.against == NONE
    specs, sides, against = with_baseline(
        settings.contenders, None if alone else settings.against, as_sides, config
    )
    settings = dataclasses.replace(settings, contenders=specs)
    named = models_of(sides)
    if settings.base is None and standing.some_on(base, named):
        config.tell("base")
    found = questions.choose(task, settings.prompts, named)
    right = settings.references or (task.references_file if found.own else None)
    asked, wrong = references.load(
        found.prompts, right, settings.fix_references, task.wrong_references
    )
    asked, shown = _prompts(settings, asked)
    if _by_default(settings, task):
        record, said_of_baseline = stored(task, asked, config, client.limits.budget.purse.closed)
        settings = dataclasses.replace(settings, contenders=(*settings.contenders, str(record)))
        sides, said_of_task = as_sides(settings.contenders), (*said_of_task, said_of_baseline)
        against = sides[-1].name
    if len(sides) < 2:
        raise UsageError(
            f"`{' '.join(settings.contenders)}` is one contender: nothing to compare it with",
            "name another beside it, e.g. base",
        )
    rule = settings.rule or task.rule or "conservative"
    judge, taken, notes = take_seats(
        _judge(settings, task, found, config), config, found.embedded, asked
    )
    seats = tuple(seat.run_by(engine) for seat in taken)
    for seat in seats:
        if seat.at is not None:
            check_server(seat.at, client)
    check_batch([*named, *(seat.at for seat in seats if seat.at is not None)], client)
    said = (
        standing.difference(named, client.base_url),
        standing.unused_address(
            [*named, *(seat.at for seat in seats if seat.at is not None)], settings.base_url
        ),
        wrong_references(asked, judge, wrong),
        _grades(judge, rule),
        announced(len(asked), settings, "questions"),
    )
    return ComparePlan(
        settings,
        config,
        found.title,
        found.source,
        base_spec,
        base,
        tuple(sides),
        found.embedded,
        tuple(asked),
        shown,
        judge,
        seats,
        _generate_settings(settings, task, found, shown, engine),
        (*said_of_task, *found.notes, *notes, *(one for one in said if one)),
        _people(settings, pairs(sides, against), asked),
        against,
        rule=rule,
        control=settings.control or task.control or "length",
    )


def _by_default(settings: CompareSettings, task: Task) -> bool:
    """Whether the task's baseline is one contender more, with which each other one is compared."""
    named = settings.against in settings.contenders
    return task.baseline is not None and settings.against in (None, NAMED) and not named


def _people(
    settings: CompareSettings,
    meeting: Sequence[tuple[Contender, Contender]],
    asked: Sequence[Prompt],
) -> People | None:
    """People's votes; None where none are given."""
    if settings.votes is None:
        return None
    names = [(a.name, b.name) for a, b in meeting]
    return read_people(settings.votes, settings.vote_names, names, [one.id for one in asked])


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


def _check_pair(settings: CompareSettings, task: Task) -> None:
    specs = settings.contenders
    several = len(specs) > 1 or settings.against not in (None, NONE)
    several = several or _by_default(settings, task) or (bool(specs) and split(specs[0])[1] == ALL)
    if not specs or not several:
        raise UsageError(
            f"`{' '.join(specs)}` is no pair: name at least two contenders",
            "sami-eval compare sami dpo --task mtbench",
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
    found: questions.Questions,
    shown: bool,
    engine: EngineChoice,
) -> GenerateSettings:
    own = EMBEDDED_MAX_TOKENS if found.embedded else task.max_tokens
    default_tokens = own or MAX_TOKENS
    return GenerateSettings(
        max_tokens=settings.max_tokens or default_tokens,
        temperature=settings.temperature,
        temperatures=task.temperatures,
        seed=settings.seed,
        with_principles=shown,
        engine=engine,
    )
