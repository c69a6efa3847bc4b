"""A finished comparison: its tables, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sami_eval.core.types import ALONE
from sami_eval.report import cell, comparison_glance, comparison_words, steps, unanswered
from sami_eval.report.comparison_facts import fact_rows, model_of
from sami_eval.report.every_run import ending
from sami_eval.report.figures import shorten
from sami_eval.report.glance import blocks
from sami_eval.report.table import (
    EMPTY,
    Block,
    Cell,
    Column,
    Facts,
    Lines,
    Plot,
    Report,
    Row,
    Table,
    columns,
    said,
)
from sami_eval.stats.ranking import letters

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import ComparisonRow, RankRow, TallyRow
    from sami_eval.experiment.document import Document

ORDERS = {"both": "both orders", "one": "one order", "mixed": "one order or both, by pair"}
JUDGE_WIDTH = 22
EVERY = "all"  # in the place of a category: of all of them, and of prompts that have none
ALONE_WIDTH, THAN_WIDTH = 18, 11
BESIDE_WIDTH, MOST_DECIMALS, MOST_DRAWN = 14, 7, 12  # of the matrix, at 80 columns
LEGEND = (
    "win rate of the row over the column, columns by rank; * significant at 5% after Holm; "
    "contenders that share a letter cannot be told apart by it"
)
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
        if not document["against"]:
            paragraphs += [[ranking(document)], [matrix(document), Lines((LEGEND,), exported=True)]]
        paragraphs += [[pairs(document)], [said(*words)]]
        paragraphs += steps.of_comparison(document)
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
        if name != EVERY  # of prompts without categories, it would stand there twice
    )
    whole = _tally(cell.text(EVERY), row, row["p_value"], total=True)
    return Table(
        columns("category", "turns", a, "tie", b, "win rate", "95% CI", "p"),
        (*[parts] * bool(parts), (whole, *_by_votes(row, cell.text("by votes")))),
        plot=RATES,
        name=f"win rate of {row['a']} against {row['b']}",
    )


def pairs(document: Document) -> Table:
    """Every pair of a round robin; or every contender beside one. The last cell says which way."""
    against = document["against"]
    rows = []
    for row in document["comparisons"]:
        names = cell.text(row["a"], ALONE_WIDTH) if against else cell.pair(row["a"], row["b"])
        told = _tally(names, row, row["p_adjusted"])
        word = cell.text(comparison_glance.word(row))
        rows.append(replace(told, cells=(*told.cells, word)))
        corrected = f"{names.text} by votes"
        for one in _by_votes(row, Cell(corrected, (corrected,), "  by votes")):
            rows.append(replace(one, cells=(*one.cells, EMPTY)))
    heads: list[str | Column] = [Column("turns", wide=True), "win", "tie", "loss", "win rate"]
    last = Column("verdict", left=True)
    if against:
        last = Column(f"than {against}", f"than {shorten(against, THAN_WIDTH)}", left=True)
    heads += ["95% CI", Column("p (Holm)", "p"), last]
    first = "contender" if against else "pair"
    name = f"win rates against {against}" if against else "win rates, the first over the second"
    return Table(columns(first, *heads), (tuple(rows),), plot=RATES, name=name)


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
    last = Column("p", wide=True)
    return Table(columns(*heads, last), (tuple(rows),), plot=RATES, name="each judge alone")


def ranking(document: Document) -> Table:
    """Bradley-Terry strengths and letters; a page draws the strengths around the mean of all."""
    rows = document["ranking"]
    ends = [abs(end) for row in rows for end in (row["interval"] or ())]
    reach = max([*ends, *(abs(row["strength"] or 0) for row in rows), 1e-9])
    letter = letters([row["model"] for row in rows], comparison_glance.apart(document))
    model = Column("model", left=True)
    shared = Column("letters; who shares one is not told apart", "letters", left=True)
    return Table(
        columns("rank", model, "strength", "95% CI", shared),
        (tuple(_rank(row, letter[row["model"]]) for row in rows),),
        plot=Plot("lower to higher strength", 2, 3, start=-reach, end=reach, named=2),
        name="strengths in a round robin",
    )


def _rank(row: RankRow, letter: str) -> Row:
    strength, ends = row["strength"], row["interval"]
    told = "-" if ends is None else "[{:+.2f}, {:+.2f}]".format(*ends)
    cells = (
        cell.count(row["rank"]),
        cell.text(row["model"], 20),
        Cell("-" if strength is None else f"{strength:+.2f}", (strength,)),
        Cell(told, (None, None) if ends is None else tuple(ends)),
    )
    return Row((*cells, cell.text(letter)))


def matrix(document: Document) -> Table:
    """Win rate of each row's contender over each column's, by rank; * where significant.

    A terminal names the columns by their ranks, and where they are many leaves out the decimals.
    """
    names = [row["model"] for row in document["ranking"]] or sides(document)
    several = len(names) > MOST_DECIMALS
    found = _rates(document, several)
    unknown = Cell("-", (None,))
    lines = [
        Row(
            (
                Cell(a, (a,), f"{rank} {shorten(a, BESIDE_WIDTH)}"),
                *(EMPTY if a == b else found.get((a, b), unknown) for b in names),
            )
        )
        for rank, a in enumerate(names, 1)
    ]
    heads = [Column(name, str(rank)) for rank, name in enumerate(names, 1)]
    return Table(
        columns("row over column", *heads),
        (tuple(lines),),
        name="win rate of the row over the column",
        too_wide=len(names) > MOST_DRAWN,
    )


def sides(document: Document) -> list[str]:
    """Every contender that is compared, as they were named."""
    rows = document["comparisons"]
    return list(dict.fromkeys(name for row in rows for name in (row["a"], row["b"])))


def _rates(document: Document, short: bool) -> dict[tuple[str, str], Cell]:
    """The cell of every two contenders, either way round."""
    found = {}
    for row in document["comparisons"]:
        rate, star = row["win_rate"], "*" if row["significant"] else ""
        other = None if rate is None else 1 - rate
        found[row["a"], row["b"]] = _starred(rate, star, short)
        found[row["b"], row["a"]] = _starred(other, star, short)
    return found


def _starred(rate: float | None, star: str, short: bool) -> Cell:
    known = cell.share(rate)
    mark = f" {star}" if star else ""
    whole = f"{100 * rate:.0f}{star}" if short and rate is not None else known.text + star
    return Cell(known.text + mark, known.values, whole)
