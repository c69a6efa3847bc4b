"""`sami-eval contrast`: constitutions x prompts -> contrasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.cli.flags import DryRun, Json, Quiet
from sami_eval.core.alignment import ContrastSettings

if TYPE_CHECKING:
    from sami_eval.core.config import Config
    from sami_eval.core.progress import Progress
    from sami_eval.experiment.contrasting import Written
    from sami_eval.generate import EngineChoice


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
    from sami_eval.cli import principles
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.experiment import contrasting
    from sami_eval.generate import batch_of, chosen_engine
    from sami_eval.server.budget import Purse

    config, shown = find_config(Path.cwd()), progress.terminal(quiet)
    if contrasting.is_of_pairs(settings):
        _show(contrasting.of_pairs(settings, config, shown, not dry_run), as_json)
        return
    batch = batch_of(settings, config)
    choice = chosen_engine(settings, config, Purse(closed=dry_run), batch=batch)
    if principles.check(settings):
        sampling, spec = contrasting.drafts_sampling(settings), settings.principle_writer or ""
        writer = contrasting.writer_of(spec, settings.base, config, choice.client)
        principles.write(settings, writer, sampling, choice, config, shown, dry_run, as_json)
        return
    if dry_run:
        _foresee(settings, choice, config, shown, as_json)
        return
    _show(contrasting.write(settings, choice, config, shown), as_json)


def _show(written: Written, as_json: bool) -> None:
    """The summary, and a failure where nothing is left to train on."""
    from sami_eval.cli.contrast_output import print_summary

    print_summary(written, as_json)
    written.check()


def _foresee(
    settings: ContrastSettings,
    choice: EngineChoice,
    config: Config,
    progress: Progress,
    as_json: bool,
) -> None:
    """What writing would take."""
    from sami_eval.align import adapters
    from sami_eval.cli.contrast_output import print_dry_run
    from sami_eval.experiment.contrasting import asked_for
    from sami_eval.experiment.questions import WORLD
    from sami_eval.ledger.store import Ledger

    asked = asked_for(settings, choice, config, progress)
    with Ledger(config.ledger_path, read_only=True) as ledger:
        drafts = adapters.drafts_of(asked.writer, asked.prompts, asked.principles, asked.plan)
        requests = [request for one in drafts for request in one.requests]
        stored, missing = adapters.yet_to_write(requests, choice, ledger)
    world = (settings.prompts or WORLD, str(settings.constitutions or WORLD))
    print_dry_run(asked.writer, world, choice.client, drafts, stored, missing, as_json)
