"""Prompts from any data set that `datasets` can load: a hub id, a folder, a JSONL or parquet file.

A column's value is a text, a list of user turns, or a list of messages with `role` and `content`,
of which the user's are taken; a dotted name ("info.post") reaches into an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.files import named
from sami_eval.core.records import read_lines
from sami_eval.core.shape import is_name
from sami_eval.core.types import Prompt
from sami_eval.data import hub
from sami_eval.data.prompts import read_prompts

HINT = "e.g. --prompts openai/gsm8k --subset main --split train --prompt-column question"
READERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where prompts are.

    spec: a file, a folder, the name of a file in `prompts/`, which come with sami-eval, or a hub
        id, `ID@REVISION` for another than its main one.
    column: of the prompt; None takes the first of `COLUMNS` that is there. category: of every
        prompt; None takes the column "category", else the source's own name.
    """

    spec: str
    column: str | None = None
    category: str | None = None
    category_column: str | None = None
    split: str = "train"
    subset: str | None = None


COLUMNS = ("prompt", "turns", "question", "problem", "instruction", "input", "conversation")


def read(source: Source) -> tuple[list[Prompt], int]:
    """The prompts of a source, and how many rows had none.

    A question file in our format or FastChat's, or the paper's, is read as `compare` reads it.
    Raises UsageError for what cannot be loaded, and for a column that is not there.
    """
    path = named("prompts", source.spec)
    columns = (source.column, source.category, source.category_column)
    if not any(columns) and _holds_questions(path):
        return read_prompts(path), 0
    rows = load(source, path)
    names: Sequence[str] = rows.column_names
    column = prompt_column(source, names)
    if column is None:
        raise UsageError(f"which column of `{source.spec}` holds the prompt?", _columns(names))
    prompts = list(_prompts(rows, source, column))
    if not prompts:
        raise UsageError(f"no row of `{source.spec}` has a text in `{column}`", _columns(names))
    return prompts, len(rows) - len(prompts)


def prompt_column(
    source: Source, names: Sequence[str], known: Sequence[str] = COLUMNS
) -> str | None:
    """The column of the prompt: the one named, else the first known that is there.

    Raises UsageError where a column that is named, the category's too, is not among `names`.
    """
    for name in (source.column, source.category_column):
        if name is not None and name.partition(".")[0] not in names:
            raise UsageError(f"`{source.spec}` has no column `{name}`", _columns(names))
    return source.column or next((name for name in known if name in names), None)


def _columns(names: Sequence[str]) -> str:
    return f"name one with --prompt-column; its columns: {', '.join(names)}"


def _holds_questions(path: Path) -> bool:
    """Whether a file is read as questions: any of JSON, but for lines that name a prompt by column.

    A line with `turns` or a question's id is a question, and so is whatever is not an object.
    """
    if not path.is_file() or path.suffix not in (".json", ".jsonl"):
        return False
    if path.suffix == ".json":
        return True
    first = next((row for _, row in read_lines(path, HINT)), {})
    return bool({"turns", "question_id", "id"} & first.keys()) or not set(COLUMNS) & first.keys()


def load(source: Source, path: Path) -> Any:
    """The split's rows, as a `datasets.Dataset`. path: the source's, where it is a file."""
    where: dict[str, Any] = {"path": str(path) if path.is_dir() else source.spec}
    if path.is_file():
        if path.suffix not in READERS:
            raise UsageError(f"`{source.spec}` is no data set", f"one of {', '.join(READERS)}")
        where = {"path": READERS[path.suffix], "data_files": str(path)}
    elif not path.is_dir():
        name, _, revision = source.spec.partition("@")
        where = {"path": name, "revision": revision or None}
    try:
        return hub.read_rows(**where, subset=source.subset, split=source.split)
    except hub.HubError as error:
        raise UsageError(f"cannot load `{source.spec}`: {error}", HINT) from None


def _prompts(rows: Iterable[Any], source: Source, column: str) -> Any:
    stem = Path(source.spec.partition("@")[0]).stem
    for number, row in enumerate(rows):
        turns = _turns(reach(row, column))
        if not turns:
            continue
        yield Prompt(f"{stem}/{number}", category_of(row, source, number), turns)


def category_of(row: Any, source: Source, number: int) -> str:
    """A row's category: the one for all, its column's, or the source's own name."""
    category: object = source.category or Path(source.spec.partition("@")[0]).stem
    if source.category_column or ("category" in row and source.category is None):
        category = reach(row, source.category_column or "category")
    category = category.strip() if isinstance(category, str) else category
    if isinstance(category, str) and is_name(category):
        return category
    raise UsageError(
        f"the category of row {number} of `{source.spec}` is {shown(category)}",
        "name one for all with --category",
    )


def reach(row: Any, column: str) -> object:
    """A column's value, or the value inside it that a dotted name leads to."""
    value: object = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _turns(value: object) -> tuple[str, ...]:
    """The user's turns; empty where the first is no text."""
    several: list[Any] = value if isinstance(value, list) else [value]
    if all(isinstance(one, dict) and "role" in one for one in several):
        several = [one.get("content") for one in several if one["role"] in ("user", "human")]
    texts = [one.strip() for one in several if isinstance(one, str)]
    return tuple(texts) if texts and len(texts) == len(several) and all(texts) else ()
