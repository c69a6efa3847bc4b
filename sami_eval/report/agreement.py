"""Judge and people side by side: the verdict, the tables, and what stands around them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from sami_eval.report import cell
from sami_eval.report.figures import percent, shorten
from sami_eval.report.glance import Glance, State, blocks
from sami_eval.report.table import (
    Bar,
    Block,
    Cell,
    Column,
    Lines,
    Report,
    Row,
    Table,
    columns,
    said,
)
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from sami_eval.experiment.agreement_document import (
        AgreedRow,
        AgreementDocument,
        BeyondChanceRow,
        RatersRow,
        SidesRow,
    )

Side = Literal["judge_with_people", "people", "judge_there"]
CEILING = "people with each other on the same turns: the ceiling"
THERE = "the judge with people on those turns alone, which have several voters"
ALL = cell.text("all")


def report(document: AgreementDocument) -> Report:
    """The whole result: its verdict, judge with people, people with each other, who says what."""
    paragraphs: list[list[Block]] = [blocks(glance(document))]
    paragraphs += [[Lines((title(document),), "bold", exported=True)]]
    paragraphs += [_part("judge with people", "votes", list(_rows(document, "judge_with_people")))]
    if document["people"]["with_ties"]["n"]:
        paragraphs += [_part(CEILING, "pairs", list(_rows(document, "people")))]
        paragraphs += [_part(THERE, "votes", [_row(ALL, document["judge_there"])])]
    else:
        paragraphs += [[said("no turn has two voters: no ceiling can be measured")]]
    if document["judges"]:
        paragraphs.append([*_candidates(document), said(*_recommended(document))])
    return [*paragraphs, [_confusion(document)], [said(*_words(document))]]


def title(document: AgreementDocument) -> str:
    """Who is compared, on how much."""
    pairs = f"{document['n_pairs']} pairs of models"
    pair = f"{document['a']} : {document['b']}" if document["a"] else pairs
    return (
        f"judge {document['judge']} and {document['n_voters']} voters · {pair} · "
        f"{document['n_votes']} votes, {document['n_questions']} questions"
    )


def command(document: AgreementDocument) -> str:
    """What says it again."""
    return shlex.join(["sami-eval", "agreement", document["source"], "--votes", document["votes"]])


def glance(document: AgreementDocument) -> Glance:
    """Whether the judge says what people say as often as they say the same as one another."""
    judge, figure = document["judge"], document["judge_with_people"]["with_ties"]
    if figure["agreement"] is None:
        return Glance("unknown", f"unknown: no vote is on what {judge} has an outcome for", "n 0")
    there, people = document["judge_there"]["with_ties"], document["people"]["with_ties"]
    asked = f"{figure['n']:,} votes on {figure['n_questions']:,} questions"
    told = f"{judge} says what people say on {_share(figure).text} of {asked}, ties too"
    state, verdict = _beside_people(judge, figure, there, people)
    because = [] if people["agreement"] is None else [_ceiling(there, people)]
    return Glance(state, verdict, told, tuple(because), (_bar(document),))


def _beside_people(
    judge: str, figure: AgreedRow, there: AgreedRow, people: AgreedRow
) -> tuple[State, str]:
    """By intervals that do not meet: where they do, nothing is said of a difference."""
    if people["interval"] is None or there["interval"] is None:
        return "measured", f"{judge} agrees with people on {percent(figure['agreement'])} of votes"
    (low, high), (least, most) = there["interval"], people["interval"]
    if low > most or high < least:
        how = "more" if low > most else "less"
        return "better", f"{judge} agrees with people {how} often than they do with each other"
    return "undecided", (
        f"undecided whether {judge} agrees with people as often as they do with each other: "
        "how many votes it needs is not known"
    )


def _ceiling(there: AgreedRow, people: AgreedRow) -> str:
    return (
        f"where a turn has several voters: the judge {_share(there).text} of {there['n']:,} votes, "
        f"people with each other {_share(people).text} of {people['n']:,} pairs"
    )


def _bar(document: AgreementDocument) -> Bar:
    """Votes on which the judge says the same, one of both says tie, or they say the opposite."""
    found = document["confusion"]
    same = found["a"]["a"] + found["tie"]["tie"] + found["b"]["b"]
    opposite = found["a"]["b"] + found["b"]["a"]
    tied = document["n_votes"] - same - opposite
    text = f"votes: {same:,} the same, {tied:,} a tie on one side, {opposite:,} the opposite"
    return Bar(f"the same {same:,}", (same, tied, opposite), f"{opposite:,} the opposite", text)


def _part(about: str, unit: str, rows: list[Row]) -> list[Block]:
    sections = tuple(row for row in rows if not row.total), tuple(row for row in rows if row.total)
    heads = columns("", unit, "with ties", "n", "without ties", "kappa")
    return [Lines((about,), exported=True), Table(heads, sections, name=about)]


def _rows(document: AgreementDocument, side: Side) -> Iterator[Row]:
    for name, row in _groups(document):
        yield _row(name, row[side])


def _groups(document: AgreementDocument) -> Iterator[tuple[Cell, SidesRow]]:
    for category, row in document["by_category"].items():
        yield cell.text(category, 16), row
    for turn, row in document["by_turn"].items():
        yield cell.text(f"turn {turn}"), row
    for kind, rows in document["by_kind"].items():
        for turn, row in rows.items():
            name = f"{kind}, turn {turn}"
            yield Cell(name, (name,), f"{shorten(kind, 8)}, turn {turn}"), row
    yield ALL, document


def _candidates(document: AgreementDocument) -> list[Block]:
    """The judges at hand, the best first, and what each costs."""
    rows = tuple(
        Row(
            (
                cell.text(row["judge"], 24),
                cell.both(row["with_ties"]["agreement"], row["with_ties"]["interval"]),
                cell.share(row["without_ties"]["agreement"]),
                _usd(row["usd_per_1000"]),
                cell.many(_whole(row["agreed_per_usd"])),
                cell.text("yes" if row["worse"] else ""),
            )
        )
        for row in document["judges"]
    )
    n = document["judges"][0]["with_ties"]["n"]
    about = f"judges at hand, on the {n:,} votes that all of them have an outcome for"
    heads = columns("judge", "with ties", "without", "$ / 1,000", "agreed / $", "worse")
    return [Lines((about,), exported=True), Table(heads, (rows,), name=about)]


def _usd(amount: float | None) -> Cell:
    return Cell("-" if amount is None else dollars(amount), (amount,))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _recommended(document: AgreementDocument) -> Iterator[str]:
    """Which judge to take, and why."""
    yield "$ of 1,000 turns; agreed: turns a dollar on which it says what people say;"
    yield "worse: the votes tell it from the best"
    name = document["recommended"]
    good = [row for row in document["judges"] if not row["worse"]]
    if name is None:
        yield f"recommended: none: {len(good)} are not told from each other, and no cost is known"
    elif len(good) == 1:
        yield f"recommended: {name}: the votes tell all others from it"
    else:
        unpriced = any(row["usd_per_1000"] is None for row in good)
        known = " whose cost is known" if unpriced else ""
        yield f"recommended: {name}, the cheapest of those not worse than the best{known}"


def _row(name: Cell, raters: RatersRow) -> Row:
    cells = (
        name,
        cell.count(raters["with_ties"]["n"]),
        _share(raters["with_ties"]),
        cell.count(raters["without_ties"]["n"]),
        _share(raters["without_ties"]),
        _kappa(raters["kappa"]),
    )
    return Row(cells, total=name is ALL)


def _share(figure: AgreedRow) -> Cell:
    return cell.both(figure["agreement"], figure["interval"])


def _kappa(figure: BeyondChanceRow) -> Cell:
    value, ends = figure["kappa"], figure["interval"]
    if value is None or ends is None:
        return Cell("-", (None, None, None))
    return Cell(f"{_two(value)} {_two(ends[0])}–{_two(ends[1])}", (value, *ends))


def _two(value: float) -> str:
    """A kappa as ".42"; 1 as "1.00"."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def _confusion(document: AgreementDocument) -> Table:
    """Votes by what the judge (rows) and people (columns) say of them."""
    a, b = document["a"] or "preferred", document["b"] or "other"
    names = {"a": cell.text(a, 11), "tie": cell.text("tie"), "b": cell.text(b, 11)}
    found = document["confusion"]
    counts = {
        judge: [said["a"], said["tie"], said["b"]]
        for judge, said in (("a", found["a"]), ("tie", found["tie"]), ("b", found["b"]))
    }
    rows = [
        Row((names[judge], *map(cell.count, of), cell.count(sum(of))))
        for judge, of in counts.items()
    ]
    sums = [sum(of) for of in zip(*counts.values(), strict=True)]
    total = Row((ALL, *map(cell.count, sums), cell.count(sum(sums))), total=True)
    heads = [Column(one.text, one.short) for one in names.values()]
    sections = tuple(rows), (total,)
    return Table(columns("judge \\ people", *heads, "all"), sections, name="who says what")


def _words(document: AgreementDocument) -> Iterator[str]:
    if document["a"] is None:
        yield "preferred: the model of each pair that people prefer more often"
    yield "intervals at 95%, the question as the cluster; without ties: where both decided;"
    yield "kappa: agreement beyond chance, ties as a third outcome"
    kappas = [f"judge {_kappa(document['judge_with_people']['kappa_both_ways']).text}"]
    if document["people"]["with_ties"]["n"]:
        kappas.append(f"people {_kappa(document['people']['kappa_both_ways']).text}")
    yield "kappa hangs on which model of a pair stands first; every turn counted both ways"
    yield f"round, it is: {', '.join(kappas)}"
    if document["n_scores_unused"]:
        n = document["n_scores_unused"]
        yield f"{n} verdicts carry a score: not used, winners alone count"
    if document["n_votes_left_out"]:
        n = document["n_votes_left_out"]
        yield f"{n} votes are on what the judge has no outcome for: left out"
