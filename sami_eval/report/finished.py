"""Any kind of finished result, by the schema of its document: its report, which every form writes.

A new kind of result is a module with `report(document)`, and its lines here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.experiment import agreement_document, document, passk_document
from sami_eval.experiment.envelope import read
from sami_eval.experiment.reproduce import document as reproduction_document

if TYPE_CHECKING:
    from sami_eval.report.table import Report

Finished = (
    document.Document
    | passk_document.PasskDocument
    | agreement_document.AgreementDocument
    | reproduction_document.Reproduction
)


def report_of(found: Finished, verbose: bool = False) -> Report:
    """What a document says; verbose: what each stage took, too."""
    if found["schema"] == document.SCHEMA:
        from sami_eval.report import comparison

        return comparison.report(found, verbose)
    if found["schema"] == passk_document.SCHEMA:
        from sami_eval.report import passk

        return passk.report(found, verbose)
    if found["schema"] == agreement_document.SCHEMA:
        from sami_eval.report import agreement

        return agreement.report(found)
    from sami_eval.report import reproduction

    return reproduction.report(found, verbose)


def finished_in(folder: Path) -> Finished | None:
    """The document of a finished run; None where there is none. Raises UsageError if spoilt."""
    if (path := folder / document.KIND.file).is_file():
        return document.read_document(path)
    if (path := folder / passk_document.KIND.file).is_file():
        return passk_document.read_passk(path)
    if (path := folder / reproduction_document.KIND.file).is_file():
        return read(reproduction_document.KIND, path)
    return None


def read_finished(path: Path) -> Finished | None:
    """A document in a file, by its schema; None: none of ours. Raises UsageError if spoilt."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None  # whoever reads it as something else says what is wrong
    match data.get("schema") if isinstance(data, dict) else None:
        case document.SCHEMA:
            return document.read_document(path)
        case passk_document.SCHEMA:
            return passk_document.read_passk(path)
        case agreement_document.SCHEMA:
            return read(agreement_document.KIND, path)
        case reproduction_document.SCHEMA:
            return read(reproduction_document.KIND, path)
    return None
