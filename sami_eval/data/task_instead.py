"""A file given in the place of a task's own rows: in our format, or in the task's columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sami_eval.core.files import read_json
from sami_eval.core.records import read_lines
from sami_eval.core.types import Prompt
from sami_eval.data import problem_sets
from sami_eval.data.marker import Marker
from sami_eval.data.problem_sets import Problem
from sami_eval.data.prompt_sets import reach
from sami_eval.data.prompts import read_prompts
from sami_eval.data.task_keys import Columns, Source
from sami_eval.data.task_rows import opening, problems_of, prompt_rows
from sami_eval.data.tasks import EXPLAINED, Task

_OPTIONAL = ("id", "category", "reference", "checklist")  # of a question that is no data set's


def prompts_in(task: Task, file: Path) -> list[Prompt]:
    """The questions of another file: in our format, or in the columns of the task's own rows."""
    columns = task.questions.columns
    if columns is None or not _in_columns(file, columns):
        return read_prompts(file)
    source = _instead(task, file)
    held = {name for row in _objects(file) for name in row}
    lacking = [one for one in _OPTIONAL if (getattr(columns, one) or "").split(".")[0] not in held]
    none: dict[str, Any] = dict.fromkeys(lacking)
    columns = replace(columns, **none)
    return [opening(one, task.turns) for _, _, one in prompt_rows(task, source, columns)]


def names_categories(task: Task, file: Path, found: Sequence[Prompt]) -> bool:
    """Whether any question of a file has a category of its own."""
    if not file.is_file() or any(one.category != file.stem for one in found):
        return True
    columns = task.questions.columns
    name = columns.category if columns is not None and _in_columns(file, columns) else "category"
    return any(reach(row, name) is not None for row in _objects(file) if name is not None)


def _in_columns(file: Path, columns: Columns) -> bool:
    """Whether a file's first row is one of the task's data set and no question in our format."""
    if not file.is_file() or file.suffix not in (".json", ".jsonl"):
        return False
    first = next(_objects(file), {})
    return "turns" not in first and reach(first, columns.prompt) is not None


def _objects(file: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a file of JSON that are objects, as they are."""
    if file.suffix == ".json":
        found = read_json(file, EXPLAINED)
        yield from (one for one in (found if isinstance(found, list) else []) if type(one) is dict)
    else:
        yield from (row for _, row in read_lines(file, EXPLAINED))


def problems_in(task: Task, file: Path, marker: Marker) -> list[Problem]:
    """The problems of another file: in the columns of the task's own rows, or as we read any."""
    columns = task.questions.columns
    if columns is None or not _in_columns(file, columns):
        return problem_sets.read_problems(file, marker=marker.file)
    return problems_of(task, marker, _instead(task, file))


def other_columns(task: Task, file: Path | None) -> str | None:
    """What to say of a file that is not in the columns of the task it is named beside."""
    columns = task.questions.columns
    if columns is None or file is None or _in_columns(file, columns):
        return None
    lost = ", without clusters" if columns.cluster else ""
    return f"`{file}` has no `{columns.prompt}` as task `{task.name}` has: read in our format{lost}"


def _instead(task: Task, file: Path) -> Source:
    """A file in the place of the task's data set."""
    of = task.questions.category or file.stem
    here = replace(task.questions, hub=None, revision=None, file=str(file.resolve()), category=of)
    return replace(here, subset=None, subsets=None, split=None)
