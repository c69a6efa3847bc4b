"""pass@k figures as one self-contained HTML file: curves, differences, samples to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sami_eval.core.types import Prompt
from sami_eval.experiment.passk_document import PasskContender, PasskDocument
from sami_eval.report import passk_console as console
from sami_eval.report import passk_export, plots
from sami_eval.report.console import EMBEDDED
from sami_eval.report.html import chosen, fill, made_by, took

MOST_PROBLEMS = 60  # to read in the page; `--csv` has all of them
MOST_CHARACTERS = 4000  # of a sample shown

Sample = Mapping[str, Any]  # a line of samples.jsonl


@dataclass(frozen=True, slots=True)
class PasskRun:
    """All that the run folder of a pass@k measurement holds."""

    document: PasskDocument
    problems: Sequence[Prompt]
    samples: Sequence[Sample]


def page(run: PasskRun) -> str:
    """The report. Every text of a model is escaped."""
    document = run.document
    verdicts = console.verdicts(document)
    header, rows = passk_export.figures_table(document)
    reach = max([abs(end) for d in document["differences"] for end in d["interval"]], default=1)
    paper = document["settings"]["protocol"] == "paper"
    views = {
        "title": console.title(document),
        "headline": verdicts[0] if verdicts else _alone(document),
        "lines": verdicts[1:],
        "caveat": EMBEDDED if document["embedded"] else "",
        "warnings": console.warnings(document),
        "settings": console.settings(document),
        "chart": plots.line_chart("pass@k", "k", list(_lines(document)), "{:.0%}".format),
        "tables": [{"header": header, "rows": rows}],
        "notes": [*console.notes(document), *(console.paper_flaws(document) if paper else ())],
        "difference_header": passk_export.differences_table(document)[0],
        "differences": list(_differences(document, reach)),
        "reach": 100 * reach,
        "facts": list(console.fact_rows(document)),
        "trainings": plots.trainings(document["contenders"]),
        "problems": list(_problems(run)),
        "n_problems": document["n_problems"],
        "command": document["command"] or "from Python",
        "provenance": list(_provenance(document)),
    }
    return fill("passk.html.jinja", views)


def _alone(document: PasskDocument) -> str:
    row, k = document["contenders"][0], str(document["ks"][0])
    figure = " ".join(console.cells(row["pass_at_k"][k]))
    return f"{row['name']} solves {figure} at k = {k}"


def _lines(document: PasskDocument) -> Iterator[plots.Line]:
    for row in document["contenders"]:
        points = [(float(k), _value(row, k)) for k in document["ks"]]
        bands = [_band(row, k) for k in document["ks"]]
        yield row["name"], points, bands


def _value(row: PasskContender, k: int) -> float:
    return row["pass_at_k"][str(k)]["value"] or 0.0


def _band(row: PasskContender, k: int) -> tuple[float, float]:
    low, high = row["pass_at_k"][str(k)]["interval"] or [_value(row, k)] * 2
    return low, high


def _differences(document: PasskDocument, reach: float) -> Iterator[dict[str, Any]]:
    def place(value: float) -> float:
        return 0.5 + 0.5 * value / (reach or 1)

    _, rows = passk_export.differences_table(document)
    for cells, row in zip(rows, document["differences"], strict=True):
        yield {
            "cells": cells,
            "significant": row["significant"],
            "low": place(row["interval"][0]),
            "mid": place(row["value"]),
            "high": place(row["interval"][1]),
        }


def _problems(run: PasskRun) -> Iterator[dict[str, Any]]:
    """Problems by how far apart the contenders' shares of right samples are."""
    of: dict[str, dict[str, list[Sample]]] = {}
    for sample in run.samples:
        if sample["sample"] is not None:  # None: the greedy attempt, which is no sample
            of.setdefault(str(sample["problem_id"]), {}).setdefault(
                str(sample["model"]), []
            ).append(sample)
    known = [problem for problem in run.problems if problem.id in of]
    known.sort(key=lambda problem: -_apart(of[problem.id]))
    for problem in known[:MOST_PROBLEMS]:
        yield {
            "id": problem.id,
            "question": problem.turns[0],
            "gold": (problem.reference or ("",))[0],
            "sides": [_side(name, several) for name, several in of[problem.id].items()],
        }


def _apart(sides: Mapping[str, Sequence[Sample]]) -> float:
    shares = [sum(bool(s["right"]) for s in several) / len(several) for several in sides.values()]
    return max(shares) - min(shares)


def _side(name: str, several: Sequence[Sample]) -> dict[str, Any]:
    one_each = [
        next((s for s in several if bool(s["right"]) is right), None) for right in (True, False)
    ]
    return {
        "name": name,
        "n": len(several),
        "right": sum(bool(sample["right"]) for sample in several),
        "samples": [
            {"right": s["right"], "answer": s["answer"], "text": str(s["text"])[:MOST_CHARACTERS]}
            for s in one_each
            if s is not None
        ],
    }


def _provenance(document: PasskDocument) -> Iterator[tuple[str, str]]:
    yield from made_by(document)
    names = ("source", "split", "shots", "prompt", "extractor", "temperature", "top_p")
    yield from chosen(document["settings"], (*names, "max_tokens", "seed", "limit", "protocol"))
    yield "time", took(document)
