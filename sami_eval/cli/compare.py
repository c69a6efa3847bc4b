"""`sami-eval compare`: which of these models is better, or is it noise?"""

from __future__ import annotations

from pathlib import Path

from sami_eval.cli.flags import DryRun, Html, Json, Open, Quiet, Verbose
from sami_eval.experiment.settings import CompareSettings


def compare(
    settings: CompareSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    command: str | None = None,
    html: Html = False,
    opened: Open = False,
) -> None:
    """Judge contenders pairwise and say whether the difference is real."""
    from sami_eval.cli.output import print_document, print_forecast, typed_command, write_page
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.experiment import compare as kind
    from sami_eval.experiment.frame import forecast, run
    from sami_eval.report import kept, trackers
    from sami_eval.report.unanswered import check_unparsed

    config, command = find_config(Path.cwd()), command or typed_command()
    chosen = trackers.chosen(settings.report_to)
    if dry_run:
        print_forecast(forecast(kind, settings, config), as_json)
        return
    document = run(kind, settings, config, progress.terminal(quiet), command=command)
    print_document(document, as_json, verbose)
    if html or opened:
        write_page(*kept.find(document["run"], config.root), opened)
    trackers.send(chosen, document, config.root / document["run"])
    check_unparsed(document, settings.max_unparsed)
