"""The rows that a task names, as prompts or as problems; of the hub, or of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.records import read_lines, read_list
from sami_eval.core.shape import is_name
from sami_eval.core.types import Prompt
from sami_eval.data import hub, problem_sets, prompts, row_checks
from sami_eval.data.marker import Marker
from sami_eval.data.problem_sets import Problem
from sami_eval.data.prompt_sets import READERS, reach
from sami_eval.data.prompts import read_prompts, text_id
from sami_eval.data.row_checks import AS_A_FILE
from sami_eval.data.task_keys import Columns, Source
from sami_eval.data.tasks import EXPLAINED, Task

Row = tuple[str, Mapping[str, Any]]  # where it stands, and its columns

FORMATS = {"pairwise": prompts.FORMAT, "passk": problem_sets.FORMAT}


def prompts_of(task: Task) -> list[Prompt]:
    """The questions of a pairwise task, in order.

    Raises UsageError where they cannot be read, or are no longer what the task says of them.
    """
    source = task.questions
    if source.columns is None:
        found = read_prompts(_whole_file(task, source))
    else:
        found = [prompt for _, _, prompt in prompt_rows(task, source, source.columns)]
    row_checks.check_categories(task, found)
    row_checks.check_named(task, found)
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
        return problem_sets.read_problems(_whole_file(task, source), marker=marker.file)
    columns = source.columns
    rows = list(prompt_rows(task, source, columns))
    if task.questions.hub is None and source.hub is None:  # a data set is as its authors made it
        problem_sets.check_once((where, prompt) for where, _, prompt in rows)
    found = [
        problem_sets.problem_of(_stripped(prompt), where, marker, _cluster(row, columns, where))
        for where, row, prompt in rows
    ]
    if source is not task.fewshot:
        row_checks.check_clusters(task, columns, found)
    return found


def _stripped(prompt: Prompt) -> Prompt:
    reference = prompt.reference and tuple(text.strip() for text in prompt.reference)
    return replace(prompt, turns=tuple(turn.strip() for turn in prompt.turns), reference=reference)


def opening(prompt: Prompt, n: int | None) -> Prompt:
    """A prompt's first turns; all of them for None."""
    if n is None or len(prompt.turns) <= n:
        return prompt
    reference = prompt.reference[:n] if prompt.reference else None
    return replace(prompt, turns=prompt.turns[:n], reference=reference)


def prompt_rows(
    task: Task, source: Source, columns: Columns
) -> Iterator[tuple[str, Mapping[str, Any], Prompt]]:
    """Where each row of a source stands, the row, and its prompt."""
    seen: dict[str, str] = {}
    alike = Counter[str]()
    first = 1 if source.first_id is None else source.first_id
    for number, (where, row) in enumerate(_rows(task, source, columns), first):
        history, turns = _conversation(row, columns.prompt, where, source.only_last)
        category = _name(row, columns.category, where, source.category or task.name)
        alike[turns[0]] += 1
        own = f"{row['subset']}/{row['row']}" if source.subsets else str(number)
        instead = text_id(turns[0], alike[turns[0]]) if source.text_ids else own
        name = _name(row, columns.id, where, instead)
        if seen.setdefault(name, where) != where:
            raise UsageError(f"question `{name}` is at `{seen[name]}` too", "remove one", where)
        reference = _reference(row, columns, where, turns)
        points = _checklist(row, columns, where)
        prompt = Prompt(name, category, turns, reference, history=history, checklist=points)
        yield where, row, prompt


def _conversation(
    row: Mapping[str, Any], column: str, where: str, only_last: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is given, and the user's turns: a text, a list of them, or those in a list of messages.

    only_last: the last message is asked, and those before it, with their answers, are given.
    """
    value = reach(row, column)
    several: list[Any] = value if isinstance(value, list) else [value]
    messages = all(isinstance(one, dict) and "role" in one for one in several)
    if messages and not only_last:
        several = [one for one in several if one["role"] in ("user", "human")]
    said = [one.get("content") if isinstance(one, dict) else one for one in several]
    texts = tuple(one for one in said if isinstance(one, str))
    asked = texts[-1:] if only_last else texts
    if not texts or len(texts) < len(said) or not all(one.strip() for one in asked):
        raise _bad(row, column, where, "a text or a list of turns")
    if not only_last:
        return (), texts
    roles = [one["role"] for one in several] if messages else []
    if roles != [("user", "assistant")[i % 2] for i in range(len(texts))] or not len(roles) % 2:
        raise _bad(row, column, where, "messages of user and assistant in turn, the last a user's")
    return texts[:-1], texts[-1:]


def _checklist(row: Mapping[str, Any], columns: Columns, where: str) -> tuple[str, ...]:
    """The points that a judge may look at; empty where there is no column, or nothing."""
    value = None if columns.checklist is None else reach(row, columns.checklist)
    several = [] if value is None else value
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        raise _bad(row, str(columns.checklist), where, "a list of texts")
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
    texts = tuple(str(one) if _is_text(one) else None for one in several)
    if None in texts or len(texts) > len(turns):
        raise _bad(row, columns.reference, where, "a text, or at most one a turn")
    found = tuple(text or "" for text in texts)
    return found + ("",) * (len(turns) - len(found)) if any(found) else None


def _is_text(value: object) -> bool:
    """A text, or a number, which many a data set of sums holds as such."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _cluster(row: Mapping[str, Any], columns: Columns, where: str) -> str | None:
    """What the row shares with others: a text of any length, or a number."""
    if columns.cluster is None:
        return None
    value = reach(row, columns.cluster)
    if not _is_text(value) or not str(value).strip():
        raise _bad(row, columns.cluster, where, "a text")
    return " ".join(str(value).split())


def _rows(task: Task, source: Source, columns: Columns) -> list[Row]:
    """The rows, with where each stands, once it is known that the columns are there."""
    file = _file_of(task, source)
    if file is not None and file.suffix == ".jsonl":
        rows: list[Row] = list(read_lines(file, EXPLAINED))
    elif file is not None and file.suffix == ".json":
        rows = read_list(file, EXPLAINED, "rows")
    else:
        rows = list(_of_data_sets(task, source, file))
    rows = _without(task, source, rows)
    part = "fewshot" if source is task.fewshot else "questions"
    if not rows:
        raise UsageError(f"`{source.named}` has no rows", EXPLAINED, task.where(part))
    for name in Columns.__annotations__:
        column = getattr(columns, name)
        if column is not None and not any(column.partition(".")[0] in row for _, row in rows):
            hint = f"its columns: {', '.join(map(str, rows[0][1]))}"
            own = source in (task.questions, task.fewshot)
            raise UsageError(
                f"`{source.named}` has no column `{column}`",
                hint if own else f"{hint}; in our format, {FORMATS[task.kind]}",
                task.where(part, "columns", name) if own else source.named,
            )
    return rows


def _without(task: Task, source: Source, rows: list[Row]) -> list[Row]:
    """The rows but for those to leave out; a value that no row has is another data set's.

    A file in the data set's place may lack it.
    """
    kept, is_own = rows, source.hub is not None or source is task.questions
    for column, value in source.leave_out.items():
        if is_own and not any(reach(row, column) == value for _, row in rows):
            part = "questions" if source.leave_out is task.questions.leave_out else "fewshot"
            said = f"`leave_out`: no row of `{source.named}` has `{column}` `{value}`"
            raise UsageError(said, "mend it", task.where(part, "leave_out"))
        kept = [one for one in kept if reach(one[1], column) != value]
    return kept


def _file_of(task: Task, source: Source) -> Path | None:
    """The file that a source names, of the hub in its local cache; None where it names a split."""
    if source.file is None:
        return None
    if source.hub is None:
        file = task.file(source.file)
        if not file.is_file():
            raise UsageError(f"no file `{file}`", "the task names it", task.where("questions"))
        return file
    try:
        return hub.fetch(source.hub, source.file, source.revision)
    except hub.HubError as error:
        raise _away(task, source, error) from None


def _whole_file(task: Task, source: Source) -> Path:
    """The file of a source without columns: in our format."""
    file = _file_of(task, source)
    assert file is not None, "a split needs columns"  # tasks.py refuses it
    return file


def _away(task: Task, source: Source, error: hub.HubError) -> UsageError:
    if source.hub is None:
        return UsageError(f"cannot read `{source.file}`: {error}", EXPLAINED)
    hint = f"or fetch `{source.hub}` once, with a network and HF_HUB_OFFLINE unset"
    return UsageError(
        f"cannot read `{source.named}` from the hub: {error}", f"{AS_A_FILE[task.kind]}; {hint}"
    )


def _of_data_sets(task: Task, source: Source, file: Path | None) -> Iterator[Row]:
    """The rows; of several configurations, each with that and with its place in it."""
    for subset in source.subsets or ():
        of = _of_data_set(task, replace(source, subset=subset), file)
        for number, (where, row) in enumerate(of, 1):
            yield f"{subset} {where}", {"subset": subset, "row": number, **row}
    if source.subsets is None:
        yield from _of_data_set(task, source, file)


def _of_data_set(task: Task, source: Source, file: Path | None) -> Iterator[Row]:
    try:
        rows = hub.read_rows(**_place(source, file))
    except hub.HubError as error:
        raise _away(task, source, error) from None
    what = f"{source.named} {source.split}" if source.split else source.named
    return ((f"{what} row {number}", row) for number, row in enumerate(rows, 1))


def _place(source: Source, file: Path | None) -> dict[str, Any]:
    """What `hub.read_rows` takes for a source."""
    if file is None:
        said = {"subset": source.subset, "revision": source.revision}
        return {"path": source.hub, "split": source.split, **_given(said)}
    if file.suffix not in READERS:
        raise UsageError(f"`{source.file}` is no data set", f"one of {', '.join(READERS)}")
    return {
        "path": READERS[file.suffix],
        "data_files": str(file),
        "split": source.split or "train",
    }


def _given(said: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in said.items() if value is not None}
