"""`sami-eval contrast`: constitutions x prompts -> contrasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sami_eval.cli.options import (
    Base,
    BaseUrl,
    Concurrency,
    DryRun,
    Engine,
    EngineArg,
    Json,
    Limit,
    MaxCost,
    Quiet,
    Rpm,
    Seed,
    Tpm,
)
from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sami_eval.align.filters import Filters
    from sami_eval.core.config import Config
    from sami_eval.core.progress import Progress
    from sami_eval.core.types import Model, Principle, Prompt
    from sami_eval.data.prompt_sets import Source
    from sami_eval.server.client import ClientSettings


def contrast(
    model: Annotated[
        str, typer.Option(help="Who writes the responses: any model `compare` takes.")
    ] = "base",
    constitutions: Annotated[
        Path | None,
        typer.Option(help="Principles: our TOML or the paper's JSON. Default: the embedded."),
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(metavar="FILE|HUB-ID", help="Questions, or any data set.")
    ] = None,
    prompt_column: Annotated[
        str | None, typer.Option(help="Of a data set, e.g. `problem` or `info.post`.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a data set.")] = "train",
    subset: Annotated[str | None, typer.Option(help="Of a data set: its configuration.")] = None,
    category: Annotated[str | None, typer.Option(help="Of every prompt of a data set.")] = None,
    category_column: Annotated[str | None, typer.Option(help="Of a data set.")] = None,
    base: Base = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: contrasts.jsonl beside the base's adapters.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=2, help="Constitutions a prompt.")] = 2,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.4,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 0.9,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest response.")] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End a response at this text; may be given again.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option(help="A preset: `paper-math`. The flags below win over it.")
    ] = None,
    finished: Annotated[
        bool,
        typer.Option("--finished/--unfinished", help="Reject what did not end by itself."),
    ] = True,
    ban: Annotated[
        list[str] | None, typer.Option(help="Reject responses with this; may be given again.")
    ] = None,
    min_characters: Annotated[int | None, typer.Option(help="Of the shortest response.")] = None,
    min_ratio: Annotated[
        float | None, typer.Option(help="Longest over shortest response, characters, at least.")
    ] = None,
    max_ratio: Annotated[float | None, typer.Option(help="The same, at most.")] = None,
    opening_distance: Annotated[
        float | None,
        typer.Option(help="Edit distance of openings above this share of the shorter response."),
    ] = None,
    near_duplicates: Annotated[
        float | None, typer.Option(help="Reject prompts and responses alike to this share.")
    ] = None,
    write_principles: Annotated[
        int | None,
        typer.Option(min=1, max=50, metavar="N", help="Have a model draft so many principles."),
    ] = None,
    principle_writer: Annotated[
        str | None, typer.Option(help="Who drafts them: any model, e.g. openai:gpt-4o.")
    ] = None,
    task_description: Annotated[
        str | None, typer.Option(metavar="TEXT|FILE", help="The prompts they are for, in words.")
    ] = None,
    principle_categories: Annotated[
        str | None, typer.Option(help="e.g. writing,math. Default: for every prompt.")
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = 16,
    max_cost: MaxCost = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write contrasts: each prompt answered under several constitutions.

    With --write-principles nothing of the kind: a model drafts a constitution file for you to edit.
    """
    from sami_eval.align import adapters
    from sami_eval.align.origin import SAMPLING
    from sami_eval.align.principle_writer import max_tokens as most_tokens
    from sami_eval.cli import principles
    from sami_eval.cli.contrast_output import print_dry_run, print_summary
    from sami_eval.core import progress
    from sami_eval.core.calls import Sampling
    from sami_eval.core.config import find_config
    from sami_eval.data.contrasts import contrasts_to_jsonl
    from sami_eval.data.prompt_sets import Source
    from sami_eval.experiment.questions import WORLD
    from sami_eval.generate import EngineChoice, parse_arguments
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger, atomic_write
    from sami_eval.server.budget import limits_of
    from sami_eval.server.client import ClientSettings

    config, shown = find_config(Path.cwd()), progress.terminal(quiet)
    limits = limits_of(config.prices, max_cost, rpm, tpm)
    client = ClientSettings(base_url, concurrency, limits=limits)
    choice = EngineChoice(
        engine or config.defaults.get("engine", "auto"), parse_arguments(engine_arg or ()), client
    )
    base = base or config.defaults.get("base")
    drafting = principles.Asked(
        write_principles, principle_writer, task_description, principle_categories
    )
    if principles.check(drafting, {"--constitutions": constitutions, "--prompts": prompts}):
        room = max_tokens or most_tokens(write_principles or 0)
        sampling = Sampling(temperature, top_p, room, _stops(stop or ()), seed)
        writer = _writer(principle_writer or "", base, config, client)
        principles.write(drafting, writer, sampling, choice, config, shown, out, dry_run, as_json)
        return
    chosen = _filters(
        filters,
        banned=tuple(ban or ()),
        min_characters=min_characters,
        min_ratio=min_ratio,
        max_ratio=max_ratio,
        opening=opening_distance,
        near=near_duplicates,
        finished=finished,
    )
    source = Source(prompts or "", prompt_column, category, category_column, split, subset)
    writer = _writer(model, base, config, client)
    asked, rules = _world(source, constitutions, writer, shown)
    usual = adapters.EMBEDDED_SAMPLING if prompts is None else SAMPLING
    settings = adapters.ContrastSettings(
        n,
        limit,
        Sampling(temperature, top_p, max_tokens or usual.max_tokens, _stops(stop or ())),
        seed,
        choice,
        chosen,
    )
    if dry_run:
        with Ledger(config.ledger_path, read_only=True) as ledger:
            drafts = adapters.drafts_of(writer, asked, rules, settings)
            requests = [request for one in drafts for request in one.requests]
            stored, missing = adapters.yet_to_write(requests, settings.engine, ledger)
        world = (prompts or WORLD, str(constitutions or WORLD))
        print_dry_run(writer, world, client, drafts, stored, missing, config.prices, as_json)
        return
    with Ledger(config.ledger_path, say=shown.say) as ledger:
        tools = Tools(config, ledger, shown, client)
        written = adapters.contrasts_of(writer, asked, rules, settings, tools)
    path = out or adapters.contrasts_path(writer, config.root)
    atomic_write(path, contrasts_to_jsonl(written))
    print_summary(written, chosen, path, as_json)


def _writer(spec: str, base: str | None, config: Config, client: ClientSettings) -> Model:
    """The one model a spec names; at a server with its key and price checked."""
    from sami_eval.align.chain import existing
    from sami_eval.experiment import plan
    from sami_eval.generate import models

    found = models.resolve_all(
        [spec], base, config=config, base_url=client.base_url, ensure=existing(config)
    )
    if len(found) != 1:
        names = ", ".join(f"`{model.name}`" for model in found)
        raise UsageError(f"`{spec}` is {len(found)} models, {names}", "name the one that writes")
    plan.check_server(found[0], client)
    return found[0]


def _stops(texts: Sequence[str]) -> tuple[str, ...]:
    """Stop strings as typed; `\\n` is a line's end."""
    if not all(texts):
        raise UsageError("`--stop` is given an empty text", "e.g. --stop '\\nHuman:'")
    return tuple(text.replace("\\n", "\n") for text in texts)


def _filters(name: str | None, *, finished: bool, banned: tuple[str, ...], **given: Any) -> Filters:
    """A preset, with the values that were given in place of its own."""
    from sami_eval.align import filters

    said = {field: value for field, value in given.items() if value is not None}
    preset = filters.preset(name)
    return filters.check(replace(preset, finished=finished, banned=banned, **said))


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
        progress.say(f"{n_empty} rows of {source.spec} hold no prompt: left out")
    return prompts, principles
