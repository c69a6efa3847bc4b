"""`sami_eval.show`: a finished result again, without calling a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.faces.finish import nearest
from sami_eval.faces.result import Result
from sami_eval.report import kept


def show(
    run: str | Path | None = None,
    *logs: str | Path,
    against: str | Path | None = None,
    votes: str | Path | None = None,
    vote_names: list[str] | tuple[str, ...] = (),
    config: Config | None = None,
) -> Result[Any]:
    """Read a finished result of any kind, or verdicts judged elsewhere: `sami-eval show`.

    run: a run's name or folder, a reproduction, a file of verdicts or a saved document; by default
        the latest run. Or a log of Inspect, and `logs` those it is compared with, sample by sample;
        against: one of them, with which alone each other is compared.
    votes: people's, by which a comparison's win rate is corrected.
    config: the nearest `sami-eval.toml` by default.
    Returns the document (docs/formats.md), which shows itself; no model is called.
    Raises UsageError where there is no such result, and for votes on what is no comparison.
    """
    named = [os.fspath(one) for one in (run, *logs) if one is not None]
    beside = None if against is None else os.fspath(against)
    found, place = kept.found(named, beside, nearest(config).root)
    if votes is None:
        return Result(found, place)
    if found["schema"] != "sami-eval/comparison/1":
        raise UsageError(f"`{place}`: nothing was judged in it", "give no votes, or a comparison")
    return Result(kept.with_votes(found, place, os.fspath(votes), tuple(vote_names)), place)
