"""Any kind of finished result, by its document: one report, which every form writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sami_eval.experiment.agreement_document import AgreementDocument
    from sami_eval.experiment.document import Document
    from sami_eval.experiment.passk_document import PasskDocument
    from sami_eval.experiment.reproduce.document import Reproduction
    from sami_eval.report.table import Report

    Finished = Document | PasskDocument | AgreementDocument | Reproduction


def report_of(document: Finished, verbose: bool = False) -> Report:
    """What a document says, by its schema; verbose: what each stage took, too."""
    if document["schema"] == "sami-eval/comparison/1":
        from sami_eval.report import comparison

        return comparison.report(document, verbose)
    if document["schema"] == "sami-eval/passk/1":
        from sami_eval.report import passk

        return passk.report(document, verbose)
    if document["schema"] == "sami-eval/agreement/1":
        from sami_eval.report import agreement

        return agreement.report(document)
    from sami_eval.report import reproduction

    return reproduction.report(document, verbose)
