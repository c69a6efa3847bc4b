"""Finished pass@k figures at a glance: who solves more, at the k that the verdict is of.

The verdict is of the smallest k asked for, whatever the others show: a k chosen by its result would
find a difference too often. Holm goes over every pair and k all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sami_eval.report import figures, stopping
from sami_eval.report.glance import Glance, State, listed, overall, state_of
from sami_eval.report.table import Bar

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import DifferenceRow, EstimateRow, PasskDocument

NARROW = 0.02  # two points of pass@k either way are close to none


def glance(document: PasskDocument) -> Glance:
    """One contender by itself, a pair, or several."""
    rows = _primary(document)
    at = f"at k = {_k(document)}"
    if any(_found(document, name)["value"] is None for name in _names(document)):
        verdict = f"unknown {at}: no problem was solved or missed"
        return Glance("unknown", verdict, _measured(document))
    if not rows:
        (name,) = _names(document)
        share = figures.percent(_found(document, name)["value"])
        verdict = f"{name} solves {share} of the problems {at}"
        return Glance("measured", verdict, _measured(document), (), _bars(document))
    return _of_pair(document, rows[0]) if len(rows) == 1 else _of_several(document, rows)


def _k(document: PasskDocument) -> int:
    return min(document["ks"])


def _primary(document: PasskDocument) -> list[DifferenceRow]:
    """Each pair's difference at the k of the verdict."""
    return [row for row in document["differences"] if row["k"] == _k(document)]


def _names(document: PasskDocument) -> list[str]:
    return [row["name"] for row in document["contenders"]]


def _found(document: PasskDocument, name: str) -> EstimateRow:
    """pass@k of a contender at the k of the verdict."""
    (row,) = (row for row in document["contenders"] if row["name"] == name)
    return row["pass_at_k"][str(_k(document))]


def _bars(document: PasskDocument) -> tuple[Bar, ...]:
    """The share that each contender solves, as they were named."""
    return tuple(_bar(name, _found(document, name), _k(document)) for name in _names(document))


def _bar(name: str, found: EstimateRow, k: int) -> Bar:
    share = found["value"] or 0.0
    told = f"{figures.percent(found['value'])} [{figures.interval_text(found['interval'])}]"
    return Bar(name, (share, 0, 1 - share), told, f"{name}: pass@{k} {told}")


def _measured(document: PasskDocument) -> str:
    """Which k the verdict is of, and how much was asked."""
    several = ", the smallest asked for" if len(document["ks"]) > 1 else ""
    n, samples = document["n_problems"], document["samples"]
    times = "sample" if samples == 1 else "samples"
    return f"pass@{_k(document)}{several}, over {n:,} problems, {samples:,} {times} each"


def _of_pair(document: PasskDocument, row: DifferenceRow) -> Glance:
    state, sides = _state(row), f"{row['a']} and {row['b']}"
    if state == "better":
        verdict = f"{row['a']} {_verb(row)} than {row['b']} at k = {row['k']}"
    elif state == "no difference found":
        verdict = f"no difference found between {sides} at k = {row['k']}"
    else:
        verdict = f"undecided between {sides} at k = {row['k']}: {_needs(document, row)}"
    points = f"{figures.points(row['value'])} points [{figures.points_interval(row['interval'])}]"
    figure = f"{row['a']} − {row['b']}: {points}, {_measured(document)}"
    return Glance(state, verdict, figure, tuple(_because(document, row)), _bars(document))


def _state(row: DifferenceRow) -> State:
    return state_of(row["significant"], row["interval"], 0, NARROW)


def _verb(row: DifferenceRow) -> str:
    return "solves more" if row["value"] > 0 else "solves fewer"


def _needs(document: PasskDocument, row: DifferenceRow) -> str:
    """How many problems would tell, where that is known."""
    needed = row["problems_needed"]
    if needed is None or needed <= document["n_problems"]:
        return "how many problems it needs is not known"
    return f"needs about {needed:,} problems"


def _because(document: PasskDocument, row: DifferenceRow) -> Iterator[str]:
    """The test in force at this k, and what the other k say."""
    if _state(row) == "no difference found":
        within = figures.points_interval(row["interval"])
        yield f"differences outside {within} points are excluded at 95%"
    if "stopping" in row and row["stopping"]["main"]:
        yield stopping.why(row["stopping"], "problems")
        return
    n = len(document["differences"])
    holm = f" after Holm over {n} differences" if n > 1 else ""
    told = "significant" if row["significant"] else "not significant"
    yield f"{told} at 5%{holm}, {figures.p_text(row['p_adjusted'])}{_power(row)}"
    others = [one for one in document["differences"] if one["k"] != row["k"]]
    if others:
        yield f"the other k: {_said(others)}"


def _power(row: DifferenceRow) -> str:
    if row["significant"] or row["problems_needed"] is None:
        return ""
    return (
        f"; {figures.points(row['value'])} points would need about "
        f"{row['problems_needed']:,} problems for 80% power, before Holm"
    )


def _of_several(document: PasskDocument, rows: list[DifferenceRow]) -> Glance:
    """Who solves the most, and from whom it cannot be told apart."""
    at = f"at k = {_k(document)}"
    ranked = sorted(_names(document), key=lambda name: -(_found(document, name)["value"] or 0))
    first, *others = ranked
    met = {frozenset((row["a"], row["b"])) for row in rows}  # not every two of a training's steps
    others = [name for name in others if frozenset((first, name)) in met]
    apart = {frozenset((row["a"], row["b"])) for row in rows if row["significant"]}
    alike = [name for name in others if frozenset((first, name)) not in apart]
    state = overall([_state(row) for row in rows])
    if state != "better":
        verdict = f"{state} {at}: no two of {len(ranked)} contenders can be told apart"
    elif alike:
        verdict = f"{first} solves the most {at}, but cannot be told apart from {listed(alike)}"
    else:
        verdict = f"{first} solves more than {listed(others)} {at}"
    counted = f"{len(apart)} of {len(rows)} pairs decided at 5% after Holm; {_measured(document)}"
    return Glance(state, verdict, counted, (), _bars(document))


def pairs(document: PasskDocument) -> Iterator[str]:
    """What is found of every pair at every k; nothing of a single pair, of which all is said."""
    found: dict[tuple[str, str], list[DifferenceRow]] = {}
    for row in document["differences"]:
        found.setdefault((row["a"], row["b"]), []).append(row)
    if len(found) > 1:
        yield from (f"{a} against {b}: {_all(rows)}" for (a, b), rows in found.items())


def _all(rows: list[DifferenceRow]) -> str:
    first = rows[0]
    if "stopping" not in first or not first["stopping"]["main"]:
        return _said(rows)
    clause = f"{_verb(first)} at {_clause(first)}, " if first["significant"] else ""
    return f"{clause}{stopping.why(first['stopping'], 'problems')}"


def _said(rows: Iterable[DifferenceRow]) -> str:
    """At which k which side solves more, and at which the difference is not significant."""
    told = []
    for verb in ("solves more", "solves fewer"):
        found = [_clause(row) for row in rows if row["significant"] and _verb(row) == verb]
        told += [f"{verb} at {', '.join(found)}"] if found else []
    open_ones = [str(row["k"]) for row in rows if not row["significant"]]
    told += [f"not significant at k = {', '.join(open_ones)}"] if open_ones else []
    return "; ".join(told)


def _clause(row: DifferenceRow) -> str:
    points, chance = figures.points(row["value"]), figures.p_text(row["p_adjusted"])
    return f"k = {row['k']} ({points} points, {chance})"
