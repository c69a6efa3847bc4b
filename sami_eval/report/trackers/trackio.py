"""Trackio: on this disk, or in the Space or at the server that its own variables name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sami_eval.report.tracked import Tracked
from sami_eval.report.trackers import project

KEY = "settings_key"


def check() -> None:
    """Nothing is needed: it keeps on this disk by default."""
    import trackio  # noqa: F401


def errors() -> tuple[type[Exception], ...]:
    """Its own are Python's."""
    import httpx

    return (OSError, RuntimeError, ValueError, httpx.HTTPError)


def send(run: Tracked, files: Iterable[Path]) -> str:
    """A run of the same key goes on under the name that it has there."""
    import trackio

    where = project("TRACKIO_PROJECT")
    name = _name_there(where, run.key) or run.name
    trackio.init(
        project=where,
        name=name,
        config={**run.parameters, KEY: run.key},
        resume="allow",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    try:
        trackio.log(dict(run.figures))
        for file in files:
            called = f"{run.key[:16]}-{file.name}"  # a folder's name may hold signs it refuses
            trackio.log_artifact(file, name=called, type="sami-eval", overwrite=True)
    finally:
        trackio.finish()
    return f"project {where}, run {name}"


def _name_there(where: str, key: str) -> str | None:
    """What a run of this key is called on this disk; None where there is none."""
    import trackio

    try:
        several = list(trackio.Api().runs(where))
    except ValueError:  # no such project yet
        return None
    return next((one.name for one in several if (one.config or {}).get(KEY) == key), None)
