"""What a pass@k run will do, decided and checked before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.task_files import DEFAULT as USUAL
from sami_eval.core.types import Model, Prompt
from sami_eval.data import problem_sets
from sami_eval.data.marker import DEFAULT, Marker, read_marker
from sami_eval.data.problem_sets import EMBEDDED, Problem
from sami_eval.data.task_instead import other_columns, problems_in
from sami_eval.data.task_rows import problems_of
from sami_eval.data.tasks import Task
from sami_eval.experiment import best_of, questions
from sami_eval.experiment.plan import check_batch, fields_of, identities, models_of, resolve
from sami_eval.experiment.runs import slug
from sami_eval.experiment.settings import PasskSettings
from sami_eval.experiment.stopping import announced
from sami_eval.generate import EngineChoice, batch_of, chosen_engine, models, standing
from sami_eval.generate.contenders import Contender
from sami_eval.judge.seats import Seat
from sami_eval.ledger.store import key
from sami_eval.server.budget import Purse
from sami_eval.server.client import ClientSettings

N_SAMPLES = 32
MOST_SAMPLES = 100_000  # a problem
TEMPERATURE = 0.7  # of the embedded base's card; for other bases one among the usual .6-.8
MAX_TOKENS, EMBEDDED_MAX_TOKENS = 1024, 120
PAPER_TEMPERATURE, PAPER_TOP_P, PAPER_SPLIT = 1.0, 0.9, "train"


@dataclass(frozen=True, slots=True)
class PasskPlan:
    """Everything decided before anything is spent.

    asked: the task. embedded: all contenders stand on the embedded base.
    source: where the problems come from, as a person reads it; split: None for a file.
    marker: what reads the answers. notes: what to say before anything is spent.
    best_of: who chooses among samples.
    """

    settings: PasskSettings
    config: Config
    base_spec: str | None
    base: Model
    asked: Task
    embedded: bool
    source: str
    split: str | None
    marker: Marker
    problems: tuple[Problem, ...]
    examples: tuple[Problem, ...]
    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    engine: EngineChoice
    notes: tuple[str, ...] = ()
    best_of: Seat | None = None

    @property
    def client(self) -> ClientSettings:
        """How servers are asked, and what that may cost."""
        return self.engine.client

    @property
    def task(self) -> str:
        """Its name, or the problem file's."""
        return self.asked.name if self.settings.prompts is None else self.settings.prompts.name

    @property
    def title(self) -> str:
        """What the run's folder is called, besides its contenders."""
        return f"{slug(self.task)}-passk"

    @property
    def prompts(self) -> list[Prompt]:
        """What is asked."""
        return [problem.prompt for problem in self.problems]

    @property
    def is_papers(self) -> bool:
        """Whether problems are asked as the paper asked them."""
        return self.settings.protocol == "paper"

    @property
    def cluster(self) -> str | None:
        """What says which problems belong together: a field of the file, or the task's column."""
        columns = None if self.n_clusters is None else self.asked.questions.columns
        return self.settings.cluster or (None if columns is None else columns.cluster)

    @property
    def n_clusters(self) -> int | None:
        """How many clusters the problems form; None where each is one of its own."""
        named = {one.cluster for one in self.problems}
        return None if None in named else len(named)

    def key(self, sides: Sequence[Contender]) -> str:
        """SHA-256 of all that decides the figures; sides: the contenders as they are now."""
        asked = fields_of(self.settings, _NOT_IN_KEY)
        drawn = (self.samples, self.temperature, self.top_p, self.max_tokens)
        rows = [
            repr((one.prompt, one.gold, one.cluster)) for one in (*self.problems, *self.examples)
        ]
        found = identities(models_of(sides))
        marked = (self.marker.name, self.marker.sha256)
        facts = (self.engine.name, self.base.fingerprint, len(self.examples), found, marked)
        by = () if self.best_of is None else (self.best_of.judge.label, self.best_of.identity)
        return key("passk", asked, drawn, rows, facts, *by)


# Of the settings: what the key holds as it was resolved, and what decides no figure.
_NOT_IN_KEY = frozenset(
    (
        *("contenders", "samples", "temperature", "top_p", "max_tokens", "limit", "prompts"),
        *("split", "num_fewshot", "fewshot", "marker", "task", "base", "base_url", "engine"),
        *("train", "out", "concurrency", "max_cost", "rpm", "tpm", "max_unparsed"),
        "best_of",  # without it a key is what it always was
        "until_decided",  # a run that stopped and goes on is the same run
        *("batch", "batch_file", "report_to"),
    )
)


def make_plan(settings: PasskSettings, config: Config, purse: Purse | None = None) -> PasskPlan:
    """Decide and check everything that costs nothing. Raises UsageError.

    purse: of runs that stay below one `max_cost` together.
    """
    if not settings.contenders:
        raise UsageError("name at least one model", "sami-eval passk base sft --k 1,10,32")
    samples = _samples(settings)
    _check_stopping(settings)
    _check_choice(settings)
    temperature, top_p = _drawing(settings, samples)
    base_spec = settings.base or config.defaults.get("base")
    base = models.resolve_base(base_spec, config)
    engine = chosen_engine(settings, config, purse, batch=batch_of(settings, config))
    client = engine.client
    # A name that means nothing is said before problems are fetched or an adapter is trained.
    sides = resolve(settings.contenders, base_spec, client, config, lambda spec, base: base)
    named = models_of(sides)
    if settings.base is None and standing.some_on(base, named):
        config.tell("base")
    check_batch(named, client)
    _refuse_records(named)
    if settings.until_decided and len(named) < 2:
        raise UsageError(
            f"`--until-decided`: `{named[0].name}` alone leaves nothing to decide",
            "name another model beside it",
        )
    embedded = standing.in_embedded_world(named)
    task, said = questions.chosen_task("passk", settings.task, settings.prompts, config)
    source, split = _source(settings, task, embedded)
    marker = _marker(settings, task)
    problems = problem_sets.limited(
        _problems(settings, task, source, split, marker), settings.limit
    )
    stops = announced(len(problems), settings, "problems")
    beside = other_columns(task, settings.prompts) if _is_asked(settings, task) else None
    return PasskPlan(
        settings,
        config,
        base_spec,
        base,
        task,
        embedded,
        source,
        split,
        marker,
        tuple(problems),
        tuple(_examples(settings, task, source, problems, marker)),
        samples,
        temperature,
        top_p,
        settings.max_tokens or _longest(settings, task, embedded),
        engine,
        (
            *said,
            *filter(None, [beside, standing.difference(named, client.base_url), stops]),
            *filter(None, [standing.unused_address(named, settings.base_url)]),
        ),
        best_of.chosen(settings.best_of, config, engine),
    )


def _check_stopping(settings: PasskSettings) -> None:
    if settings.until_decided and len(settings.ks) != 1:
        several = ",".join(map(str, settings.ks))
        raise UsageError(f"`--until-decided` decides at one k, not at `{several}`", "--k 1")
    if settings.until_decided and settings.cluster is not None:
        raise UsageError(
            f"`--until-decided` asks problem by problem, not by `--cluster {settings.cluster}`",
            "leave one of both out",
        )
    if settings.until_decided and settings.best_of is not None:
        raise UsageError(
            f"`--until-decided` looks at pass@k, not at the choice of `{settings.best_of}`",
            "leave one of both out",
        )


def _check_choice(settings: PasskSettings) -> None:
    if settings.best_of is not None and max(settings.ks) < 2:
        raise UsageError(
            f"`--best-of {settings.best_of}` chooses among samples, and the only k is 1", "--k 1,8"
        )


def _refuse_records(named: Sequence[Model]) -> None:
    for model in named:
        if model.engine == "recorded":
            raise UsageError(f"`{model.base}` is a record: it answers nothing", "name a model")


def _samples(settings: PasskSettings) -> int:
    if not settings.ks:
        raise UsageError("no k is given", "--k 1,10,32")
    samples = N_SAMPLES if settings.samples is None else settings.samples
    if samples < 1:
        raise UsageError(f"`--samples {samples}` is not above 0", "--samples 32")
    if samples > MOST_SAMPLES:
        raise UsageError(f"`--samples {samples}` is above {MOST_SAMPLES:,}", "--samples 32")
    most = max(settings.ks)
    if most > samples:
        raise UsageError(
            f"k is `{most}` but `{samples}` samples a problem are drawn: there is no estimate",
            f"--samples {most}, or a smaller --k",
        )
    return samples


def _drawing(settings: PasskSettings, samples: int) -> tuple[float, float]:
    """Temperature and top_p: as asked, else the protocol's or ours."""
    paper = settings.protocol == "paper"
    temperature, top_p = settings.temperature, settings.top_p
    if temperature is None:
        temperature = PAPER_TEMPERATURE if paper else TEMPERATURE
    if top_p is None:
        top_p = PAPER_TOP_P if paper else 1.0
    if not (math.isfinite(temperature) and 0 <= temperature <= 2):
        raise UsageError(f"`--temperature {temperature}` is not from 0 to 2", "--temperature 0.7")
    if not (math.isfinite(top_p) and 0 < top_p <= 1):
        raise UsageError(f"`--top-p {top_p}` is not above 0 and at most 1", "--top-p 0.9")
    if temperature == 0 and samples > 1:
        raise UsageError(
            f"at temperature 0 all `{samples}` samples of a problem are one and the same",
            "--temperature 0.7, or --samples 1 --k 1 for a single greedy attempt",
        )
    return temperature, top_p


def _longest(settings: PasskSettings, task: Task, embedded: bool) -> int:
    own = task.max_tokens if _is_asked(settings, task) else None
    return own or (EMBEDDED_MAX_TOKENS if embedded else MAX_TOKENS)


def _is_asked(settings: PasskSettings, task: Task) -> bool:
    """Whether a task says how problems are read: it is asked itself, or named beside its file."""
    beside = settings.task is not None and settings.cluster is None
    return settings.prompts is None or (beside and task.name != USUAL["passk"])


def _marker(settings: PasskSettings, task: Task) -> Marker:
    """What was asked for, else the task's; a file of problems alone is no task."""
    own = task.marker if _is_asked(settings, task) else None
    marker = read_marker(settings.marker or own)
    if settings.protocol == "paper" and marker.name != DEFAULT:
        raise UsageError(
            f"`--protocol paper` reads digits, not what the marker `{marker.name}` does",
            "leave one of both out",
        )
    return marker


def _source(settings: PasskSettings, task: Task, embedded: bool) -> tuple[str, str | None]:
    """Where the problems come from, as a person reads it, and of which split."""
    if settings.cluster is not None and settings.prompts is None:
        raise UsageError(
            f"`--cluster {settings.cluster}` names a field of a problem file, and none is given",
            "add --prompts FILE",
        )
    if settings.prompts is not None:
        if settings.split is not None:
            raise UsageError(
                f"`--split {settings.split}`: `{settings.prompts}` is a file and has no splits",
                "leave --split out",
            )
        return str(settings.prompts), None
    if embedded and task.embedded:
        return EMBEDDED, settings.split or "evaluation"
    of = task.questions
    if of.hub is None and settings.split is not None:
        raise UsageError(
            f"`--split {settings.split}`: task `{task.name}` is a file and has no splits",
            "leave --split out",
        )
    papers = PAPER_SPLIT if settings.protocol == "paper" and of.hub is not None else None
    return of.named, settings.split or papers or of.split


def _problems(
    settings: PasskSettings, task: Task, source: str, split: str | None, marker: Marker
) -> list[Problem]:
    file = settings.prompts
    if file is not None and not _is_asked(settings, task):
        return problem_sets.read_problems(file, None, settings.cluster, marker.file)
    if source == EMBEDDED:
        return problem_sets.read_problems(EMBEDDED, split, marker=marker.file)
    if file is not None:
        found = problems_in(task, file, marker)
    else:
        found = problems_of(task, marker, split=split)
    if settings.until_decided and found[0].cluster is not None:
        raise UsageError(
            f"`--until-decided` asks problem by problem, and those of `{task.name}` have clusters",
            "leave it out",
        )
    return found


def _examples(
    settings: PasskSettings, task: Task, source: str, asked: Sequence[Problem], marker: Marker
) -> list[Problem]:
    """Worked examples: from a file, else from where the task says they are."""
    if settings.num_fewshot < 0:
        raise UsageError(f"`--num-fewshot {settings.num_fewshot}` is below 0", "--num-fewshot 5")
    if settings.fewshot is not None and settings.num_fewshot == 0:
        raise UsageError("`--fewshot` without a number of examples", "add --num-fewshot 5")

    def pool() -> list[Problem]:
        if settings.fewshot is not None:
            return problem_sets.read_problems(settings.fewshot, marker=marker.file)
        if source == EMBEDDED:
            return problem_sets.read_problems(EMBEDDED, "development", marker=marker.file)
        hint = "name a file of worked examples: --fewshot FILE"
        if task.fewshot is None:
            raise UsageError(f"task `{task.name}` says nothing of examples", hint)
        try:
            return problems_of(task, marker, task.fewshot)
        except UsageError as error:
            raise UsageError(error.message, hint, error.where) from None

    return problem_sets.draw_examples(pool, settings.num_fewshot, settings.seed, asked)
