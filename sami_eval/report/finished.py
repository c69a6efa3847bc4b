"""Any kind of finished result, by the schema of its document: its report, which every form writes.

A new kind of result is a module with `report(document)`, and its lines here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sami_eval.experiment import agreement_document, document, passk_document, scored_document
from sami_eval.experiment.envelope import Kind, read
from sami_eval.experiment.reproduce import document as reproduction_document

if TYPE_CHECKING:
    from sami_eval.report.glance import Glance
    from sami_eval.report.table import Report

Finished = (
    document.Document
    | passk_document.PasskDocument
    | agreement_document.AgreementDocument
    | scored_document.ScoredDocument
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
    if found["schema"] == scored_document.SCHEMA:
        from sami_eval.report import scored

        return scored.report(found)
    from sami_eval.report import reproduction

    return reproduction.report(found, verbose)


def glance_of(found: Finished) -> Glance | None:
    """Its verdict, and what that rests on; None where a kind of result has no single one."""
    if found["schema"] == document.SCHEMA:
        from sami_eval.report import comparison_glance

        return comparison_glance.glance(found)
    if found["schema"] == passk_document.SCHEMA:
        from sami_eval.report import passk_glance

        return passk_glance.glance(found)
    if found["schema"] == agreement_document.SCHEMA:
        from sami_eval.report import agreement

        return agreement.glance(found)
    if found["schema"] == scored_document.SCHEMA:
        from sami_eval.report import scored

        return scored.glance(found)
    return None


def about(found: Finished) -> tuple[str, str]:
    """Task, n and judge in a line, and the command that makes it again, for a table's reader."""
    if found["schema"] == document.SCHEMA:
        from sami_eval.report import comparison

        return comparison.title(found), found["command"]
    if found["schema"] == passk_document.SCHEMA:
        from sami_eval.report import passk

        return f"{passk.title(found)} · {passk.settings(found)}", found["command"]
    if found["schema"] == agreement_document.SCHEMA:
        from sami_eval.report import agreement

        return agreement.title(found), agreement.command(found)
    if found["schema"] == scored_document.SCHEMA:
        from sami_eval.report import scored

        return scored.title(found), scored.command(found)
    from sami_eval.report import reproduction

    return reproduction.title(found), found["command"]


# Those whose document lies in a folder of its own; others are files that somebody kept.
_IN_FOLDERS: tuple[Kind[Any], ...] = (
    document.KIND,
    passk_document.KIND,
    reproduction_document.KIND,
)
_KINDS = {
    kind.schema: kind for kind in (*_IN_FOLDERS, agreement_document.KIND, scored_document.KIND)
}


def finished_in(folder: Path) -> Finished | None:
    """The document of a finished run; None where there is none. Raises UsageError if spoilt."""
    for kind in _IN_FOLDERS:
        if (path := folder / kind.file).is_file():
            return cast(Finished, read(kind, path))
    return None


def read_finished(path: Path) -> Finished | None:
    """A document in a file, by its schema; None: none of ours. Raises UsageError if spoilt."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None  # whoever reads it as something else says what is wrong
    schema = data.get("schema") if isinstance(data, dict) else None
    kind = _KINDS.get(schema) if isinstance(schema, str) else None
    return None if kind is None else cast(Finished, read(kind, path))
