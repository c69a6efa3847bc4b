"""An experiment of the paper end to end: its stages, then ours beside the published figures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from sami_eval.align import launch
from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.core.versions import versions
from sami_eval.experiment.envelope import dump
from sami_eval.experiment.frame import shown
from sami_eval.experiment.reproduce import gsm8k, mtbench
from sami_eval.experiment.reproduce.checklist import Record, Stage, run_stages
from sami_eval.experiment.reproduce.document import KIND, SCHEMA, Reproduction, StageRow
from sami_eval.experiment.reproduce.scale import EMBEDDED, Scale
from sami_eval.experiment.reproduce.work import Asked
from sami_eval.experiment.runs import REPRODUCTIONS, claim
from sami_eval.ledger.store import atomic_write

EXPERIMENTS: Final[dict[str, ModuleType]] = {"mtbench": mtbench, "gsm8k": gsm8k}


def folder_of(experiment: str, scale: Scale, seed: int, config: Config) -> Path:
    """Where a reproduction lies: reproductions/EXPERIMENT-SCALE@SEED."""
    return config.root / REPRODUCTIONS / f"{experiment}-{scale.name}@{seed}"


def stages_of(experiment: str, asked: Asked, progress: Progress, command: str = "") -> list[Stage]:
    """The stages of an experiment, in order; nothing is done."""
    found: list[Stage] = EXPERIMENTS[experiment].stages(asked, progress, command)
    return found


def reproduce(
    experiment: str,
    asked: Asked,
    progress: Progress,
    *,
    start: str | None = None,
    only: str | None = None,
    command: str = "",
) -> Reproduction | None:
    """Do the stages that are not done; the document, or None where some are still to be done."""
    if only is None:
        EXPERIMENTS[experiment].check(asked)
    claim(asked.folder)
    stages = stages_of(experiment, asked, progress, command)
    records = run_stages(stages, asked.folder, progress, start=start, only=only)
    if len(records) < len(stages):
        return None
    document = _document(experiment, asked, list(records.values()), command)
    if launch.is_main():
        atomic_write(asked.folder / KIND.file, dump(document))
    return document


def _document(experiment: str, asked: Asked, records: list[Record], command: str) -> Reproduction:
    scale = asked.scale
    of = scale.mtbench if experiment == "mtbench" else scale.gsm8k
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "scale": scale.name,
        "about": scale.about,
        "base": of.base,
        "embedded": of.base == EMBEDDED,
        "seed": asked.settings.seed,
        "folder": shown(asked.folder, asked.config),
        "stages": [cast(StageRow, asdict(record)) for record in records],
        "results": EXPERIMENTS[experiment].result(asked),
        "versions": versions(),
        "command": command,
    }
