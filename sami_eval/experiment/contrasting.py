"""Contrasts as they are asked for: who writes about what, or which pairs they are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sami_eval.core.alignment import ContrastSettings
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model, Principle, Prompt
from sami_eval.ledger.store import atomic_write

if TYPE_CHECKING:
    from sami_eval.align.adapters import ContrastPlan
    from sami_eval.align.filters import Filters
    from sami_eval.align.summary import Summary
    from sami_eval.core.calls import Sampling
    from sami_eval.data.prompt_sets import Source
    from sami_eval.generate import EngineChoice
    from sami_eval.server.client import ClientSettings

# What pairs are chosen by; every other setting is of a model that writes.
_OF_SOURCE = ("from_pairs", "prompt_column", "split", "subset", "category", "category_column")
_OF_FILTERS = (
    "filters",
    "finished",
    "ban",
    "min_characters",
    "min_ratio",
    "max_ratio",
    "opening_distance",
    "near_duplicates",
)
_MEANT = {*_OF_SOURCE, *_OF_FILTERS, "out", "base", "limit", "seed"}


@dataclass(frozen=True, slots=True)
class Written:
    """Contrasts, what they went through, and where they lie; None where nothing was saved."""

    contrasts: Sequence[Contrast]
    filters: Filters
    path: Path | None

    @property
    def summary(self) -> Summary:
        """Counts and lengths, by category and principle."""
        from sami_eval.align.summary import summarize

        return summarize(self.contrasts, self.filters)

    def check(self) -> None:
        """Raise SamiEvalError where none was accepted: the command exits 1 then."""
        from sami_eval.align.summary import check_accepted

        kept = f"they are in `{self.path}`, each with its reason; " if self.path else ""
        check_accepted(
            self.summary,
            f"{kept}give other texts, or loosen that filter: sami-eval contrast --help",
        )

    def __repr__(self) -> str:
        found = self.summary
        said = [f"{found.accepted:,} of {found.n:,} contrasts accepted"]
        said += [f"{n:,} rejected: {reason}" for reason, n in found.rejected.items() if n]
        return "\n".join([*said, f"saved {self.path}"] if self.path else said)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is written: by whom, about which prompts, under which principles."""

    writer: Model
    prompts: Sequence[Prompt]
    principles: Sequence[Principle]
    plan: ContrastPlan


def asked_for(
    settings: ContrastSettings, choice: EngineChoice, config: Config, progress: Progress
) -> Asked:
    """Everything that is decided before a response is written."""
    from sami_eval.generate import standing

    plan, writer = (
        _plan(settings, choice),
        writer_of(settings.model, settings.base, config, choice.client),
    )
    if unused := standing.unused_address([writer], settings.base_url):
        progress.say(unused)
    prompts, rules = _world(source_of(settings), settings.constitutions, writer, progress)
    return Asked(writer, prompts, rules, plan)


def write(
    settings: ContrastSettings, choice: EngineChoice, config: Config, progress: Progress
) -> Written:
    """The contrasts, written and saved; what is stored is not asked again."""
    from sami_eval.align import adapters
    from sami_eval.data.contrasts import check_replaces
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    check_replaces(settings.out)
    asked = asked_for(settings, choice, config, progress)
    n = f"{len(asked.prompts[: settings.limit]):,} prompts"
    progress.say(f"{asked.writer.name} writes contrasts of {n}; what is stored is kept")
    with Ledger(config.ledger_path, say=progress.say) as ledger:
        tools = Tools(config, ledger, progress, choice.client)
        found = adapters.contrasts_of(
            asked.writer, asked.prompts, asked.principles, asked.plan, tools
        )
    path = settings.out or adapters.contrasts_path(asked.writer, config.root)
    _save(path, found, settings, progress)
    return Written(found, asked.plan.filters, path)


def _save(
    path: Path, contrasts: list[Contrast], settings: ContrastSettings, progress: Progress
) -> None:
    from sami_eval.align.adapters import keep_beside
    from sami_eval.data.contrasts import contrasts_to_jsonl

    if settings.out is None:
        keep_beside(path, contrasts, progress)
    else:
        atomic_write(path, contrasts_to_jsonl(contrasts))


def of_pairs(settings: ContrastSettings, config: Config, progress: Progress, save: bool) -> Written:
    """The pairs as contrasts of two responses."""
    from sami_eval.align.contrast import choose_prompts
    from sami_eval.align.filters import filtered
    from sami_eval.data.contrasts import check_replaces
    from sami_eval.data.pairs import read_pairs

    check_replaces(settings.out)
    source, filters = source_of(settings), filters_of(settings)
    path = settings.out or _beside_adapters(settings, config) if save else None
    found, n_empty = read_pairs(source)
    if n_empty:
        progress.say(f"rows of {source.spec} without a prompt, left out: {n_empty}")
    by_id = {one.prompt.id: one for one in found}
    drawn = choose_prompts([one.prompt for one in found], settings.limit, settings.seed)
    contrasts = filtered((by_id[prompt.id] for prompt in drawn), filters)
    if path is not None:
        _save(path, contrasts, settings, progress)
    return Written(contrasts, filters, path)


def is_of_pairs(settings: ContrastSettings) -> bool:
    """Whether contrasts are made of pairs. Raises UsageError for a flag that means nothing then."""
    if settings.from_pairs is None:
        return False
    for field in dataclasses.fields(settings):
        changed = getattr(settings, field.name) != field.default
        if changed and field.name not in _MEANT:
            flag = "--" + field.name.replace("_", "-")
            raise UsageError(
                f"`{flag}` with `--from-pairs`: no model writes, and no constitution is asked for",
                f"leave {flag} out",
            )
    return True


def _beside_adapters(settings: ContrastSettings, config: Config) -> Path:
    """Where `align --base` looks for contrasts that it is not given."""
    from sami_eval.align.adapters import contrasts_path
    from sami_eval.generate import models

    base = config.choice("base", settings.base)
    if base is None:
        raise UsageError("where to? pairs are of no base", "--out FILE, or --base BASE")
    return contrasts_path(models.resolve_base(base, config), config.root)


def drafts_sampling(settings: ContrastSettings) -> Sampling:
    """How principles are drafted."""
    from sami_eval.align.principle_writer import max_tokens
    from sami_eval.core.calls import Sampling

    room = settings.max_tokens or max_tokens(settings.write_principles or 0)
    stop = _stops(settings.stop)
    return Sampling(settings.temperature, settings.top_p, room, stop, settings.seed)


def _plan(settings: ContrastSettings, choice: EngineChoice) -> ContrastPlan:
    from sami_eval.align import adapters
    from sami_eval.align.origin import SAMPLING
    from sami_eval.core.calls import Sampling

    usual = adapters.EMBEDDED_SAMPLING if settings.prompts is None else SAMPLING
    room, stop = settings.max_tokens or usual.max_tokens, _stops(settings.stop)
    sampling = Sampling(settings.temperature, settings.top_p, room, stop)
    return adapters.ContrastPlan(
        settings.n, settings.limit, sampling, settings.seed, choice, filters_of(settings)
    )


def source_of(settings: ContrastSettings) -> Source:
    """Where what is asked, or the pairs, are."""
    from sami_eval.data.prompt_sets import Source

    return Source(
        settings.from_pairs or settings.prompts or "",
        settings.prompt_column,
        settings.category,
        settings.category_column,
        settings.split,
        settings.subset,
    )


def writer_of(spec: str, base: str | None, config: Config, client: ClientSettings) -> Model:
    """The one model a spec names; at a server with its key and price checked."""
    from sami_eval.align.chain import existing
    from sami_eval.experiment import plan
    from sami_eval.generate import models

    found = models.resolve_all(
        [spec],
        config.choice("base", base),
        config=config,
        base_url=client.base_url,
        ensure=existing(config),
    )
    if len(found) != 1:
        names = ", ".join(f"`{model.name}`" for model in found)
        raise UsageError(f"`{spec}` is {len(found)} models, {names}", "name the one that writes")
    plan.check_server(found[0], client)
    plan.check_batch(found, client)
    return found[0]


def _stops(texts: Sequence[str]) -> tuple[str, ...]:
    """Stop strings as typed; `\\n` is a line's end."""
    if not all(texts):
        raise UsageError("`--stop` is given an empty text", "e.g. --stop '\\nHuman:'")
    return tuple(text.replace("\\n", "\n") for text in texts)


def filters_of(settings: ContrastSettings) -> Filters:
    """A preset, with the values that were given in place of its own."""
    from sami_eval.align import filters

    given = {
        "min_characters": settings.min_characters,
        "min_ratio": settings.min_ratio,
        "max_ratio": settings.max_ratio,
        "opening": settings.opening_distance,
        "near": settings.near_duplicates,
        "min_heeded": settings.min_heeded,
    }
    said: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    preset = filters.preset(settings.filters)
    chosen = replace(preset, finished=settings.finished, banned=settings.ban, **said)
    return filters.check(chosen)


def _world(
    source: Source, constitutions: Path | None, writer: Model, progress: Progress
) -> tuple[list[Prompt], tuple[Principle, ...]]:
    """What is asked under which principles: the embedded world's of its own base alone."""
    from sami_eval import embedded
    from sami_eval.data import prompt_sets
    from sami_eval.data.constitutions import read_constitution
    from sami_eval.generate import standing

    if (source.spec == "") != (constitutions is None):
        given, missing = ("prompts", "constitutions")[:: 1 if source.spec else -1]
        raise UsageError(f"`--{given}` without `--{missing}`", "give both, or none of them")
    if constitutions is None:
        if not standing.on_embedded(writer):
            raise UsageError(
                f"which prompts, under which principles? `{writer.name}` does not stand on the "
                "embedded base",
                "--constitutions FILE --prompts FILE; --write-principles drafts the first",
            )
        return embedded.prompts("alignment"), read_constitution(embedded.CONSTITUTION)
    principles = read_constitution(constitutions)
    prompts, n_empty = prompt_sets.read(source)
    if n_empty:
        progress.say(f"rows of {source.spec} without a prompt, left out: {n_empty}")
    return prompts, principles
