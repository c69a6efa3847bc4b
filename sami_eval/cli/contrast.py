"""`sami-eval contrast`: constitutions x prompts -> contrasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sami_eval.cli.flags import DryRun, Json, Quiet
from sami_eval.core.alignment import ContrastSettings
from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sami_eval.align.adapters import ContrastPlan
    from sami_eval.align.filters import Filters
    from sami_eval.core.calls import Sampling
    from sami_eval.core.config import Config
    from sami_eval.core.progress import Progress
    from sami_eval.core.types import Model, Principle, Prompt
    from sami_eval.data.prompt_sets import Source
    from sami_eval.generate import EngineChoice
    from sami_eval.server.client import ClientSettings


def contrast(
    settings: ContrastSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write contrasts: each prompt answered under several constitutions.

    With --write-principles nothing of the kind: a model drafts a constitution file for you to edit.
    With --from-pairs no model writes: pairs that you have become contrasts of two responses.
    """
    from sami_eval.cli import pairs, principles
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.generate import batch_of, chosen_engine
    from sami_eval.server.budget import Purse

    config, shown = find_config(Path.cwd()), progress.terminal(quiet)
    if pairs.check(settings):
        source, chosen = source_of(settings), filters_of(settings)
        pairs.write(settings, source, chosen, config, shown, dry_run, as_json)
        return
    batch = batch_of(settings, config)
    choice = chosen_engine(settings, config, Purse(closed=dry_run), batch=batch)
    if principles.check(settings):
        sampling = _drafts_sampling(settings)
        writer = _writer(settings.principle_writer or "", settings.base, config, choice.client)
        principles.write(settings, writer, sampling, choice, config, shown, dry_run, as_json)
        return
    _write(settings, choice, config, shown, dry_run, as_json)


def _drafts_sampling(settings: ContrastSettings) -> Sampling:
    from sami_eval.align.principle_writer import max_tokens
    from sami_eval.core.calls import Sampling

    room = settings.max_tokens or max_tokens(settings.write_principles or 0)
    stop = _stops(settings.stop)
    return Sampling(settings.temperature, settings.top_p, room, stop, settings.seed)


def _write(
    settings: ContrastSettings,
    choice: EngineChoice,
    config: Config,
    shown: Progress,
    dry_run: bool,
    as_json: bool,
) -> None:
    """The contrasts, saved; of a dry run what they would take."""
    from sami_eval.align import adapters
    from sami_eval.cli.contrast_output import print_dry_run, print_summary
    from sami_eval.data.contrasts import contrasts_to_jsonl
    from sami_eval.experiment.questions import WORLD
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger, atomic_write

    plan, client = _plan(settings, choice), choice.client
    writer = _writer(settings.model, settings.base, config, client)
    asked, rules = _world(source_of(settings), settings.constitutions, writer, shown)
    if dry_run:
        with Ledger(config.ledger_path, read_only=True) as ledger:
            drafts = adapters.drafts_of(writer, asked, rules, plan)
            requests = [request for one in drafts for request in one.requests]
            stored, missing = adapters.yet_to_write(requests, plan.engine, ledger)
        world = (settings.prompts or WORLD, str(settings.constitutions or WORLD))
        print_dry_run(writer, world, client, drafts, stored, missing, as_json)
        return
    with Ledger(config.ledger_path, say=shown.say) as ledger:
        tools = Tools(config, ledger, shown, client)
        written = adapters.contrasts_of(writer, asked, rules, plan, tools)
    path = settings.out or adapters.contrasts_path(writer, config.root)
    atomic_write(path, contrasts_to_jsonl(written))
    print_summary(written, plan.filters, path, as_json)


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


def _writer(spec: str, base: str | None, config: Config, client: ClientSettings) -> Model:
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
