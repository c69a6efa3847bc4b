"""Over the training: a result's figures by optimizer step, in a table and a chart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sami_eval.report import cell
from sami_eval.report.drawn import drawn
from sami_eval.report.plots import Line, line_chart
from sami_eval.report.table import Block, Cell, Column, Lines, Row, Table, columns, said

if TYPE_CHECKING:
    from sami_eval.experiment.document import Document
    from sami_eval.experiment.passk_document import PasskContender, PasskDocument
    from sami_eval.experiment.step_rows import KlRow, PasskStepRow, StepRow

NAME = "over the training"
NAME_WIDTH, MOST_KS = 18, 2  # at 80 columns
TRAINING = Column("training", left=True, once=True)
OF_LAST = (
    "over the training: each step was set against the last of it alone, not every two; curves over "
    "k are of the last"
)


def of_comparison(document: Document) -> list[list[Block]]:
    """Win rates by step, drawn and in a table; nothing where there are no steps."""
    if not document["curve"]:
        return []
    return [
        [_drawn("win rate", _rates(document))],
        [rates(document), said(*notes(document["curve"]))],
    ]


def of_passk(document: PasskDocument) -> list[list[Block]]:
    """pass@k by step, drawn and in a table; nothing where there are no steps."""
    if not document["steps"]:
        return []
    title = f"pass@{min(document['ks'])}"
    said_of_it = said(OF_LAST, *notes(document["steps"]))
    return [[_drawn(title, _passes(document))], [passes(document), said_of_it]]


def _drawn(title: str, lines: Sequence[Line]) -> Lines:
    steps = sorted({int(x) for line in lines for x, _ in line.points if not line.level})
    return Lines((drawn(title, lines, "step ", steps),), drawn=True)


def rates(document: Document) -> Table:
    """A line a checkpoint: its win rate, the checks it meets, its KL divergence where known."""
    rows = document["curve"]
    met, known = any(row["checks_met"] for row in rows), any(row["kl"] for row in rows)
    heads: list[str | Column] = ["win rate", "95% CI", Column("p (Holm)", "p")]
    heads += [Column("checks met", "met"), "95% CI"] if met else []
    heads += [Column("KL, as logged", "KL")] if known else []
    lines = tuple(Row(tuple(_rate_cells(row, met, known)), row["significant"]) for row in rows)
    return Table(columns(TRAINING, "step", *heads), (lines,), name=f"{NAME}, win rates")


def _rate_cells(row: StepRow, met: bool, known: bool) -> Iterator[Cell]:
    yield from (cell.text(row["training"], NAME_WIDTH), cell.count(row["step"]))
    yield from (cell.share(row["win_rate"]), cell.interval(row["interval"]))
    yield cell.p_value(row["p_adjusted"])
    if met:
        found = row["checks_met"] or {"share": None, "interval": None, "n": 0}
        yield from (cell.share(found["share"]), cell.interval(found["interval"]))
    if known:
        yield _kl(row["kl"])


def _kl(found: KlRow | None) -> Cell:
    return Cell("-", (None,)) if found is None else Cell(f"{found['value']:.2g}", (found["value"],))


def over_k(document: PasskDocument) -> list[PasskContender]:
    """Whose figures are drawn against k: of a training's steps the last alone."""
    last = {row["training"]: row["contender"] for row in document["steps"]}
    others = {row["contender"] for row in document["steps"]} - {*last.values()}
    return [row for row in document["contenders"] if row["name"] not in others]


def passes(document: PasskDocument) -> Table:
    """A line a checkpoint: pass@k at each k, its KL divergence where known."""
    rows, ks = document["steps"], [str(k) for k in sorted(document["ks"])]
    known = any(row["kl"] for row in rows)
    heads: list[str | Column] = []
    for i, k in enumerate(ks):
        wide = i >= MOST_KS
        heads += [Column(f"pass@{k}", wide=wide), Column("95% CI", wide=wide)]
    heads += [Column("KL, as logged", "KL")] if known else []
    lines = tuple(Row(tuple(_pass_cells(row, ks, known))) for row in rows)
    return Table(columns(TRAINING, "step", *heads), (lines,), name=f"{NAME}, pass@k")


def _pass_cells(row: PasskStepRow, ks: Sequence[str], known: bool) -> Iterator[Cell]:
    yield from (cell.text(row["training"], NAME_WIDTH), cell.count(row["step"]))
    for found in (row["pass_at_k"][k] for k in ks):
        yield from (cell.share(found["value"]), cell.interval(found["interval"]))
    if known:
        yield _kl(row["kl"])


def notes(rows: Sequence[StepRow] | Sequence[PasskStepRow]) -> Iterator[str]:
    """What a curve is not."""
    yield (
        "intervals are each step's own; the best step is chosen by what was asked here, which "
        "flatters it: ask anew to trust it"
    )
    told = sorted({row["kl"]["source"].partition(" of ")[0] for row in rows if row["kl"]})
    if told:
        yield (
            f"KL: from where the training began, as its method counts it, by its log "
            f"({'; '.join(told)}), on what it was trained on; without an interval"
        )


def rate_chart(document: Document) -> dict[str, Any] | None:
    """Win rates against the step, for a page."""
    return _chart("win rate", _rates(document)) if document["curve"] else None


def pass_chart(document: PasskDocument) -> dict[str, Any] | None:
    """pass@k against the step, at the k of the verdict, for a page."""
    title = f"pass@{min(document['ks'])}"
    return _chart(title, _passes(document)) if document["steps"] else None


def _chart(title: str, lines: Sequence[Line]) -> dict[str, Any]:
    steps = [x for line in lines for x, _ in line.points if not line.level]
    ends = min(steps), max(steps)
    flat = [
        Line(line.label, [(x, line.points[0][1]) for x in ends]) if line.level else line
        for line in lines
    ]
    return line_chart(title, "step", flat, lambda share: f"{100 * share:g}%")


def _rates(document: Document) -> list[Line]:
    """A line a training, and what the one they are compared with has by definition."""
    found = [
        (row["training"], row["step"], row["win_rate"], row["interval"])
        for row in document["curve"]
    ]
    return [*_by_training(found), Line(str(document["against"]), [(0, 0.5)], level=True)]


def _passes(document: PasskDocument) -> list[Line]:
    """A line a training, and a level for each contender that is none of its steps."""
    k = str(min(document["ks"]))
    drawn_here = {row["contender"] for row in document["steps"]}
    found = [
        (row["training"], row["step"], of["value"], of["interval"])
        for row in document["steps"]
        for of in [row["pass_at_k"][k]]
    ]
    levels = [
        Line(row["name"], [(0, value)], level=True)
        for row in document["contenders"]
        for value in [row["pass_at_k"][k]["value"]]
        if row["name"] not in drawn_here and value is not None
    ]
    return [*_by_training(found), *levels]


def _by_training(
    found: Sequence[tuple[str, int, float | None, Sequence[float] | None]],
) -> Iterator[Line]:
    for name in dict.fromkeys(training for training, *_ in found):
        known = [(step, share, ends) for one, step, share, ends in found if one == name]
        points = [(float(step), share) for step, share, _ in known if share is not None]
        band = [(float(step), ends[0], ends[1]) for step, _, ends in known if ends]
        yield Line(name, points, band)
