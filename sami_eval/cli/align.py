"""`sami-eval align`: contrasts in, an adapter out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sami_eval.cli.options import Base, DryRun, Out, Quiet
from sami_eval.errors import UsageError


def align(
    recipe: Annotated[str, typer.Argument(help="sft | dpo | sami | base+sami | sft+sami+dpo ...")],
    contrasts: Annotated[
        Path | None,
        typer.Option(help="Contrasts JSONL. Default: the file beside the base's adapters."),
    ] = None,
    base: Base = None,
    out: Out = None,
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
        bool | None, typer.Option("--qlora", help="LoRA on a 4-bit base; needs CUDA.")
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
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train an adapter; missing earlier links of the recipe are trained first."""
    from sami_eval import adapters, models, progress
    from sami_eval.align import ADAPTERS, launch, methods_in, recipes
    from sami_eval.align import align as align_recipe
    from sami_eval.align.options import change, preset_name
    from sami_eval.align.options import preset as read_preset
    from sami_eval.align.records import read_contrasts
    from sami_eval.config import find_config
    from sami_eval.store import Ledger

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
    config = find_config(Path.cwd())
    shown = progress.terminal(quiet or not launch.is_main())
    model = models.resolve_base(base or config.defaults.get("base"), config)
    plain, files = methods_in(recipe)
    chain = recipes.parse(plain, files).chain
    if not chain:
        raise UsageError("recipe `base` trains nothing", "name a method, e.g. `sami`")
    options = change(read_preset(preset or preset_name(model), chain[-1], seed), **changes)
    if dry_run and contrasts is None and preset_name(model) == "embedded":
        raise UsageError("`--dry-run` needs contrasts", "sami-eval contrast, then --contrasts")
    if contrasts:
        given = read_contrasts(contrasts)
    else:
        with Ledger(config.ledger_path, say=shown.say) as ledger:
            shop = adapters.Workshop(config, ledger, shown, train=True)
            given = adapters.contrasts_for(model, shop)
    if dry_run or options.full:
        from sami_eval.align.estimate import describe, estimate, memory_warning

        found = estimate(chain[-1], given, model, options)
        if dry_run:
            print(describe(plain, found, len(given), options))
            return
        shown.say(memory_warning(found) or f"all {found.parameters:,} weights are trained")
    trained = align_recipe(
        recipe,
        given,
        model,
        out=out,
        adapters=config.root / ADAPTERS,
        seed=seed,
        preset=preset,
        changes=changes,
        progress=shown,
        resume=resume,
    )
    if launch.is_main():
        print(trained.adapter or trained.base)
