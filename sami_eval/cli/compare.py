"""`sami-eval compare`: which of these models is better, or is it noise?"""

from __future__ import annotations

import sys
from pathlib import Path

from sami_eval.cli.flags import DryRun, Json, Quiet, Verbose
from sami_eval.experiment.settings import CompareSettings


def compare(
    settings: CompareSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    command: str | None = None,
) -> None:
    """Judge contenders pairwise and say whether the difference is real."""
    from sami_eval.cli.output import print_document, typed_command
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.experiment import compare as kind
    from sami_eval.experiment.frame import run
    from sami_eval.report.unanswered import check_unparsed

    if dry_run:
        _print_forecast(settings, as_json)
        return
    config, command = find_config(Path.cwd()), command or typed_command()
    document = run(kind, settings, config, progress.terminal(quiet), command=command)
    print_document(document, as_json, verbose)
    check_unparsed(document, settings.max_unparsed)


def _print_forecast(settings: CompareSettings, as_json: bool) -> None:
    from sami_eval.cli.output import print_json
    from sami_eval.core.config import find_config
    from sami_eval.experiment.forecast import describe, forecast, to_row

    found = forecast(settings, find_config(Path.cwd()))
    if as_json:
        print_json(to_row(found))
    else:
        print(describe(found))
        for note in found.plan.notes:
            print(note, file=sys.stderr)
