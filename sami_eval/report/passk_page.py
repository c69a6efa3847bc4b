"""The page of pass@k figures: curves, differences, samples to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sami_eval.core.types import Prompt
from sami_eval.experiment.passk_document import PasskContender, PasskDocument
from sami_eval.report import passk, passk_rows, plots, steps
from sami_eval.report.every_run import EMBEDDED
from sami_eval.report.html import Frame, chosen, files, made_by, page, took
from sami_eval.report.passk_glance import glance, pairs

MOST_PROBLEMS = 60  # to read in the page; `--csv` has all of them
MOST_CHARACTERS = 4000  # of a sample shown

SAID = {
    "maj@k": "the majority of k samples is right",
    "pass^k": "all k samples are right",
    "best of k": "the sample that the reward model scores highest is right",
}

Sample = Mapping[str, Any]  # a line of samples.jsonl


@dataclass(frozen=True, slots=True)
class PasskRun:
    """All that the run folder of a pass@k measurement holds."""

    document: PasskDocument
    problems: Sequence[Prompt]
    samples: Sequence[Sample]


def passk_page(run: PasskRun) -> str:
    """The report. Every text of a model is escaped, or made harmless."""
    document = run.document
    paper = document["settings"]["protocol"] == "paper"
    tables = passk.tables(document)
    differences = tables.pop() if document["differences"] else None
    parts = {
        "warnings": passk.warnings(document),
        "settings": passk.settings(document),
        "charts": list(_charts(document)),
        "said": SAID,
        "units": "groups of problems" if document["settings"].get("n_clusters") else "problems",
        "results": tables,
        "over": steps.passes(document) if document["steps"] else None,
        "over_chart": steps.pass_chart(document),
        "over_notes": [steps.OF_LAST, *steps.notes(document["steps"])],
        "notes": [*passk.notes(document), *(passk.paper_flaws(document) if paper else ())],
        "differences": differences,
        "facts": list(passk.fact_rows(document)),
        "trainings": plots.trainings(document["contenders"]),
        "problems": list(_problems(run)),
        "n_problems": document["n_problems"],
    }
    return page(_frame(document), "passk.html.jinja", parts)


def _frame(document: PasskDocument) -> Frame:
    found = glance(document)
    return Frame(
        passk.title(document),
        found.verdict,
        [*found.because, *pairs(document)],
        EMBEDDED if document["embedded"] else "",
        document["command"] or "from Python",
        list(_provenance(document)),
        files("passk", document, passk.report(document)),
        found.figure,
        found.bars,
    )


def _charts(document: PasskDocument) -> Iterator[dict[str, Any]]:
    """Each figure against k; of a run of an earlier version pass@k, banded at the table's k."""
    for name, title in passk_rows.EVERY_K.items():
        lines = [line for row in steps.over_k(document) for line in _line(document, row, name)]
        if lines:
            yield plots.line_chart(title, "k", lines, _percent, doubling=True)


def _line(document: PasskDocument, row: PasskContender, name: str) -> Iterator[plots.Line]:
    points = passk_rows.every_k(row, name)
    if points:
        band = [(k, low, high) for k, _, low, high in points if low is not None is not high]
        marked = list(map(float, document["ks"]))
        yield plots.Line(row["name"], [(k, value) for k, value, *_ in points], band, marked)
    elif name == "pass_at_k":
        yield plots.Line(row["name"], [(k, value) for k, value in row["curve"]], [*_bands(row)])


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _bands(row: PasskContender) -> Iterator[tuple[float, float, float]]:
    for k, found in row["pass_at_k"].items():
        if found["value"] is not None:
            low, high = found["interval"] or [found["value"]] * 2
            yield float(k), low, high


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
    names = ("source", "split", "shots", "prompt", "marker", "temperature", "top_p")
    yield from chosen(document["settings"], (*names, "max_tokens", "seed", "limit", "protocol"))
    yield "time", took(document)
