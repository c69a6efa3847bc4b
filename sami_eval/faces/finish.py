"""What the faces of experiments do alike: run, return a result, warn where it is doubtful."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from sami_eval.core.config import Config, find_config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress, from_python
from sami_eval.experiment.frame import Experiment, run
from sami_eval.experiment.plan import Plan, Settings
from sami_eval.faces.result import Result
from sami_eval.report import trackers
from sami_eval.report.finished import Finished

P = ParamSpec("P")
T = TypeVar("T", bound=Settings)
F = TypeVar("F", bound=Plan)
A = TypeVar("A")
S = TypeVar("S")
D = TypeVar("D", bound=Mapping[str, Any])


def nearest(config: Config | None) -> Config:
    """The configuration that is given, else the nearest."""
    return config or find_config(Path.cwd())


def finished(
    kind: Experiment[T, F, A, S, D],
    settings: T,
    config: Config | None,
    progress: Progress | None,
    report_to: Sequence[str],
) -> Result[D]:
    """An experiment, done, saved, and kept by the trackers that are named."""
    where, chosen = nearest(config), trackers.chosen(report_to)
    document = run(kind, settings, where, progress or from_python())
    place = where.root / document["run"]
    trackers.send(chosen, cast(Finished, document), place)
    return Result(document, place)


def doubt(check: Callable[P, None], *given: P.args, **named: P.kwargs) -> None:
    """Warn of what the command exits 1 for: the figures are there, and not to be trusted alone."""
    try:
        check(*given, **named)
    except SamiEvalError as error:
        warnings.warn(f"{error.message}: {error.hint}", stacklevel=4)
