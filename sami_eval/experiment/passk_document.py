"""Finished pass@k figures as one JSON document: what `passk --json` prints and every view reads.

Intervals are over problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from sami_eval.core.comparison import Estimate
from sami_eval.core.types import Model
from sami_eval.data.unanswered import AnswersMore
from sami_eval.experiment.best_of import BestOfRow
from sami_eval.experiment.envelope import AskedMore, Kind, Took, asked_row, read
from sami_eval.experiment.every_k import Curves
from sami_eval.experiment.samples import STEADY, Figures, Paired
from sami_eval.experiment.step_rows import EstimateRow as EstimateRow
from sami_eval.experiment.step_rows import PasskStepRow
from sami_eval.experiment.stopping import StoppingRow
from sami_eval.experiment.tallies import SIGNIFICANT

SCHEMA: Final = "sami-eval/passk/1"


class CategoryRow(TypedDict):
    """pass@k of the problems of one category, by k (a text)."""

    n_problems: int
    pass_at_k: dict[str, EstimateRow]


class PasskContender(AnswersMore, AskedMore):
    """One contender: figures by k (keys are texts), and what stands behind it.

    pass_hat_k, g_pass_at_k, mg_pass_at_k: of each k above 1; empty in runs of earlier versions.
    best_of_k: where a reward model chose, of the problems whose samples all have a score;
        n_unrated: problems of which one has none.
    at_every_k: by figure [k, value, low, high], k from 1 to all samples; empty there, too.
    step: where it was named as a checkpoint of a training.
    by_category: empty where all problems are of one, where a run stopped early, and in runs of
        earlier versions.
    """

    name: str
    base: str
    adapter: str | None
    engine: str
    fingerprint: str
    prompt: str
    pass_at_k: dict[str, EstimateRow]
    maj_at_k: dict[str, EstimateRow]
    pass_hat_k: dict[str, EstimateRow]
    g_pass_at_k: dict[str, EstimateRow]
    mg_pass_at_k: dict[str, EstimateRow]
    best_of_k: dict[str, EstimateRow]
    n_unrated: int
    curve: list[list[float]]
    at_every_k: dict[str, list[list[float | None]]]
    no_answer: EstimateRow
    mean_tokens: EstimateRow
    greedy: EstimateRow
    n_cut: int
    n_ended: int
    n_identical: int
    by_category: dict[str, CategoryRow]
    any_of_k: dict[str, float]
    trained_on: list[str] | None
    step: int | None


class _DifferenceMore(TypedDict, total=False):
    stopping: StoppingRow


class DifferenceRow(_DifferenceMore):
    """pass@k of a minus that of b on the same problems; p_adjusted by Holm over all rows.

    stopping: where it stopped, or goes on where it had stopped before; detectable is null there.
    """

    a: str
    b: str
    k: int
    value: float
    interval: list[float]
    p_value: float
    p_adjusted: float
    significant: bool
    problems_needed: int | None
    detectable: float | None


class _Measured(TypedDict):
    schema: Literal["sami-eval/passk/1"]
    task: str
    n_problems: int
    samples: int
    ks: list[int]
    settings: dict[str, Any]
    settings_key: str
    embedded: bool
    contenders: list[PasskContender]
    differences: list[DifferenceRow]
    steps: list[PasskStepRow]
    best_of: BestOfRow | None
    best_of_differences: list[DifferenceRow]


class PasskDocument(_Measured, Took):
    """Everything a table or a reviewer needs. steps: pass@k over a training's checkpoints."""


def estimate_row(estimate: Estimate) -> EstimateRow:
    """An estimate in JSON."""
    interval = estimate.interval
    return {
        "value": estimate.value,
        "interval": None if interval is None else [float(interval[0]), float(interval[1])],
    }


def contender_row(
    model: Model,
    engine: str,
    prompt: str,
    found: Figures,
    every: Curves,
    any_of: Mapping[int, float],
    trained_on: list[str] | None,
) -> PasskContender:
    """One contender in JSON. trained_on: ids of problems; None where that is not known."""

    def at_each(name: str) -> dict[str, EstimateRow]:
        return {str(k): estimate_row(one) for k, one in found.at_k[name].items()}

    return {
        "name": model.name,
        "base": model.named,
        "adapter": model.adapter,
        "engine": engine,
        "fingerprint": model.fingerprint,
        "prompt": prompt,
        "pass_at_k": at_each("pass_at_k"),
        "maj_at_k": at_each("maj_at_k"),
        "pass_hat_k": at_each("pass_hat_k"),
        "g_pass_at_k": at_each("g_pass_at_k"),
        "mg_pass_at_k": at_each("mg_pass_at_k"),
        "best_of_k": at_each("best_of_k"),
        "n_unrated": found.n_unrated,
        "curve": [[k, value] for k, value in found.curve],
        "at_every_k": every_k_row(every),
        "no_answer": estimate_row(found.no_answer),
        "mean_tokens": estimate_row(found.mean_tokens),
        "greedy": estimate_row(found.greedy),
        "n_cut": found.n_cut,
        "n_ended": found.n_ended,
        "n_identical": found.n_identical,
        "answers": found.answers,
        "by_category": {
            name: {
                "n_problems": n,
                "pass_at_k": {str(k): estimate_row(one) for k, one in at_k.items()},
            }
            for name, (n, at_k) in found.by_category.items()
        },
        "any_of_k": {str(k): value for k, value in any_of.items()},
        "trained_on": trained_on,
        "step": model.step,
        **asked_row(model),
    }


def every_k_row(every: Curves) -> dict[str, list[list[float | None]]]:
    """Curves in JSON."""
    return {name: [list(point) for point in points] for name, points in every.items()}


def difference_row(one: Paired) -> DifferenceRow:
    """One paired difference in JSON."""
    gain = one.gain
    return {
        "a": one.a,
        "b": one.b,
        "k": one.k,
        "value": gain.value,
        "interval": list(gain.interval),
        "p_value": gain.p_value,
        "p_adjusted": one.p_adjusted,
        "significant": one.p_adjusted <= SIGNIFICANT,
        "problems_needed": gain.problems_needed,
        "detectable": gain.detectable,
    }


def _fill(document: dict[str, Any]) -> None:
    document.setdefault("warnings", [])
    document.setdefault("best_of", None)
    document.setdefault("best_of_differences", [])
    document["settings"].setdefault("marker", "number")  # there was no other before it was named
    document.setdefault("steps", [])
    for row in document["contenders"]:
        row.setdefault("step", None)
        row.setdefault("trained_on", None)  # runs of earlier versions lack it, and these
        row.setdefault("n_ended", 0)
        for name in (*STEADY, "best_of_k", "at_every_k", "by_category"):
            row.setdefault(name, {})
        row.setdefault("n_unrated", 0)


KIND: Final = Kind("passk.json", SCHEMA, PasskDocument, _fill)


def read_passk(path: Path) -> PasskDocument:
    """A saved document. Raises UsageError if it is not one."""
    return read(KIND, path)
