"""`sami-eval align`: contrasts in, an adapter out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sami_eval.cli.options import Base, DryRun, Engine, EngineArg, Out, Quiet
from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.align.chain import Setup
    from sami_eval.align.options import Options
    from sami_eval.cli.iterations import Asked
    from sami_eval.core.config import Config
    from sami_eval.core.types import Contrast, Model


def align(
    recipe: Annotated[str, typer.Argument(help="sft | dpo | sami | base+sami | sft+sami+dpo ...")],
    contrasts: Annotated[
        Path | None,
        typer.Option(help="Contrasts JSONL. Default: the file beside the base's adapters."),
    ] = None,
    constitutions: Annotated[
        Path | None, typer.Option(help="With --iterations and --prompts: principles.")
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(metavar="FILE|HUB-ID", help="With --iterations: prompts, dealt out to them."),
    ] = None,
    base: Base = None,
    out: Out = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Train the last method K times, each on contrasts the model then writes anew.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where the recipe names none.")] = 0,
    preset: Annotated[
        str | None, typer.Option(help="default | embedded | paper-mtbench | paper-math")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the contrasts.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Contrasts a batch.")] = None,
    accumulation: Annotated[int | None, typer.Option(min=1, help="Batches a step.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="LoRA rank.")] = None,
    alpha: Annotated[int | None, typer.Option(min=1, help="LoRA alpha.")] = None,
    targets: Annotated[str | None, typer.Option(help="all-linear, or module names.")] = None,
    beta: Annotated[float | None, typer.Option(min=0, help="DPO's beta.")] = None,
    kl: Annotated[float | None, typer.Option(min=0, help="SAMI's KL weight.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens of a row.")] = None,
    prefix_sharing: Annotated[
        str | None, typer.Option(help="SAMI: auto | on | off; auto says where it is unsafe.")
    ] = None,
    held_out: Annotated[
        int | None, typer.Option(min=0, help="Contrasts SAMI scores and never trains on.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on from the last checkpoint where this training was killed.")
    ] = True,
    full: Annotated[
        bool | None, typer.Option("--full/--lora", help="Train all weights: a checkpoint.")
    ] = None,
    qlora: Annotated[
        bool | None, typer.Option("--qlora", help="LoRA on a 4-bit base; needs bitsandbytes.")
    ] = None,
    positives_only: Annotated[
        bool | None,
        typer.Option(
            "--positives-only/--all-responses", help="SFT: under no antithesis, or under all."
        ),
    ] = None,
    report_to: Annotated[
        str | None, typer.Option(help="Of transformers: tensorboard, wandb, ...")
    ] = None,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train an adapter; missing earlier links of the recipe are trained first."""
    from sami_eval.align import ADAPTERS, launch, methods_in, refuse_unused
    from sami_eval.align.chain import Setup
    from sami_eval.align.options import change, preset_name
    from sami_eval.align.options import preset as read_preset
    from sami_eval.cli import iterations as several
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.generate import models, parse_arguments, recipes
    from sami_eval.generate.loading import TRUST

    changes: dict[str, object] = {
        "lr": lr,
        "steps": steps,
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "rank": rank,
        "alpha": alpha,
        "targets": targets,
        "beta": beta,
        "kl": kl,
        "max_length": max_length,
        "full": full,
        "qlora": qlora,
        "positives_only": positives_only,
        "report_to": report_to,
        "prefix_sharing": prefix_sharing,
        "held_out": held_out,
    }
    asked = several.Asked(iterations, contrasts, constitutions, prompts)
    # A model's own code may be allowed for training alone; any other setting is of generation.
    arguments = [name for name in parse_arguments(engine_arg or ()) if name != TRUST]
    iterate = several.check(asked, engine or arguments)
    config = find_config(Path.cwd())
    shown = progress.terminal(quiet or not launch.is_main())
    model = models.resolve_base(base or config.defaults.get("base"), config)
    plain, files = methods_in(recipe)
    chain = recipes.parse(plain, files).chain
    if not chain:
        raise UsageError("recipe `base` trains nothing", "name a method, e.g. `sami`")
    refuse_unused(changes, files[chain[-1]])
    options = change(read_preset(preset or preset_name(model), chain[-1], seed), **changes)
    setup = Setup(model, config.root / ADAPTERS, seed, preset, shown, resume)
    job = _Job(recipe, plain, chain[-1], config, setup, options, out, changes, dry_run)
    trained = _iterate(job, asked, engine, engine_arg) if iterate else _train(job, contrasts)
    if trained is not None and launch.is_main():
        print(trained.adapter or trained.base)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is trained, and how.

    recipe: as it was typed; plain: with methods by name. method: of the last link; options: those
        of it, changes among them.
    """

    recipe: str
    plain: str
    method: str
    config: Config
    setup: Setup
    options: Options
    out: Path | None
    changes: Mapping[str, object]
    dry_run: bool


def _iterate(
    job: _Job, asked: Asked, engine: str | None, engine_arg: list[str] | None
) -> Model | None:
    """The last iteration's model; None where only a description was asked for."""
    from sami_eval.align.options import preset_name
    from sami_eval.cli import iterations as several
    from sami_eval.generate import EngineChoice, parse_arguments
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    config, setup = job.config, job.setup
    # The embedded base's are written by transformers, which can seed: the same everywhere.
    usual = "hf" if preset_name(setup.base) == "embedded" else "auto"
    engine = engine or config.defaults.get("engine") or usual
    choice = EngineChoice(engine, parse_arguments(engine_arg or ()))
    with Ledger(config.ledger_path, read_only=job.dry_run, say=setup.progress.say) as ledger:
        tools = Tools(config, ledger, setup.progress)
        if job.dry_run:
            _print_base(job)
            rest = (job.options, job.out, job.changes)
            print(several.describe(job.recipe, asked, setup, tools, *rest))
            return None
        return several.run(job.recipe, asked, setup, tools, choice, job.out, job.changes)


def _print_base(job: _Job) -> None:
    from sami_eval.generate.standing import base_name

    print(f"{'base':<11}{base_name(job.setup.base)}")


def _train(job: _Job, contrasts: Path | None) -> Model | None:
    """The trained model; None where only an estimate was asked for."""
    from sami_eval.align.chain import align as align_chain

    given = _contrasts(job, contrasts)
    if job.dry_run or job.options.full:
        from sami_eval.align.estimate import describe, estimate, memory_warning

        found = estimate(job.method, given, job.setup.base, job.options)
        if job.dry_run:
            _print_base(job)
            print(describe(job.plain, found, len(given), job.options))
            return None
        everything = f"all {found.parameters:,} weights are trained"
        job.setup.progress.say(memory_warning(found) or everything)
    return align_chain(job.recipe, given, job.setup, job.out, job.changes)


def _contrasts(job: _Job, path: Path | None) -> list[Contrast]:
    """The contrasts of the file, or the base's own; the embedded base writes them first."""
    from sami_eval.align import adapters
    from sami_eval.align.options import preset_name
    from sami_eval.data.contrasts import read_contrasts
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    if path:
        return read_contrasts(path)
    if job.dry_run and preset_name(job.setup.base) == "embedded":
        raise UsageError("`--dry-run` needs contrasts", "sami-eval contrast, then --contrasts")
    with Ledger(job.config.ledger_path, say=job.setup.progress.say) as ledger:
        tools = Tools(job.config, ledger, job.setup.progress)
        return adapters.contrasts_for(job.setup.base, tools)
