"""The page of a result that has no parts of its own on it: its report as it is, in the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from sami_eval.report import agreement, reproduction, scored
from sami_eval.report.html import Frame, files, page
from sami_eval.report.table import Block, Facts, Lines, Report, Table

if TYPE_CHECKING:
    from sami_eval.experiment.agreement_document import AgreementDocument
    from sami_eval.experiment.reproduce.document import Reproduction
    from sami_eval.experiment.scored_document import ScoredDocument


def agreement_page(document: AgreementDocument) -> str:
    """A judge beside people."""
    title, found = agreement.title(document), agreement.glance(document)
    provenance = [("judge", document["source"]), ("votes", document["votes"])]
    report = agreement.report(document)
    frame = Frame(
        title,
        found.verdict,
        found.because,
        "",
        agreement.command(document),
        provenance,
        files("agreement", document, report),
        found.figure,
        found.bars,
    )
    return _page(report[2:], frame)


def scored_page(document: ScoredDocument) -> str:
    """Logs side by side."""
    title, found = scored.title(document), scored.glance(document)
    report = scored.report(document)
    frame = Frame(
        title,
        found.verdict,
        found.because,
        "",
        scored.command(document),
        [(row["name"], f"{row['file']}, {row['date']}") for row in document["logs"]],
        files("scored", document, report),
        found.figure,
        found.bars,
    )
    return _page(report[2:], frame)


def reproduction_page(document: Reproduction) -> str:
    """Ours beside the published figures."""
    title, command = reproduction.title(document), document["command"] or "from Python"
    packages = ", ".join(f"{name} {one}" for name, one in document["versions"].items())
    made_of = {"folder": document["folder"], "base": document["base"]}
    made_of |= {"seed": str(document["seed"]), "sami-eval and packages": packages}
    report = reproduction.report(document, verbose=True)
    taken = files("reproduction", document, report)
    provenance = list(made_of.items())
    frame = Frame(title, document["about"], (), "", command, provenance, taken)
    return _page(report[1:], frame)


def _page(paragraphs: Report, frame: Frame) -> str:
    """paragraphs: those that the frame does not say."""
    named = any(_is_name(block) for paragraph in paragraphs for block in paragraph)
    parts = [list(_parts(paragraph, 3 if named else 2)) for paragraph in paragraphs]
    return page(frame, "report.html.jinja", {"paragraphs": parts})


def _is_name(block: Block) -> bool:
    return isinstance(block, Lines) and block.exported and block.style == "bold"


def _parts(paragraph: Sequence[Block], level: int) -> Iterator[tuple[str, Block]]:
    """Blocks and what they are on a page. level: of the headings of tables."""
    for block, below in zip_longest(paragraph, paragraph[1:]):
        if _is_name(block):
            yield "h2", block
        elif isinstance(block, Lines) and isinstance(below, Table):
            yield f"h{level}", block
        else:
            yield {Facts: "facts", Table: "table"}.get(type(block), "p"), block
