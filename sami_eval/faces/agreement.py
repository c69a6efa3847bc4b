"""`sami_eval.agreement`: how far a judge can be trusted, by people's votes."""

from __future__ import annotations

from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.face import asked, face
from sami_eval.experiment.agree import measured
from sami_eval.experiment.agreement_document import AgreementDocument
from sami_eval.experiment.settings import AgreementSettings
from sami_eval.faces.finish import nearest
from sami_eval.faces.result import Result
from sami_eval.report import trackers


@face(AgreementSettings)
def agreement(
    judged: str | Path | None = None,
    *,
    beside: list[str] | tuple[str, ...] = (),
    votes: str | Path | None = None,
    vote_names: list[str] | tuple[str, ...] = (),
    report_to: list[str] | tuple[str, ...] = (),
    config: Config | None = None,
) -> Result[AgreementDocument]:
    """Compare a judge with people's votes, and people with each other: `sami-eval agreement`.

    config: the nearest `sami-eval.toml` by default.
    Returns the document that `--json` prints (docs/formats.md), which shows itself.
    Raises UsageError without votes, and where judge and people have no question in common.
    """
    settings = asked(AgreementSettings, locals())
    chosen = trackers.chosen(settings.report_to)
    document = measured(settings, nearest(config))
    trackers.send(chosen, document, Path())
    return Result(document)
