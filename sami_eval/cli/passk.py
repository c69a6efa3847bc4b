"""`sami-eval passk`: how often is one of k samples right, and which model is ahead?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.cli.flags import DryRun, Json, Quiet, Verbose
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
) -> None:
    """Sample answers to math problems; pass@k and paired differences with intervals."""
    from sami_eval.cli.output import print_document, print_forecast, typed_command
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.data.unanswered import answers_of, check_empty
    from sami_eval.experiment import passk as kind
    from sami_eval.experiment.frame import forecast, run

    config, command = find_config(Path.cwd()), command or typed_command()
    if dry_run:
        print_forecast(forecast(kind, settings, config), as_json)
        return
    document = run(kind, settings, config, progress.terminal(quiet), command=command)
    warn(document)
    print_document(document, as_json, verbose)
    check_empty(answers_of(document["contenders"]), settings.max_unparsed)


def warn(document: PasskDocument) -> None:
    """What spoils the figures, to stderr too, where it is seen beside JSON."""
    from sami_eval.report.passk import warnings

    for line in warnings(document):
        print(line, file=sys.stderr)


def show_passk(
    folder: Path,
    as_json: bool,
    markdown: bool,
    latex: bool,
    csv: Path | None,
    html: bool,
    verbose: bool,
) -> None:
    """A finished run again, or exported."""
    from sami_eval.cli.output import print_document, write
    from sami_eval.core.records import read_lines
    from sami_eval.data.prompts import read_prompts
    from sami_eval.experiment import runs
    from sami_eval.experiment.passk_document import read_passk
    from sami_eval.report.formats.csv import csv as as_csv
    from sami_eval.report.formats.latex import latex as in_latex
    from sami_eval.report.formats.markdown import markdown as in_markdown
    from sami_eval.report.passk import report, scores
    from sami_eval.report.passk_page import PasskRun, passk_page

    document = read_passk(folder / runs.PASSK)
    samples = folder / "samples.jsonl"
    rows = [row for _, row in read_lines(samples, "sami-eval ls runs")] if csv or html else []
    if csv is not None:
        write(csv, as_csv([[scores(document, rows)]]))
    if html:
        problems = read_prompts(folder / "problems.jsonl")
        write(folder / runs.REPORT, passk_page(PasskRun(document, problems, rows)))
    if markdown or latex:
        sys.stdout.write((in_markdown if markdown else in_latex)(report(document)))
    elif as_json or not (csv or html):
        print_document(document, as_json, verbose)
