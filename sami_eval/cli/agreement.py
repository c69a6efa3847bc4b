"""`sami-eval agreement`: how far a judge can be trusted, by people's votes."""

from __future__ import annotations

from pathlib import Path

from sami_eval.cli.flags import Json
from sami_eval.experiment.settings import AgreementSettings


def agreement(settings: AgreementSettings, as_json: Json = False) -> None:
    """Compare a judge with people's votes, and people with each other."""
    from sami_eval.cli.output import print_document
    from sami_eval.core.config import find_config
    from sami_eval.experiment.agree import measured
    from sami_eval.report import trackers

    chosen = trackers.chosen(settings.report_to)
    document = measured(settings, find_config(Path.cwd()))
    print_document(document, as_json)
    trackers.send(chosen, document, Path())
