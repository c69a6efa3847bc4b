"""What a task says of its rows, held against the rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.types import Prompt
from sami_eval.data.problem_sets import Problem
from sami_eval.data.task_keys import Columns
from sami_eval.data.tasks import Task

AS_A_FILE = {
    "pairwise": "give a file: --prompts question.jsonl (of train: --questions question.jsonl)",
    "passk": "a file of problems works without a network: --prompts test.jsonl",
}


def check_categories(task: Task, found: Sequence[Prompt]) -> None:
    """Refuse rows that are not in the order the task was written for: their ids would be others."""
    if task.categories is None:
        return
    wanted = [(str(name), n) for name, n in task.categories.items()]
    there = [(name, len(list(of))) for name, of in groupby(found, lambda one: one.category)]
    if there != wanted:
        n = sum(n for _, n in wanted)
        raise UsageError(
            f"`{task.questions.named}` no longer has its {n} questions in the original order",
            AS_A_FILE[task.kind],
        )


def check_named(task: Task, found: Sequence[Prompt]) -> None:
    """Refuse what is said of a category or a question that there is not: a slip of the pen."""
    known = dict.fromkeys(prompt.category for prompt in found)
    ids = {prompt.id for prompt in found}
    for name in map(str, task.wrong_references):
        if name not in ids:
            said = f"`wrong_references`: no question has the id `{name}`"
            raise UsageError(said, did_you_mean(name, ids), task.where("wrong_references"))
    for name in task.temperatures:
        if name not in known:
            said = f"`temperatures.{name}`: no question is of the category `{name}`"
            raise UsageError(said, did_you_mean(name, known), task.where("temperatures", name))


def check_clusters(task: Task, columns: Columns, found: Sequence[Problem]) -> None:
    """Refuse problems that are all one cluster."""
    n = len({one.cluster for one in found})
    if columns.cluster is not None and n < 2 <= len(found):
        raise UsageError(
            f"`cluster`: all rows have the same `{columns.cluster}`, so there is no interval",
            "name the column that differs from template to template",
            task.where("questions", "columns", "cluster"),
        )
