"""`sami-eval lm-eval ...`: lm-eval's own command with our tasks and our model class in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.task import Task

from sami_eval.harness import asked
from sami_eval.harness.install import tasks_dir
from sami_eval.harness.model import labels_of, specs_of

_Stock: Any = lm_eval.tasks.TaskManager


class TaskManager(_Stock):  # type: ignore[misc]
    """lm-eval's, with our tasks, and its own 14,000 only where one that is not ours is named.

    Indexing them takes 12 to 36 seconds. Of several models, each gets its own copy of a task.
    """

    def __init__(
        self,
        verbosity: str | None = None,
        include_path: str | Path | Sequence[str | Path] | None = None,
        include_defaults: bool = True,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        given = [include_path] if isinstance(include_path, str | Path) else list(include_path or ())
        self._paths = [tasks_dir(), *given]
        self._whole = False
        super().__init__(include_path=self._paths, include_defaults=False, metadata=metadata)

    def match_tasks(self, task_list: list[str]) -> list[str]:
        """Names that fit; all of lm-eval's are looked at for a pattern or an unknown name."""
        known = set(self.all_tasks)
        if not self._whole and not known.issuperset(task_list):
            self._whole = True
            super().__init__(include_path=self._paths, metadata=self.metadata)
        return list(super().match_tasks(task_list))

    def load(self, task_list: Any) -> Any:
        """The tasks; `TASK@MODEL` for each of several models under our model class."""
        specs = specs_of(self.metadata or {})
        if len(specs) < 2:
            return super().load(task_list)
        copies: list[Task] = []
        for label in labels_of(specs):
            for task in super().load(task_list)["tasks"].values():
                task.set_config("task", f"{task.config.task}{asked.MODEL_OF}{label}")
                copies.append(task)
        return super().load(copies)


def run(arguments: Sequence[str]) -> None:
    """Run lm-eval with these arguments, as they are.

    Raises SystemExit as lm-eval does.
    """
    asked.speak_plainly()
    sys.argv = ["sami-eval lm-eval", *arguments]
    if arguments[:1] not in (["ls"], ["validate"]):
        lm_eval.tasks.TaskManager = TaskManager
    cli_evaluate()
