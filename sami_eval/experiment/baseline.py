"""The contender that a task names: its baseline's recorded answers, as a file like any other."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.types import Prompt
from sami_eval.data.answers import write_answers
from sami_eval.data.baselines import read_baseline
from sami_eval.data.tasks import Task
from sami_eval.ledger.store import key

NAMED, NONE = "baseline", "none"  # --against
KEPT_S = 7 * 24 * 3600.0


def stored(task: Task, prompts: Sequence[Prompt], config: Config, dry: bool) -> tuple[Path, str]:
    """The baseline's answers to the prompts in a file beside the ledger, and what to say of them.

    dry: in a file that goes with this process: a dry run leaves nothing behind. Raises UsageError
    where they cannot be read, or lack some.
    """
    assert task.baseline is not None
    name = task.baseline.name
    answers, whose = read_baseline(task.baseline, task.stated.path.parent, prompts)
    place = key("baseline", [asdict(one) for one in answers])[:12]
    plain = re.sub(r"[^\w.-]+", "-", name)
    every = config.ledger_path.parent / "baselines"
    path = every / place / f"{plain}.jsonl"
    if dry and not path.is_file():
        path = _passing() / f"{plain}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_answers(path, answers)
    if not dry:
        os.utime(path.parent)
        _clean(every)
    of = f", answers of {whose}" if whose != name else ""
    said = f"against task `{task.name}`'s baseline `{name}`{of} (--against NAME for another)"
    return path, said


def _passing() -> Path:
    """A folder that is gone when this process ends."""
    folder = tempfile.mkdtemp(prefix="sami-eval-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _clean(every: Path) -> None:
    """Delete what no run has used for a while: it is made again of the task's own answers."""
    for folder in every.iterdir():
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - folder.stat().st_mtime > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)
