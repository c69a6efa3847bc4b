"""The contender that a task names: its baseline's recorded answers, as a file like any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.types import Prompt
from sami_eval.data.answers import write_answers
from sami_eval.data.baselines import read_baseline
from sami_eval.data.tasks import Task
from sami_eval.ledger.store import key

NAMED, NONE = "baseline", "none"  # --against


def stored(task: Task, prompts: Sequence[Prompt], config: Config) -> tuple[Path, str]:
    """The baseline's answers to the prompts in a file beside the ledger, and what to say of them.

    Raises UsageError where they cannot be read, or lack some.
    """
    assert task.baseline is not None
    name = task.baseline.name
    answers, whose = read_baseline(task.baseline, task.stated.path.parent, prompts)
    place = key("baseline", [asdict(one) for one in answers])[:12]
    plain = re.sub(r"[^\w.-]+", "-", name)
    path = config.ledger_path.parent / "baselines" / place / f"{plain}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_answers(path, answers)
    of = f", answers of {whose}" if whose != name else ""
    said = f"against task `{task.name}`'s baseline `{name}`{of} (--against NAME for another)"
    return path, said
