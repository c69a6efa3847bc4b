"""Weights & Biases: at its server, or in ./wandb under WANDB_MODE=offline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sami_eval.core.errors import KeyMissingError
from sami_eval.report.tracked import Tracked
from sami_eval.report.trackers import project

AT_HOME = ("offline", "dryrun", "disabled")  # modes in which nothing is sent


def check() -> None:
    """Raise KeyMissingError where it would ask for a key after all was paid."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    mode = os.environ.get("WANDB_MODE", "").strip().lower()
    if mode not in AT_HOME and not wandb.login(prompt=False):
        raise KeyMissingError(
            "`--report-to wandb`: nobody is logged in",
            "wandb login, or export WANDB_API_KEY=..., or WANDB_MODE=offline to send nothing",
        )


def errors() -> tuple[type[Exception], ...]:
    """Its own, and those of a disk."""
    from wandb.errors import Error

    return (Error, OSError)


def send(run: Tracked, files: Iterable[Path]) -> str:
    """A run of the same key is resumed; nothing of this machine goes with it."""
    import wandb

    quiet = wandb.Settings(
        console="off",
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    where, identity = project("WANDB_PROJECT"), run.key[:16]
    with wandb.init(
        project=where, id=identity, name=run.name, resume="allow", settings=quiet
    ) as kept:
        kept.config.update(dict(run.parameters), allow_val_change=True)
        kept.summary.update(dict(run.figures))
        table = wandb.Artifact(f"sami-eval-{identity}", type="sami-eval")
        for file in files:
            table.add_file(str(file))
        kept.log_artifact(table)
        place = kept.url or kept.dir
    return f"project {where}, run {identity} ({place})"
