"""What steps are done with, and those that make models: contrasts written, adapters trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sami_eval import embedded
from sami_eval.align import ADAPTERS, adapters, align, chain
from sami_eval.align.contrast import choose_prompts
from sami_eval.align.summary import check_accepted, summarize
from sami_eval.core.calls import Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.files import named, read_text
from sami_eval.core.progress import Progress
from sami_eval.core.settings import check
from sami_eval.core.types import Contrast, Model, Principle, Prompt
from sami_eval.data import prompt_sets
from sami_eval.data.constitutions import constitution_file, principles_for, read_constitution
from sami_eval.data.contrasts import contrasts_to_jsonl, read_contrasts
from sami_eval.experiment.compare_plan import content_of
from sami_eval.experiment.plan import check_server
from sami_eval.experiment.reproduce.checklist import Facts, Stage
from sami_eval.experiment.reproduce.scale import (
    EMBEDDED,
    Course,
    Scale,
    base_spec,
)
from sami_eval.experiment.reproduce.settings import ReproduceSettings
from sami_eval.experiment.reproduce.step import Aligning, PromptSet, Writing
from sami_eval.experiment.runs import slug
from sami_eval.generate import card, chosen_engine, models
from sami_eval.generate.recipes import BASE, find_methods, parse
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger, atomic_write
from sami_eval.server.budget import Purse


@dataclass(frozen=True, slots=True)
class Asked:
    """What `sami-eval reproduce` was asked, its scale read.

    folder: of the reproduction. purse: all steps' calls, below one max_cost.
    """

    scale: Scale
    experiment: str
    config: Config
    folder: Path
    settings: ReproduceSettings = field(default_factory=ReproduceSettings)
    purse: Purse = field(default_factory=Purse)

    def __post_init__(self) -> None:
        check(self, hint="sami-eval reproduce --help")

    @property
    def course(self) -> Course:
        """The experiment."""
        return self.scale.course(self.experiment)

    def run(self, title: str) -> Path:
        """The run of one comparison or sampling; `sami-eval show` reads it."""
        return self.folder / "runs" / slug(title)

    @property
    def judge_model(self) -> str | None:
        """What judges in the place of the scale's, where anything is judged."""
        return getattr(self.settings, "judge_model", None)

    @property
    def deciding(self) -> tuple[object, ...]:
        """What every stage depends on."""
        rules, asked = self.settings.constitutions, self.settings.prompts
        files = (rules and constitution_file(rules), asked and named("prompts", asked))
        given = [file and read_text(file, "name a file that is there") for file in files]
        return (self.settings.seed, *given, self.settings.engine, self.settings.engine_args)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where an experiment's steps are done. command: what its runs are typed by."""

    asked: Asked
    progress: Progress
    command: str = ""

    @property
    def adapters(self) -> Path:
        """The folder of adapters, contrasts beside them."""
        return self.asked.folder / ADAPTERS

    def model(self) -> Model:
        """The base, resolved."""
        return models.resolve_base(base_spec(self.asked.course.base), self.asked.config)

    def adapter(self, recipe: str) -> Path:
        """Where the adapter, or checkpoint, of a recipe lies."""
        parsed = parse(recipe, find_methods())
        return chain.folder(parsed, self.model(), self.adapters, self.asked.settings.seed)

    def contrasts(self) -> Path:
        """Where the contrasts lie."""
        return adapters.contrasts_path(self.model(), self.asked.folder)

    def named(self, recipe: str) -> dict[str, str]:
        """What `[models]` of a configuration says of a recipe's model."""
        if recipe == BASE:
            return {"base": self.model().base}
        folder = self.adapter(recipe).resolve()
        return {"base" if card.is_checkpoint(folder) else "adapter": str(folder)}


def writes(bench: Bench, name: str, writing: Writing) -> Stage:
    """The stage that writes contrasts; other principles in the file write them again."""
    file = _constitution(bench.asked, writing)
    return Stage(
        name,
        f"`{writing.writer}` answers under contrasting constitutions",
        (bench.asked.deciding, bench.model().fingerprint, writing, content_of(str(file))),
        (bench.adapters,),
        lambda: write_contrasts(bench, writing),
    )


def trains(bench: Bench, name: str, aligning: Aligning) -> Stage:
    """The stage that trains the last link of a recipe."""
    made = (bench.adapter(aligning.recipe),)
    return Stage(name, f"trains {aligning.recipe}", aligning, made, lambda: train(bench, aligning))


def write_contrasts(bench: Bench, writing: Writing) -> Facts:
    """Write the contrasts file; what the ledger holds is not generated again.

    Raises SamiEvalError where the filters leave none.
    """
    writer, written = _written(bench, writing)
    written = kept(written, writing.keep)
    if writer.fingerprint != bench.model().fingerprint:
        written = [as_text(contrast) for contrast in written]
    atomic_write(bench.contrasts(), contrasts_to_jsonl(written))
    summary = summarize(written)
    check_accepted(summary, "loosen the step's `filters` in a scale of your own: --scale FILE")
    return {"prompts": summary.n, f"contrasts by {writer.name}": summary.accepted}


def _written(bench: Bench, writing: Writing) -> tuple[Model, list[Contrast]]:
    """The writer and all its contrasts."""
    asked = bench.asked
    prompts = gather(writing.sets, asked.settings.seed)
    principles, settings = _principles(asked, writing, prompts), _settings(asked, writing)
    with Ledger(asked.config.ledger_path, say=bench.progress.say) as ledger:
        tools = Tools(asked.config, ledger, bench.progress)
        writer = models.resolve(
            writing.writer,
            base_spec(asked.course.base),
            config=asked.config,
            base_url=asked.settings.base_url,
            ensure=adapters.ensure_in(tools),
        )[0]
        check_server(writer, settings.engine.client)
        return writer, adapters.contrasts_of(writer, prompts, principles, settings, tools)


def _settings(asked: Asked, writing: Writing) -> adapters.ContrastPlan:
    seed = asked.settings.seed
    return adapters.ContrastPlan(
        n=writing.n,
        sampling=Sampling(writing.temperature, writing.top_p, writing.max_tokens, seed=seed),
        seed=seed,
        engine=chosen_engine(asked.settings, asked.config, asked.purse),
        filters=writing.filters,
    )


def gather(sets: Sequence[PromptSet], seed: int) -> list[Prompt]:
    """The prompts of all sets, each drawn up to its limit without replacement."""
    return [prompt for one in sets for prompt in choose_prompts(_read(one), one.limit, seed)]


def _read(one: PromptSet) -> list[Prompt]:
    if one.source == EMBEDDED:
        own = embedded.prompts("alignment")
        return [prompt for prompt in own if one.category in (None, prompt.category)]
    source = prompt_sets.Source(
        one.source, one.column, one.category, one.category_column, one.split, one.subset
    )
    return prompt_sets.read(source)[0]


def _principles(asked: Asked, writing: Writing, prompts: Sequence[Prompt]) -> tuple[Principle, ...]:
    """The scale's principles, or those of `--constitutions`; every category has enough of them."""
    path = _constitution(asked, writing)
    every = read_constitution(path)
    principles = tuple(one for one in every if not writing.only or one.id in writing.only)
    for category in sorted({prompt.category for prompt in prompts}):
        if not principles_for(category, principles):
            raise UsageError(
                f"no principle is for the category `{category}` of the scale's prompts",
                "add one, or name another file with --constitutions",
                str(path),
            )
    return principles


def check_principles(asked: Asked, writing: Writing) -> None:
    """Refuse now what the stage would refuse: prompts that no principle is for."""
    _principles(asked, writing, gather(writing.sets, asked.settings.seed))


def _constitution(asked: Asked, writing: Writing) -> Path:
    named = embedded.CONSTITUTION if writing.constitution == EMBEDDED else None
    return asked.settings.constitutions or named or constitution_file(writing.constitution)


def kept(contrasts: Sequence[Contrast], most: int | None) -> list[Contrast]:
    """The contrasts up to the last of so many accepted ones."""
    accepted = 0
    found = []
    for contrast in contrasts:
        if most is not None and accepted == most:
            break
        accepted += contrast.rejected is None
        found.append(contrast)
    return found


def as_text(contrast: Contrast) -> Contrast:
    """A contrast of another writer: its words are learnt, not its tokens, which may be others."""
    responses = tuple(replace(one, token_ids=()) for one in contrast.responses)
    metadata = {name: text for name, text in contrast.metadata.items() if name != "fingerprint"}
    return replace(contrast, responses=responses, metadata=metadata)


def train(bench: Bench, aligning: Aligning) -> Facts:
    """Train the last link of a recipe on the contrasts; earlier links are there."""
    trained = align(
        aligning.recipe,
        read_contrasts(bench.contrasts()),
        bench.model(),
        adapters=bench.adapters,
        seed=bench.asked.settings.seed,
        preset=aligning.preset,
        changes=dict(aligning.changes),
        progress=bench.progress,
    )
    return _metrics(Path(trained.adapter or trained.base))


def _metrics(folder: Path) -> Facts:
    """What the card says of the training's end."""
    last = ((card.read(folder) or {}).get("metrics") or {}).get("last", {})
    return {"steps": last.get("step"), "loss": round(last["loss"], 3)} if "loss" in last else {}
