"""MLflow: in the store that MLFLOW_TRACKING_URI names, by default a database in this folder."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sami_eval.report.tracked import Tracked
from sami_eval.report.trackers import project

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

T = TypeVar("T")
KEY = "sami_eval.key"
AT_ONCE = 100  # parameters and tags that a store takes in a call
LONGEST = 500  # of a parameter that every store takes; all of it stands in result.json


def check() -> None:
    """A store that is there must take it. MLflow counts its users; it is told not to."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # of 7, which take minutes
    import mlflow

    if not mlflow.get_tracking_uri().startswith("sqlite"):  # which is made when it is needed
        mlflow.MlflowClient().search_experiments(max_results=1)


def errors() -> tuple[type[Exception], ...]:
    """Its own, and those of a disk."""
    from mlflow.exceptions import MlflowException

    return (MlflowException, OSError)


def send(run: Tracked, files: Iterable[Path]) -> str:
    """A run of the same key gets the new figures, and the name of the newest folder."""
    from mlflow.tracking import MlflowClient

    client, where = MlflowClient(), project("MLFLOW_EXPERIMENT_NAME")
    there = _there(client, where, run)
    identity = there.info.run_id
    client.update_run(identity, status="RUNNING", name=run.name)
    _log(client, there, run)
    for file in files:
        client.log_artifact(identity, str(file))
    client.set_terminated(identity)
    return f"experiment {where}, run {run.name} ({identity})"


def _there(client: MlflowClient, where: str, run: Tracked) -> Run:
    """The run of this key, or a new one."""
    experiment = client.get_experiment_by_name(where)
    found = experiment.experiment_id if experiment else client.create_experiment(where)
    several = client.search_runs([found], f"tags.`{KEY}` = '{run.key}'", max_results=1)
    return several[0] if several else client.create_run(found, run_name=run.name)


def _log(client: MlflowClient, there: Run, run: Tracked) -> None:
    """A parameter cannot change there: one that decides no figure and did is a tag of its name."""
    from mlflow.entities import Metric, Param, RunTag

    now, identity = int(time.time() * 1000), there.info.run_id
    asked = {name: str(value)[:LONGEST] for name, value in run.parameters.items()}
    held: Mapping[str, str] = there.data.params
    tags = {name: text for name, text in asked.items() if held.get(name, text) != text}
    metrics = [Metric(name, value, now, 0) for name, value in run.figures.items()]
    new = [Param(name, text) for name, text in asked.items() if name not in held]
    for several in _batches(metrics, 1000):
        client.log_batch(identity, metrics=several)
    for few in _batches(new, AT_ONCE):
        client.log_batch(identity, params=few)
    client.log_batch(identity, tags=[RunTag(*one) for one in {KEY: run.key, **tags}.items()])


def _batches(several: Iterable[T], size: int) -> Iterable[list[T]]:
    left = iter(several)
    return iter(lambda: list(itertools.islice(left, size)), [])
