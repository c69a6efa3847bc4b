"""`sami-eval train`: from a constitution and prompts to adapters that were compared."""

from __future__ import annotations

from pathlib import Path

from sami_eval.cli.flags import DryRun, Json, Quiet, Verbose
from sami_eval.experiment.train_settings import TrainSettings


def train(
    settings: TrainSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write contrasts, train each method on them, and compare all with the base, in stages."""
    from sami_eval.align import launch
    from sami_eval.cli.output import print_document, typed_command
    from sami_eval.cli.reproduce import print_forecast
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.experiment.reproduce import train as stages

    asked = stages.asked_of(settings, find_config(Path.cwd()))
    if dry_run:
        print_forecast(asked, as_json, stages.plan_of(asked))
        return
    shown = progress.terminal(quiet or not launch.is_main())
    document = stages.train(asked, shown, start=settings.start, command=typed_command())
    if launch.is_main():
        print_document(document, as_json, verbose)
