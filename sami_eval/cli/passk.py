"""`sami-eval passk`: how often is one of k samples right, and which model is ahead?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.cli.flags import DryRun, Html, Json, Open, Quiet, Verbose
from sami_eval.experiment.settings import PasskSettings

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import PasskDocument


def passk(
    settings: PasskSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    command: str | None = None,
    html: Html = False,
    opened: Open = False,
) -> None:
    """Sample answers to math problems; pass@k and paired differences with intervals."""
    from sami_eval.cli.output import print_document, print_forecast, typed_command, write_page
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.data.unanswered import answers_of, check_empty
    from sami_eval.experiment import passk as kind
    from sami_eval.experiment.frame import forecast, run
    from sami_eval.report import kept, trackers

    config, command = find_config(Path.cwd()), command or typed_command()
    chosen = trackers.chosen(settings.report_to)
    if dry_run:
        print_forecast(forecast(kind, settings, config), as_json)
        return
    document = run(kind, settings, config, progress.terminal(quiet), command=command)
    warn(document)
    print_document(document, as_json, verbose)
    if html or opened:
        write_page(*kept.find(document["run"], config.root), opened)
    trackers.send(chosen, document, config.root / document["run"])
    check_empty(answers_of(document["contenders"]), settings.max_unparsed)


def warn(document: PasskDocument) -> None:
    """What spoils the figures, to stderr too, where it is seen beside JSON."""
    from sami_eval.report.passk import warnings

    for line in warnings(document):
        print(line, file=sys.stderr)
