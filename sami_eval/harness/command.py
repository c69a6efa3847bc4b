"""`sami-eval lm-eval ...`: lm-eval's own command with our tasks and our model class in it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.task import Task

from sami_eval.core import task_files
from sami_eval.core.config import find_config
from sami_eval.core.errors import UsageError
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
        self._paths = [tasks_dir(), *own_folder(), *given]
        self._whole = False
        super().__init__(include_path=self._paths, include_defaults=False, metadata=metadata)

    def match_tasks(self, task_list: list[str]) -> list[str]:
        """Names that fit; all of lm-eval's are looked at for a pattern or an unknown name."""
        known = set(self.all_tasks)
        if not self._whole and not known.issuperset(task_list):
            self._whole = True
            super().__init__(include_path=self._paths, metadata=self.metadata)
        found = list(super().match_tasks(task_list))
        if not found and not any(Path(name).is_dir() for name in task_list):
            close = difflib.get_close_matches(task_list[0], self.all_tasks, n=2)
            meant = f"did you mean {' or '.join(f'`{name}`' for name in close)}? " if close else ""
            hint = f"{meant}sami-eval ls tasks shows ours, lm_eval ls tasks its own"
            raise UsageError(f"no task `{task_list[0]}`", hint)
        return found

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
    """Run lm-eval with these arguments, as they are; without --tasks, the config's task.

    Raises SystemExit as lm-eval does, and UsageError for what lm-eval refuses.
    """
    asked.speak_plainly()
    if arguments[:1] not in (["ls"], ["validate"]):
        lm_eval.tasks.TaskManager = TaskManager
        arguments = [*arguments, *_task_of(arguments), *_model_of(arguments)]
    sys.argv = ["sami-eval lm-eval", *arguments]
    try:
        cli_evaluate()
    except (ValueError, KeyError, TypeError) as error:
        if not _is_lm_evals(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"lm_eval refuses: `{said}`", "sami-eval lm-eval --help") from error


def _task_of(arguments: Sequence[str]) -> list[str]:
    """`--tasks` with the task of sami-eval.toml, where a run names none."""
    named = any(one.partition("=")[0] in ("--tasks", "-t", "--help", "-h") for one in arguments)
    task = find_config(Path.cwd()).defaults.get("task")
    if named or not arguments or task is None:
        return []
    files = task_files.files_named(task).values()
    return [
        "--tasks",
        ",".join(str(one) if task_files.is_path(task) else one.stem for one in files),
    ]


def _model_of(arguments: Sequence[str]) -> list[str]:
    """`--model sami-eval`, where neither a model nor a file that may name one is given.

    `pretrained=` is what lm-eval's own classes call theirs, and its default is one of them.
    """
    named = {one.partition("=")[0] for one in arguments}
    theirs = any("pretrained=" in one for one in arguments)
    if theirs or not arguments or named & {"--model", "-M", "--config", "-C", "--help", "-h"}:
        return []
    return ["--model", "sami-eval"]


def own_folder() -> list[Path]:
    """The current folder's own tasks, where it has some."""
    names = [path for path in task_files.FOLDER.glob("*.yaml") if task_files.kind_of(path.stem)]
    return [task_files.FOLDER] if names else []


def _is_lm_evals(error: BaseException) -> bool:
    """Whether lm-eval itself raised it: what it was given is then wrong, and not our code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = Path(trace.tb_frame.f_code.co_filename) if trace else Path()
    return raised_in.is_relative_to(Path(str(lm_eval.__file__)).parent)
