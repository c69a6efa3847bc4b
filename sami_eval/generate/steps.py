"""Checkpoints of a training that stand as contenders: `NAME:STEP`, and `NAME:all` of them.

NAME/checkpoint-120/adapter_config.json, as transformers' Trainer names them: a folder of TRL's or
PEFT's is read like one of ours. Of a training of all weights it is config.json.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.generate.peft_folder import CONFIG

ALL = "all"
_FOLDER = re.compile(r"checkpoint-([0-9]+)")
_SPEC = re.compile(rf"(.+):({ALL}|[0-9]+)", re.DOTALL)
LOG, STATE = "training.jsonl", "trainer_state.json"  # ours; of transformers' Trainer


def of(folder: Path) -> dict[int, Path]:
    """The adapters, or whole models, below a training's folder, by their steps, in order."""
    found = {
        int(match[1]): path.parent
        for name in ("config.json", CONFIG)
        for path in folder.glob(f"checkpoint-*/{name}")
        if (match := _FOLDER.fullmatch(path.parent.name))
    }
    return dict(sorted(found.items()))


def split(spec: str) -> tuple[str, str]:
    """What a spec names, and which of its checkpoints: ("sami", "120"); "" where it names none."""
    match = _SPEC.fullmatch(spec)
    if match is None or Path(spec).expanduser().exists():
        return spec, ""
    return match[1], match[2]


def chosen(
    name: str,
    which: str,
    folder: Path,
    at: Callable[[Path], Model],
    command: str,
    final: Model | None,
) -> list[Model]:
    """The models of the checkpoints that are asked for, in the order of their steps.

    name: of the training, for tables. at: the model of a checkpoint's folder. command: what keeps
        some. final: what the training ended in, behind all of them unless it is one.
    Raises UsageError where there are none, or not that one.
    """
    kept = of(folder)
    if not kept:
        raise UsageError(f"no checkpoint of `{name}` is kept in `{folder}`", command)
    if which != ALL and int(which) not in kept:
        known = ", ".join(map(str, kept))
        raise UsageError(f"`{name}` keeps no step `{which}`", f"kept: {known}; or {name}:{ALL}")
    steps = list(kept) if which == ALL else [int(which)]
    found = [replace(at(kept[step]), name=f"{name}:{step}", step=step) for step in steps]
    left = [final] if final is not None and which == ALL else []
    return [*found, *(one for one in left if one.fingerprint not in {f.fingerprint for f in found})]


def training_of(model: Model) -> Path | None:
    """The folder of the training that a model is a checkpoint of; None where it is none."""
    return None if model.step is None else Path(model.adapter or model.base).parent


def is_one(a: Model, b: Model) -> bool:
    """Whether a checkpoint is the other model: the last of a training, and what it ended in.

    They answer alike, and what is sure to be a tie would be one more in the correction of others.
    """
    return bool(a.fingerprint) and a.fingerprint == b.fingerprint and {a.step, b.step} != {None}


def stem(model: Model) -> str:
    """The name of a checkpoint's training."""
    return model.name.removesuffix(f":{model.step}")


def kl_of(model: Model) -> tuple[float, str] | None:
    """The KL divergence that a checkpoint's training wrote down by then, and where it stands.

    As its method counts it; None where no log tells.
    """
    folder = training_of(model)
    if folder is None or model.step is None:
        return None
    log, state = folder / LOG, Path(model.adapter or model.base) / STATE
    for path, rows in ((log, _lines(log)), (state, _history(state))):
        told = [row for row in rows if _is_number(row.get("step")) and row["step"] <= model.step]
        for name in ("kl", "objective/kl"):
            known = [row for row in told if _is_number(row.get(name))]
            if known:
                return float(known[-1][name]), f"{path.name}, {name} of step {known[-1]['step']}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _lines(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict)]


def _history(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["log_history"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
