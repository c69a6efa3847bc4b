"""Where a result is kept besides its folder: one file a tracker, which the folder lists.

A tracker says whether it is ready, and takes a `Tracked`; a result of the same key updates the run
that is there.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, cast

from sami_eval.core.errors import SamiEvalError, UsageError, did_you_mean
from sami_eval.report.finished import Finished
from sami_eval.report.tracked import Tracked, tracked
from sami_eval.server import endpoint

MOST_SHOWN = 200
PROJECT = "sami-eval"  # where the tracker's own variables name no other


class Tracker(Protocol):
    """One module of this folder."""

    def check(self) -> None:
        """Raise KeyMissingError where it could take nothing; imports it."""

    def errors(self) -> tuple[type[Exception], ...]:
        """What it raises where it takes nothing."""

    def send(self, run: Tracked, files: Iterable[Path]) -> str:
        """Keep it, and say where."""


def known() -> list[str]:
    """Their names, which are those of the packages."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def chosen(names: Iterable[str]) -> dict[str, Tracker]:
    """Those that are named, each ready. Raises UsageError for one that is not there."""
    several = dict.fromkeys(part.strip() for name in names for part in name.split(","))
    return {name: _ready(name) for name in several}


def _ready(name: str) -> Tracker:
    if name not in known():
        raise UsageError(f"`--report-to {name}`: no such tracker", did_you_mean(name, known()))
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:  # the latter: a folder of its runs in this one
        raise UsageError(f"`--report-to {name}`: {name} is not installed", f"pip install {name}")
    tracker = cast(Tracker, importlib.import_module(f"{__name__}.{name}"))
    with _taking(name, tracker, f"nothing was asked yet; without --report-to {name} it runs"):
        tracker.check()
    return tracker


@contextlib.contextmanager
def _taking(name: str, tracker: Tracker, hint: str) -> Iterator[None]:
    """What a tracker says goes nowhere, since stdout is for data; what it raises is an error."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except tracker.errors() as error:
        why = endpoint.masked(" ".join(str(error).split()))[:MOST_SHOWN]
        raise SamiEvalError(
            f"`{name}` takes nothing: {type(error).__name__}: {why}", hint
        ) from None


def send(trackers: Mapping[str, Tracker], found: Finished, place: Path) -> None:
    """Keep a finished result there, page and table with it, and say where.

    Raises SamiEvalError where one does not take it: the result itself lies in its folder.
    """
    if not trackers:
        return
    run = tracked(found, place)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in run.files]
        for file in files:
            file.write_text(run.files[file.name], encoding="utf-8")
        for name, tracker in trackers.items():
            with _taking(name, tracker, f"sami-eval show {place} --report-to {name}"):
                where = tracker.send(run, files)
            print(f"kept in {name}: {where}", file=sys.stderr)


def project(variable: str) -> str:
    """The project that a tracker's variable names, else ours."""
    return os.environ.get(variable, "").strip() or PROJECT
