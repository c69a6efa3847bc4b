"""The rows that a task names, as prompts or as problems; of the hub, or of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.records import read_lines
from sami_eval.core.shape import is_name
from sami_eval.core.types import Prompt
from sami_eval.data import gsm8k, hub
from sami_eval.data.gsm8k import Problem
from sami_eval.data.marker import Marker
from sami_eval.data.prompt_sets import READERS, reach
from sami_eval.data.prompts import read_prompts
from sami_eval.data.tasks import EXPLAINED, Columns, Source, Task

AS_A_FILE = {
    "pairwise": "give a file: --prompts question.jsonl (of train: --questions question.jsonl)",
    "passk": "a GSM8K file works without a network: --prompts test.jsonl; the embedded base has "
    "problems of its own",
}
Row = tuple[str, Mapping[str, Any]]  # where it stands, and its columns


def prompts_of(task: Task) -> list[Prompt]:
    """The questions of a pairwise task, in order.

    Raises UsageError where they cannot be read, or are no longer what the task says of them.
    """
    source = task.questions
    if source.columns is None:
        found = read_prompts(task.file(str(source.file)))
    else:
        found = [prompt for _, _, prompt in _prompts(task, source, source.columns)]
    _check_categories(task, found)
    return [opening(prompt, task.turns) for prompt in found]


def problems_of(
    task: Task, marker: Marker, source: Source | None = None, split: str | None = None
) -> list[Problem]:
    """The problems of a pass@k task, in order. source: its own, or another, such as its examples'.

    split: in the place of the source's. Raises UsageError as `prompts_of`.
    """
    source = source or task.questions
    source = source if split is None else replace(source, split=split)
    if source.columns is None:
        return gsm8k.read_problems(task.file(str(source.file)), marker=marker.file)
    columns = source.columns
    return [
        gsm8k.problem_of(_stripped(prompt), where, marker, _cluster(row, columns, where))
        for where, row, prompt in _prompts(task, source, columns)
    ]


def _stripped(prompt: Prompt) -> Prompt:
    reference = prompt.reference and tuple(text.strip() for text in prompt.reference)
    return replace(prompt, turns=tuple(turn.strip() for turn in prompt.turns), reference=reference)


def opening(prompt: Prompt, n: int | None) -> Prompt:
    """A prompt's first turns; all of them for None."""
    if n is None or len(prompt.turns) <= n:
        return prompt
    reference = prompt.reference[:n] if prompt.reference else None
    return replace(prompt, turns=prompt.turns[:n], reference=reference)


def _prompts(
    task: Task, source: Source, columns: Columns
) -> Iterator[tuple[str, Mapping[str, Any], Prompt]]:
    """Where each row stands, the row, and its prompt."""
    seen: dict[str, str] = {}
    first = 1 if source.first_id is None else source.first_id
    for number, (where, row) in enumerate(_rows(task, source, columns), first):
        turns = _turns(row, columns.prompt, where)
        category = _name(row, columns.category, where, source.category or task.name)
        name = _name(row, columns.id, where, str(number))
        if seen.setdefault(name, where) != where:
            raise UsageError(f"question `{name}` is at `{seen[name]}` too", "remove one", where)
        yield where, row, Prompt(name, category, turns, _reference(row, columns, where, turns))


def _turns(row: Mapping[str, Any], column: str, where: str) -> tuple[str, ...]:
    """The user's turns: a text, a list of them, or what the user says in a list of messages."""
    value = reach(row, column)
    several: list[Any] = value if isinstance(value, list) else [value]
    if all(isinstance(one, dict) and "role" in one for one in several):
        several = [one.get("content") for one in several if one["role"] in ("user", "human")]
    if not several or not all(isinstance(one, str) and one.strip() for one in several):
        raise _bad(row, column, where, "a text or a list of turns")
    return tuple(several)


def _bad(row: Mapping[str, Any], column: str, where: str, wanted: str) -> UsageError:
    said = f"`{column}` is {shown(reach(row, column))}, not {wanted}"
    return UsageError(said, "`columns` of the task says which column holds what", where)


def _name(row: Mapping[str, Any], column: str | None, where: str, instead: str) -> str:
    """The name that a column holds, a number's too; or what stands for it without a column."""
    if column is None:
        return instead
    value = reach(row, column)
    value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(value, str) or not is_name(value):
        raise _bad(row, column, where, "a name")
    return value


def _reference(
    row: Mapping[str, Any], columns: Columns, where: str, turns: Sequence[str]
) -> tuple[str, ...] | None:
    """The right answers, "" where a turn has none; None where there is no column, or nothing."""
    if columns.reference is None:
        return None
    value = reach(row, columns.reference)
    several = value if isinstance(value, list) else [] if value is None else [value]
    texts = tuple(str(one).strip() if _is_text(one) else None for one in several)
    if None in texts or len(texts) > len(turns):
        raise _bad(row, columns.reference, where, "a text, or at most one a turn")
    found = tuple(text or "" for text in texts)
    return found + ("",) * (len(turns) - len(found)) if any(found) else None


def _is_text(value: object) -> bool:
    """A text, or a number, which many a data set of sums holds as such."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _cluster(row: Mapping[str, Any], columns: Columns, where: str) -> str | None:
    return None if columns.cluster is None else _name(row, columns.cluster, where, "")


def _check_categories(task: Task, found: Sequence[Prompt]) -> None:
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


def _rows(task: Task, source: Source, columns: Columns) -> list[Row]:
    """The rows, with where each stands, once it is known that the columns are there."""
    if source.hub is None and str(source.file).endswith(".jsonl"):
        rows: list[Row] = list(read_lines(task.file(str(source.file)), EXPLAINED))
    else:
        rows = list(_of_data_set(task, source))
    part = "questions" if source.columns is task.questions.columns else "fewshot"
    if not rows:
        raise UsageError(f"`{source.named}` has no rows", EXPLAINED, task.where(part))
    for name in Columns.__annotations__:
        column = getattr(columns, name)
        if column is not None and not any(column.partition(".")[0] in row for _, row in rows):
            raise UsageError(
                f"`{source.named}` has no column `{column}`",
                f"its columns: {', '.join(map(str, rows[0][1]))}",
                task.where(part, "columns", name),
            )
    return rows


def _of_data_set(task: Task, source: Source) -> Iterator[Row]:
    try:
        rows = hub.read_rows(**_place(task, source))
    except hub.HubError as error:
        if source.hub is None:
            raise UsageError(f"cannot read `{source.file}`: {error}", EXPLAINED) from None
        raise UsageError(
            f"cannot read `{source.named}` from the hub: {error}",
            f"{AS_A_FILE[task.kind]}; or fetch `{source.hub}` once, with a network and "
            "HF_HUB_OFFLINE unset",
        ) from None
    what = f"{source.named} {source.split}" if source.split else source.named
    return ((f"{what} row {number}", row) for number, row in enumerate(rows, 1))


def _place(task: Task, source: Source) -> dict[str, Any]:
    """What `hub.read_rows` takes for a source."""
    if source.file is None:
        said = {"subset": source.subset, "revision": source.revision}
        return {"path": source.hub, "split": source.split, **_given(said)}
    suffix = Path(source.file).suffix
    if suffix not in READERS:
        raise UsageError(f"`{source.file}` is no data set", f"one of {', '.join(READERS)}")
    file = str(task.file(source.file))
    if source.hub is not None:
        at = f"@{source.revision}" if source.revision else ""
        file = f"hf://datasets/{source.hub}{at}/{source.file}"
    elif not Path(file).is_file():
        raise UsageError(f"no file `{file}`", "the task names it", task.where("questions"))
    return {"path": READERS[suffix], "data_files": file, "split": source.split or "train"}


def _given(said: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in said.items() if value is not None}
