"""What a pass@k run will do, decided and checked before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model, Prompt
from sami_eval.data import gsm8k
from sami_eval.data.gsm8k import EMBEDDED, HUB_ID, Problem
from sami_eval.data.marker import DEFAULT, Marker, read_marker
from sami_eval.experiment.plan import check_batch, fields_of, identities, models_of, resolve
from sami_eval.experiment.runs import slug
from sami_eval.experiment.settings import PasskSettings
from sami_eval.experiment.stopping import announced
from sami_eval.generate import EngineChoice, batch_of, chosen_engine, models, standing
from sami_eval.generate.contenders import Contender
from sami_eval.ledger.store import key
from sami_eval.server.budget import Purse
from sami_eval.server.client import ClientSettings

TASK = "gsm8k"
N_SAMPLES = 32
TEMPERATURE = 0.7  # of the embedded base's card; for other bases one among the usual .6-.8
MAX_TOKENS, EMBEDDED_MAX_TOKENS = 1024, 120
PAPER_TEMPERATURE, PAPER_TOP_P, PAPER_SPLIT = 1.0, 0.9, "train"


@dataclass(frozen=True, slots=True)
class PasskPlan:
    """Everything decided before anything is spent.

    embedded: all contenders stand on the embedded base, and are asked its own problems.
    source: where the problems come from, as a person reads it; split: None for a file.
    marker: what reads the answers. notes: what to say before anything is spent.
    """

    settings: PasskSettings
    config: Config
    base_spec: str | None
    base: Model
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

    @property
    def client(self) -> ClientSettings:
        """How servers are asked, and what that may cost."""
        return self.engine.client

    @property
    def task(self) -> str:
        """Its name, or the problem file's."""
        return TASK if self.settings.prompts is None else self.settings.prompts.name

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
    def n_clusters(self) -> int | None:
        """How many clusters the problems form; None where each is one of its own."""
        named = {one.cluster for one in self.problems}
        return None if self.settings.cluster is None else len(named)

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
        return key("passk", asked, drawn, rows, facts)


# Of the settings: what the key holds as it was resolved, and what decides no figure.
_NOT_IN_KEY = frozenset(
    (
        *("contenders", "samples", "temperature", "top_p", "max_tokens", "limit", "prompts"),
        *("split", "num_fewshot", "fewshot", "marker", "base", "base_url", "engine"),
        *("train", "out", "concurrency", "max_cost", "rpm", "tpm", "max_unparsed"),
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
    source, split = _source(settings, embedded)
    marker = _marker(settings)
    found = gsm8k.read_problems(settings.prompts or source, split, settings.cluster, marker.file)
    problems = gsm8k.limited(found, settings.limit)
    stops = announced(len(problems), settings, "problems")
    return PasskPlan(
        settings,
        config,
        base_spec,
        base,
        embedded,
        source,
        split,
        marker,
        tuple(problems),
        tuple(_examples(settings, source, problems, marker)),
        samples,
        temperature,
        top_p,
        settings.max_tokens or (EMBEDDED_MAX_TOKENS if embedded else MAX_TOKENS),
        engine,
        tuple(filter(None, [standing.difference(named, client.base_url), stops])),
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


def _marker(settings: PasskSettings) -> Marker:
    marker = read_marker(settings.marker)
    if settings.protocol == "paper" and marker.name != DEFAULT:
        raise UsageError(
            f"`--protocol paper` reads digits, not what `--marker {settings.marker}` does",
            "leave one of both out",
        )
    return marker


def _source(settings: PasskSettings, embedded: bool) -> tuple[str, str | None]:
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
    if embedded:
        return EMBEDDED, settings.split or "evaluation"
    return HUB_ID, settings.split or (PAPER_SPLIT if settings.protocol == "paper" else "test")


def _examples(
    settings: PasskSettings, source: str, asked: Sequence[Problem], marker: Marker
) -> list[Problem]:
    """Worked examples: from a file, else from the split that is there to learn from."""
    if settings.num_fewshot < 0:
        raise UsageError(f"`--num-fewshot {settings.num_fewshot}` is below 0", "--num-fewshot 5")
    if settings.fewshot is not None and settings.num_fewshot == 0:
        raise UsageError("`--fewshot` without a number of examples", "add --num-fewshot 5")

    def pool() -> list[Problem]:
        if settings.fewshot is not None:
            return gsm8k.read_problems(settings.fewshot, marker=marker.file)
        if source == EMBEDDED:
            return gsm8k.read_problems(EMBEDDED, "development", marker=marker.file)
        try:
            return gsm8k.read_problems(HUB_ID, "train", marker=marker.file)
        except UsageError as error:
            hint = "name a file of worked examples: --fewshot FILE"
            raise UsageError(error.message, hint) from None

    return gsm8k.draw_examples(pool, settings.num_fewshot, settings.seed, asked)
