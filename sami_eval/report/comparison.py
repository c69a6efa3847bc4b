"""A finished comparison: its tables, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sami_eval.core.types import ALONE
from sami_eval.report import cell, comparison_glance, comparison_words, unanswered
from sami_eval.report.comparison_facts import fact_rows, model_of
from sami_eval.report.every_run import ending
from sami_eval.report.figures import p_text, shorten
from sami_eval.report.glance import blocks
from sami_eval.report.table import (
    EMPTY,
    Block,
    Cell,
    Column,
    Facts,
    Plot,
    Report,
    Row,
    Table,
    columns,
    said,
)

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import ComparisonRow, RankRow, TallyRow
    from sami_eval.experiment.document import Document

ORDERS = {"both": "both orders", "one": "one order", "mixed": "one order or both, by pair"}
JUDGE_WIDTH = 22
ALONE_WIDTH, THAN_WIDTH = 18, 11
RATES = Plot("0% – 50% – 100%", value=5, interval=6)


def report(document: Document, verbose: bool = False) -> Report:
    """The whole result: its verdict, title, table or tables, and what they mean in words."""
    rows = document["comparisons"]
    warned = said(*unanswered.warnings(document), style="bold red")
    paragraphs: list[list[Block]] = [blocks(comparison_glance.glance(document))]
    paragraphs += [[said(title(document), style="bold"), warned]]
    words = list(comparison_words.lines(document))
    if len(rows) == 1:
        paragraphs += [[categories(rows[0])], [said(*words)]]
    else:
        ranked: list[list[Block]] = [] if document["against"] else [[ranking(document)]]
        paragraphs += [*ranked, [pairs(document)], [said(*words)]]
    if any(row["judges"] for row in rows):
        paragraphs += [[judges(document)]]
    return [*paragraphs, [Facts(tuple(fact_rows(document)))], *ending(document, verbose)]


def title(document: Document) -> str:
    """Task, n, judge and orders in one line that is true of every pair."""
    judge = document["judge"]
    if document["judge_model"]:
        judge += f" ({document['judge_model']})"
    orders = ORDERS[document["orders"]]
    if document["judges"] and all(one.get("kind") in ALONE for one in document["judges"]):
        orders = "each answer by itself"
    if document["rule"] == "average":
        # Without the word, a rate of probabilities looks wrong beside the wins.
        averaged = orders == ORDERS["both"]
        orders = "orders averaged" if averaged else f"{orders}, averaged"
    rows = document["comparisons"]
    counts = f"{_span(r['n_questions'] for r in rows)} questions, "
    counts += f"{_span(r['n_turns'] for r in rows)} turns"
    return f"{document['task']} · {counts} · judge {judge} · {orders}"


def _span(counts: Iterable[int]) -> str:
    """What every pair has: "80", or "72 to 80" where pairs differ."""
    several = list(counts)
    least, most = min(several), max(several)
    return str(least) if least == most else f"{least} to {most}"


def categories(row: ComparisonRow) -> Table:
    """One pair, category by category; below, all of them, and that corrected by votes."""
    a, b = (Column(row[side], shorten(row[side])) for side in ("a", "b"))
    parts = tuple(
        _tally(cell.text(name, 12), one, one["p_adjusted"])
        for name, one in row["by_category"].items()
    )
    whole = _tally(cell.text("all"), row, row["p_value"], total=True)
    return Table(
        columns("category", "turns", a, "tie", b, "win rate", "95% CI", "p"),
        (parts, (whole, *_by_votes(row, cell.text("by votes")))),
        plot=RATES,
    )


def pairs(document: Document) -> Table:
    """Every pair of a round robin; or every contender beside one, which it is better than, or not.

    A significant row alone does not say which way: beside one contender, its last cell does.
    """
    against = document["against"]
    rows = []
    for row in document["comparisons"]:
        names = cell.text(row["a"], ALONE_WIDTH) if against else cell.pair(row["a"], row["b"])
        corrected = f"{names.text} by votes"
        told = [
            _tally(names, row, row["p_adjusted"]),
            *_by_votes(row, Cell(corrected, (corrected,), "  by votes")),
        ]
        if against:
            words = [cell.text(comparison_glance.direction(row)), *[EMPTY] * (len(told) - 1)]
            told = [
                replace(one, cells=(*one.cells, word))
                for one, word in zip(told, words, strict=True)
            ]
        rows += told
    turns = Column("turns", wide=True)
    heads: list[str | Column] = [turns, "win", "tie", "loss", "win rate", "95% CI", "p (Holm)"]
    if against:
        short = f"than {shorten(against, THAN_WIDTH)}"
        heads.append(Column(f"than {against}", short, left=True))
    first = "contender" if against else "pair"
    return Table(columns(first, *heads), (tuple(rows),), plot=RATES)


def _tally(name: Cell, row: TallyRow, p: float | None, total: bool = False) -> Row:
    counts = map(cell.count, (row["n_turns"], row["wins"], row["ties"], row["losses"]))
    rate = cell.share(row["win_rate"]), cell.interval(row["interval"])
    return Row((name, *counts, *rate, cell.p_value(p)), row["significant"], total)


def _by_votes(row: ComparisonRow, name: Cell) -> Iterator[Row]:
    """The win rate corrected by people's votes, and on how many turns; or none."""
    found = row["corrected"]
    if found is not None:
        rate = cell.share(found["win_rate"]), cell.interval(found["interval"])
        yield Row((name, cell.count(found["n_turns"]), EMPTY, EMPTY, EMPTY, *rate, EMPTY))


def judges(document: Document) -> Table:
    """Each judge of an ensemble alone; under a round robin, pair by pair."""
    several = len(document["comparisons"]) > 1
    rows: list[Row] = []
    for row in document["comparisons"]:
        names = cell.pair(row["a"], row["b"])
        if several and row["judges"]:
            rows.append(Row((names, *[EMPTY] * 7), heading=True))
        for one in row["judges"]:
            model = model_of(one["judge"])
            full = f"{names.text if several else 'all'} by {model}"
            short = ("  " if several else "") + shorten(model, JUDGE_WIDTH)
            rows.append(_tally(Cell(full, (full,), short), one, one["p_value"]))
    heads = ("judge alone", "turns", "win", "tie", "loss", "win rate", "95% CI")
    return Table(columns(*heads, Column("p", wide=True)), (tuple(rows),), plot=RATES)


def ranking(document: Document) -> Table:
    """Bradley-Terry strengths; a page draws them around the mean of all."""
    rows = document["ranking"]
    ends = [abs(end) for row in rows for end in (row["interval"] or ())]
    reach = max([*ends, *(abs(row["strength"] or 0) for row in rows), 1e-9])
    model = Column("model", left=True)
    ahead = Column("ahead of the next", left=True, folds=True)
    return Table(
        columns("rank", model, "strength", "95% CI", ahead),
        (tuple(map(_rank, rows)),),
        exported=False,
        plot=Plot("lower to higher strength", 2, 3, start=-reach, end=reach, named=2),
        name="ranking",
    )


def _rank(row: RankRow) -> Row:
    strength, ends = row["strength"], row["interval"]
    told = "-" if ends is None else "[{:+.2f}, {:+.2f}]".format(*ends)
    cells = (
        cell.count(row["rank"]),
        cell.text(row["model"], 20),
        Cell("-" if strength is None else f"{strength:+.2f}", (strength,)),
        Cell(told, (None, None) if ends is None else tuple(ends)),
    )
    return Row((*cells, cell.text(_ahead(row))))


def _ahead(row: RankRow) -> str:
    """Whether a ranked contender is ahead of the next."""
    if row["p_next"] is None:
        return ""
    return f"{'cannot be told apart' if row['tied_with_next'] else 'yes'} ({p_text(row['p_next'])})"


def matrix(document: Document) -> Table:
    """Win rate of each row's contender over each column's; * where significant."""
    rows = document["comparisons"]
    names = list(dict.fromkeys(name for row in rows for name in (row["a"], row["b"])))
    found: dict[tuple[str, str], Cell] = {}
    for row in rows:
        rate, star = row["win_rate"], " *" if row["significant"] else ""
        found[row["a"], row["b"]] = _starred(rate, star)
        found[row["b"], row["a"]] = _starred(None if rate is None else 1 - rate, star)
    unknown = Cell("-", (None,))
    lines = [
        Row((cell.text(a), *(EMPTY if a == b else found.get((a, b), unknown) for b in names)))
        for a in names
    ]
    return Table(
        columns("row over column", *names), (tuple(lines),), exported=False, name="every pair"
    )


def _starred(rate: float | None, star: str) -> Cell:
    known = cell.share(rate)
    return Cell(known.text + star, known.values)
