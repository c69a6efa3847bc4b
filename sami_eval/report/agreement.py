"""Judge and people side by side: JSON (schema "sami-eval/agreement/1") and terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from sami_eval.experiment.agreement import LABELS, Agreement, Figure, Raters, Row
from sami_eval.report.console import plain_table
from sami_eval.report.figures import interval_text, percent, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SCHEMA: Final = "sami-eval/agreement/1"


def agreement_row(found: Agreement, votes: str, source: str) -> dict[str, Any]:
    """Everything in JSON; votes, source: where both sides were read from."""
    return {
        "schema": SCHEMA,
        "judge": found.judge,
        "source": source,
        "votes": votes,
        "a": found.a,
        "b": found.b,
        "n_pairs": found.n_pairs,
        "n_voters": found.n_voters,
        "n_votes": found.total.judge.with_ties.n,
        "n_questions": found.total.judge.with_ties.n_questions,
        "n_votes_left_out": found.left_out,
        **_row(found.total),
        "by_category": {name: _row(row) for name, row in found.by_category.items()},
        "by_turn": {turn: _row(row) for turn, row in found.by_turn.items()},
        "by_kind": {
            kind: {turn: _row(row) for turn, row in rows.items()}
            for kind, rows in found.by_kind.items()
        },
        "n_scores_unused": found.scores_unused,
        "confusion": {
            judge: {person: found.confusion.get((judge, person), 0) for person in LABELS}
            for judge in LABELS
        },
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "judge_with_people": _raters(row.judge),
        "people": _raters(row.people),
        "judge_there": _raters(row.there),
    }


def _raters(raters: Raters) -> dict[str, Any]:
    return {
        "with_ties": _figure(raters.with_ties, "agreement"),
        "without_ties": _figure(raters.without_ties, "agreement"),
        "kappa": _figure(raters.kappa, "kappa"),
        "kappa_both_ways": _figure(raters.both_ways, "kappa"),
    }


def _figure(figure: Figure, name: str) -> dict[str, Any]:
    value, interval = figure.estimate.value, figure.estimate.interval
    return {
        name: value,
        "interval": None if interval is None else list(interval),
        "n": figure.n,
        "n_questions": figure.n_questions,
    }


def render(found: Agreement) -> RenderableType:
    """Tables at 80 columns."""
    total = found.total.judge.with_ties
    pair = f"{found.a} : {found.b}" if found.a else f"{found.n_pairs} pairs of models"
    title = f"judge {found.judge} and {found.n_voters} voters · {pair} · "
    title += f"{total.n} votes, {total.n_questions} questions"
    parts: list[RenderableType] = [Text(title, style="bold"), Text()]
    parts += [Text("judge with people"), _table("votes", _groups(found, "judge")), Text()]
    if found.total.people.with_ties.n:
        parts += [Text("people with each other on the same turns: the ceiling")]
        parts += [_table("pairs", _groups(found, "people")), Text()]
        parts += [Text("the judge with people on those turns alone, which have several voters")]
        parts += [_table("votes", iter([("all", found.total.there)])), Text()]
    else:
        parts += [Text("no turn has two voters: no ceiling can be measured"), Text()]
    parts += [_confusion(found), Text(), *_words(found)]
    return Group(*parts)


def _groups(found: Agreement, kind: str) -> Iterator[tuple[str, Raters]]:
    rows: Mapping[str, Row] = {
        **found.by_category,
        **{f"turn {turn}": row for turn, row in found.by_turn.items()},
        **{
            f"{shorten(kind, 8)}, turn {turn}": row
            for kind, rows in found.by_kind.items()
            for turn, row in rows.items()
        },
        "all": found.total,
    }
    for name, row in rows.items():
        yield name, row.judge if kind == "judge" else row.people


def _table(unit: str, groups: Iterator[tuple[str, Raters]]) -> Table:
    table = plain_table("", unit, "with ties", "n", "without ties", "kappa")
    for name, raters in groups:
        if name == "all":
            table.add_section()
        table.add_row(
            shorten(name, 16),
            str(raters.with_ties.n),
            _share(raters.with_ties),
            str(raters.without_ties.n),
            _share(raters.without_ties),
            _kappa(raters.kappa),
            style="bold" if name == "all" else None,
        )
    return table


def _share(figure: Figure) -> str:
    value, interval = figure.estimate.value, figure.estimate.interval
    return "-" if value is None else f"{percent(value)} {interval_text(interval)}"


def _kappa(figure: Figure) -> str:
    value, interval = figure.estimate.value, figure.estimate.interval
    if value is None or interval is None:
        return "-"
    return f"{_two(value)} {_two(interval[0])}–{_two(interval[1])}"


def _two(value: float) -> str:
    """A kappa as ".42"; 1 as "1.00"."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def _confusion(found: Agreement) -> Table:
    """Votes by what the judge (rows) and people (columns) say of them."""
    a, b = found.a or "preferred", found.b or "other"
    names = {"a": shorten(a), "tie": "tie", "b": shorten(b)}
    table = plain_table("judge \\ people", *(names[one] for one in LABELS), "all")
    for judge in LABELS:
        counts = [found.confusion.get((judge, person), 0) for person in LABELS]
        table.add_row(names[judge], *map(str, counts), str(sum(counts)))
    columns = [sum(found.confusion.get((j, person), 0) for j in LABELS) for person in LABELS]
    table.add_section()
    table.add_row("all", *map(str, columns), str(sum(columns)))
    return table


def _words(found: Agreement) -> Iterator[Text]:
    if found.a is None:
        yield Text("preferred: the model of each pair that people prefer more often")
    yield Text(
        "intervals at 95%, the question as the cluster; without ties: where both decided;\n"
        "kappa: agreement beyond chance, ties as a third outcome"
    )
    kappas = [f"judge {_kappa(found.total.judge.both_ways)}"]
    if found.total.people.with_ties.n:
        kappas.append(f"people {_kappa(found.total.people.both_ways)}")
    yield Text(
        "kappa hangs on which model of a pair stands first; every turn counted both ways\n"
        f"round, it is: {', '.join(kappas)}"
    )
    if found.scores_unused:
        yield Text(f"{found.scores_unused} verdicts carry a score: not used, winners alone count")
    if found.left_out:
        yield Text(f"{found.left_out} votes are on what the judge has no outcome for: left out")
