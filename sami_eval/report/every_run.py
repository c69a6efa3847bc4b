"""What every finished run says beside its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sami_eval.data.unanswered import answers_of
from sami_eval.report import cell
from sami_eval.report.figures import shorten
from sami_eval.report.table import Cell, Row, Table, columns, said
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from sami_eval.experiment.document import ContenderRow, Document
    from sami_eval.experiment.passk_document import PasskContender, PasskDocument
    from sami_eval.report.table import Block

EMBEDDED = (
    "embedded base: a tiny model in a made-up world; these figures show that the machinery works "
    "and say nothing about large models; its adapters, so the figures too, vary by processor"
)


def ending(document: Document | PasskDocument, verbose: bool) -> Iterator[list[Block]]:
    """The last paragraphs: the caveat of the embedded base, and what each stage took."""
    if document["embedded"]:
        yield [said(EMBEDDED, style="italic")]
    if verbose:
        yield [_stages(document["seconds"], document["memory_mb"])]


def _stages(seconds_of: Mapping[str, float], memory_mb: Mapping[str, float]) -> Table:
    rows = []
    for stage, seconds in seconds_of.items():
        memory = memory_mb.get(stage)
        peak = Cell("-" if memory is None else f"{memory:,.0f} MB", (memory,))
        rows.append(Row((cell.text(stage), Cell(f"{seconds:.1f}", (seconds,)), peak)))
    return Table(columns("stage", "seconds", "peak memory"), (tuple(rows),), exported=False)


def answer_facts(
    contenders: Sequence[ContenderRow] | Sequence[PasskContender],
) -> Iterator[tuple[str, str]]:
    """Empty answers, thoughts, further choices, and prompts that were trained on."""
    answers = answers_of(contenders)
    told = {
        "empty answers": {n: _share(row["empty"], row["n"]) for n, row in answers.items()},
        "thoughts left out": {n: _share(row["thoughts"], row["n"]) for n, row in answers.items()},
        "choices not judged": {
            name: f"{row['further']:,}" if row["further"] else "" for name, row in answers.items()
        },
    }
    for label, of in told.items():
        if any(of.values()):
            yield label, ", ".join(f"{shorten(name)} {said}" for name, said in of.items() if said)
    for row in contenders:
        if row["trained_on"]:
            n, example = len(row["trained_on"]), row["trained_on"][0]
            yield "trained on prompts", f"{row['name']}: {n:,} of the evaluation, e.g. {example}"


def _share(n: int, of: int) -> str:
    return f"{n:,} of {of:,}" if n else ""


def unseen(document: Document | PasskDocument) -> str:
    """What calls may have cost whose usage was not seen; empty for none."""
    most = document["cost_unseen_usd"]
    return f", up to {dollars(most)} more for calls whose usage was not seen" if most else ""
