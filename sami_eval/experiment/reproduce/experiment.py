"""An experiment of the paper end to end: its stages, then ours beside the published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final, cast

from sami_eval.align import launch
from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.core.versions import versions
from sami_eval.experiment.envelope import dump
from sami_eval.experiment.frame import shown
from sami_eval.experiment.reproduce.checklist import Record, Stage, run_stages
from sami_eval.experiment.reproduce.document import KIND, SCHEMA, Reproduction, StageRow
from sami_eval.experiment.reproduce.scale import EMBEDDED, Scale
from sami_eval.experiment.reproduce.step import Aligning, Answering, Trial, Writing
from sami_eval.experiment.reproduce.trial import answers, check, result, runs
from sami_eval.experiment.reproduce.work import Asked, Bench, trains, writes
from sami_eval.experiment.runs import REPRODUCTIONS, claim
from sami_eval.ledger.store import atomic_write

STAGES: Final[dict[type, Callable[..., Stage]]] = {
    Writing: writes,
    Aligning: trains,
    Answering: answers,
    Trial: runs,
}


def folder_of(experiment: str, scale: Scale, seed: int, config: Config) -> Path:
    """Where a reproduction lies: reproductions/EXPERIMENT-SCALE@SEED."""
    return config.root / REPRODUCTIONS / f"{experiment}-{scale.name}@{seed}"


def stages_of(bench: Bench) -> list[Stage]:
    """A stage a step, in order; nothing is done."""
    return [STAGES[type(step.of)](bench, step.name, step.of) for step in bench.asked.course.steps]


def reproduce(
    asked: Asked,
    progress: Progress,
    *,
    start: str | None = None,
    only: str | None = None,
    command: str = "",
) -> Reproduction | None:
    """Do the steps that are not done; the document, or None where some are still to be done."""
    if only is None:
        check(asked)
    claim(asked.folder)
    stages = stages_of(Bench(asked, progress, command))
    records = run_stages(stages, asked.folder, progress, start=start, only=only)
    if len(records) < len(stages):
        return None
    document = _document(asked, list(records.values()), command)
    if launch.is_main():
        atomic_write(asked.folder / KIND.file, dump(document))
    return document


def _document(asked: Asked, records: list[Record], command: str) -> Reproduction:
    scale = asked.scale
    return {
        "schema": SCHEMA,
        "experiment": asked.experiment,
        "scale": scale.name,
        "about": scale.about,
        "base": asked.course.base,
        "embedded": asked.course.base == EMBEDDED,
        "seed": asked.settings.seed,
        "folder": shown(asked.folder, asked.config),
        "stages": [cast(StageRow, asdict(record)) for record in records],
        "results": result(asked),
        "versions": versions(),
        "command": command,
    }
