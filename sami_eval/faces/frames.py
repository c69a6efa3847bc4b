"""The rows of a data frame: a document's figures, flat, under the names they have there.

An interval is two columns, `low` and `high`, or `NAME_low` and `NAME_high`; lists and tables inside
a row are left out: result["..."] has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.experiment.passk_document import EstimateRow, PasskContender
from sami_eval.report import kept, passk_rows
from sami_eval.report.table import Table

if TYPE_CHECKING:
    from sami_eval.report.finished import Finished

Rows = list[dict[str, Any]]
ByK = dict[str, EstimateRow]
OF_RUNS = ("sami-eval/comparison/1", "sami-eval/passk/1")
OF_K = [name for name, kind in get_type_hints(PasskContender).items() if kind == ByK]
UNKNOWN: EstimateRow = {"value": None, "interval": None}
ALL = "all"  # in the place of a category: of all of them
ENDS = {"interval": ("low", "high"), "range": ("range_low", "range_high")}


def rows_of(found: Finished, place: Path | None, rows: str | None) -> Rows:
    """The rows of a name; by default the main ones. Raises UsageError for a name of none."""
    known: dict[str, Callable[[], Rows]] = {}
    if found["schema"] == "sami-eval/comparison/1":
        known["categories"] = lambda: list(_categories(found["comparisons"]))
        known["ranking"] = lambda: [flat(row) for row in found["ranking"]]
    elif found["schema"] == "sami-eval/passk/1":
        known["contenders"] = lambda: list(_by_k(found["contenders"], found["ks"]))
        known["differences"] = lambda: [flat(row) for row in found["differences"]]
        known["every_k"] = lambda: _table(passk_rows.at_every_k(found))
    elif found["schema"] == "sami-eval/agreement/1":
        known["agreement"] = lambda: list(_agreement(found))
        known["judges"] = lambda: list(_judges(found["judges"]))
    elif found["schema"] == "sami-eval/scored/1":
        known["differences"] = lambda: [flat(row) for row in found["differences"]]
        known["scores"] = lambda: list(_scored(found["logs"]))
    else:
        known["results"] = lambda: list(_reproduced(found["results"]))
    if place is not None and found["schema"] in OF_RUNS:
        known["questions"] = lambda: _questions(found, place)
    if rows is not None and rows not in known:
        raise UsageError(f"this result has no rows `{rows}`", did_you_mean(rows, known, "it has "))
    return known[rows or next(iter(known))]()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what lies inside it; its intervals as their two ends."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        start, _, last = name.rpartition("_")
        if last in ENDS:
            names = [f"{start}_{end}" if start else end for end in ENDS[last]]
            found |= dict(zip(names, value or (None, None), strict=True))
        elif not isinstance(value, list | Mapping):
            found[name] = value
    return found


def _categories(comparisons: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every pair as a whole, and by category."""
    for row in comparisons:
        pair = {"a": row["a"], "b": row["b"]}
        for category, one in {ALL: row, **row["by_category"]}.items():
            yield {**pair, "category": category, **flat(one)}


def _by_k(contenders: Sequence[Mapping[str, Any]], ks: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Every contender at every k."""
    for row in contenders:
        for k in ks:
            found = {"contender": row["name"], "k": k}
            for name in OF_K:
                one = row[name].get(str(k), UNKNOWN)
                found |= flat({name: one["value"], f"{name}_interval": one["interval"]})
            yield found


def _agreement(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The judge with people and people with each other, as a whole and by category."""
    for category, sides in {ALL: found, **found["by_category"]}.items():
        for raters in ("judge_with_people", "people", "judge_there"):
            for measure, row in sides[raters].items():
                value = row.get("agreement", row.get("kappa"))
                said = {"category": category, "raters": raters, "measure": measure}
                yield {**said, "value": value, **flat(_others(row))}


def _others(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("agreement", "kappa")}


def _judges(judges: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in judges:
        for measure in ("with_ties", "without_ties"):
            yield {**flat(row), "measure": measure, **flat(row[measure])}


def _scored(logs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every log by every scorer."""
    for log in logs:
        yield from ({"log": log["name"], **flat(row)} for row in log["scores"])


def _reproduced(results: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every pairing and gain beside the published figure."""
    for result in results:
        for row in result.get("pairs", result.get("gains", ())):
            yield {"result": result["name"], **flat(row)}


def _questions(found: Finished, place: Path) -> Rows:
    """The finest figures of a run."""
    (((table),),) = kept.scores(found, place)
    assert isinstance(table, Table)
    return _table(table)


def _table(table: Table) -> Rows:
    names = [column.name for column in table.columns]
    return [
        dict(zip(names, (cell.values[0] for cell in row.cells), strict=True)) for row in table.rows
    ]
