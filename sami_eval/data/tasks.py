"""`tasks/NAME.yaml` -> Task: what is asked and how it is counted, every field checked.

The file is lm-eval's; `metadata.sami_eval` in it is ours:

task: mine_pairwise
class: !function sami_eval.harness.pairwise.Pairwise
metadata:
  sami_eval:
    kind: pairwise
    questions: {file: mine.jsonl}
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.shape import UNKNOWN, MisfitError, fit
from sami_eval.core.task_files import Kind, kind_of, short_name, task_file
from sami_eval.core.yaml_file import Yaml, read_yaml
from sami_eval.data.task_keys import TASK_KEYS, Answered, Source, TaskKeys

T = TypeVar("T")

OURS = ("metadata", "sami_eval")
EXPLAINED = "docs/tasks.md shows a whole task file"
TOP = ("task", "class", "include", "metadata", "tag")
# What lm-eval reads as well with our classes, and what says it to our command.
LM_EVALS: dict[Kind, dict[str, str]] = {
    "pairwise": {},
    "passk": {
        "num_fewshot": "--num-fewshot",
        "generation_kwargs": "--temperature, --top-p and --max-tokens",
    },
}
CLASSES = {
    "pairwise": "sami_eval.harness.pairwise.Pairwise",
    "passk": "sami_eval.harness.passk.Passk",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TaskKeys):
    """A task. full: lm-eval's name of it; stated: the file that says what it is.

    notes: what to say of keys that lm-eval alone reads.
    """

    full: str
    stated: Yaml
    fewshot: Source | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As our commands call it."""
        return short_name(self.full)

    def file(self, name: str) -> Path:
        """A file that the task names, beside its own."""
        return self.stated.path.parent / Path(name).expanduser()

    @property
    def references_file(self) -> Path | None:
        """Its references, in MT-Bench's format."""
        return None if self.references is None else self.file(self.references)

    def where(self, *names: str) -> str:
        """ "FILE:LINE" of a key."""
        return self.stated.where((*OURS, *names))


def read_task(spec: str, kind: Kind) -> Task:
    """The task of this name, or in this file. Raises UsageError with file and line."""
    return read_task_file(task_file(spec, kind))


def read_task_file(path: Path) -> Task:
    """The task in a file. Raises UsageError with file and line."""
    if not path.is_file():
        raise UsageError(f"no task file `{path}`", "sami-eval ls tasks")
    file, kind = read_yaml(path, EXPLAINED), kind_of(path.stem)
    stated = _stating(file, "metadata") or file
    if file.data.get("task") != path.stem:
        said = f"`task` is `{file.data.get('task')}` and the file `{path.name}`"
        file.bad(("task",), said, f"write task: {path.stem}; lm-eval finds it by that")
    if kind is not None:
        _check_class(_stating(file, "class") or file, CLASSES[kind])
    task = task_of(stated, path.stem)
    return replace(task, notes=tuple(_notes(file, task.kind)))


def _check_class(file: Yaml, ours: str) -> None:
    """Refuse a class that lm-eval would not find; one of the user's own is theirs to know."""
    found, hint = file.data.get("class"), f"write class: !function {ours}"
    if not isinstance(found, str):
        file.bad(("class",), "`class` is missing", hint)
    near = found.partition(".")[0] == "sami_eval" or difflib.get_close_matches(found, [ours], 1)
    if found != ours and near:
        file.bad(("class",), f"`class` is `{found}`: there is none for this kind of task", hint)


def _notes(file: Yaml, kind: Kind) -> Iterator[str]:
    """What lm-eval alone reads, and by which flag our command does; nobody's keys are refused."""
    known = (*TOP, *LM_EVALS[kind])
    for one in _chain(file):
        for name in one.data:
            if name not in known:
                one.bad((str(name),), f"nothing reads `{name}`", did_you_mean(str(name), known))
            if name in LM_EVALS[kind]:
                flags = LM_EVALS[kind][name]
                yield f"{one.where((name,))}: `{name}` is for lm_eval alone; here: {flags}"
        metadata = one.data.get("metadata")
        for name in metadata if isinstance(metadata, dict) else ():
            if name not in ("version", "sami_eval"):
                said = f"`metadata.{name}` is no key of a task's file"
                hint = f"under `sami_eval`, or lm_eval --metadata {name}=..."
                one.bad(("metadata", str(name)), said, hint)


def _chain(file: Yaml) -> Iterator[Yaml]:
    """A file, and those that it includes."""
    yield file
    for path in _included(file):
        yield from _chain(read_yaml(path, EXPLAINED))


def _included(file: Yaml) -> list[Path]:
    several = file.data.get("include", [])
    return [
        file.path.parent / str(one) for one in (several if isinstance(several, list) else [several])
    ]


def _stating(file: Yaml, key: str, seen: Sequence[Path] = ()) -> Yaml | None:
    """The file that states a key: the file itself, else the last that it includes, as lm-eval."""
    if key in file.data:
        return file
    for path in reversed(_included(file)):
        if path in seen:
            file.bad(("include",), f"`{path.name}` includes itself", EXPLAINED)
        found = _stating(read_yaml(path, EXPLAINED), key, (*seen, path))
        if found is not None:
            return found
    return None


def task_of(file: Yaml, full: str) -> Task:
    """The task that a file's metadata state, under its full name."""
    metadata = file.data.get("metadata")
    row = metadata.get("sami_eval") if isinstance(metadata, dict) else None
    if not isinstance(row, dict):
        file.bad(OURS, "`metadata.sami_eval` is missing", EXPLAINED)
    keys = _fitted(file, row, TaskKeys, OURS)
    kind = kind_of(full) or keys.kind
    if keys.kind != kind:
        said = f"`kind` is `{keys.kind}` and the task is called `{full}`"
        file.bad((*OURS, "kind"), said, f"write kind: {kind}")
    for name in row:
        if name not in TASK_KEYS[kind]:
            said = f"`{name}` is no key of a task of kind {kind}"
            file.bad((*OURS, name), said, f"known: {', '.join(TASK_KEYS[kind])}")
    _check_source(file, keys.questions, "questions")
    for i, place in enumerate(keys.baseline.answers if keys.baseline else ()):
        _check_place(file, place, (*OURS, "baseline"), f"baseline.answers.{i}")
    other = {"pairwise": "cluster", "passk": "checklist"}[kind]
    if keys.questions.columns is not None and getattr(keys.questions.columns, other) is not None:
        said = f"`questions.columns.{other}` is nothing of a task of kind {kind}"
        file.bad((*OURS, "questions", "columns", other), said, "leave it out")
    own = {one.name: getattr(keys, one.name) for one in fields(keys)}
    own["fewshot"] = _fewshot(file, keys)
    for name, ending in (("judge", ".toml"), ("marker", ".py")):
        if str(own[name]).endswith(ending):  # else a name
            own[name] = str(file.path.parent / Path(own[name]).expanduser())
    return Task(**own, full=full, stated=file)


def _fitted(file: Yaml, row: object, kind: type[T], at: Sequence[str]) -> T:
    """A part of a file as its type has it."""
    try:
        return fit(row, kind)
    except MisfitError as error:
        names, said = (*at, *error.path), ".".join(error.path)
        if error.value is UNKNOWN:
            known = _names_at(kind, error.path[:-1])
            file.bad(names, f"unknown key `{said}`", did_you_mean(error.path[-1], known))
        file.bad(names, f"`{said or at[-1]}` is {error.what}", EXPLAINED)


def _names_at(kind: Any, path: Sequence[str]) -> list[str]:
    """The fields of the dataclass that a path leads to, through lists too."""
    for name in path:
        if not name.isdecimal():
            kind = _dataclass_in(get_type_hints(kind)[name])
    return [one.name for one in fields(kind)]


def _dataclass_in(kind: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return kind
    return next(filter(None, map(_dataclass_in, get_args(kind))), None)


def _check_place(file: Yaml, place: Source | Answered, at: Sequence[str], name: str) -> None:
    """Refuse rows that stand nowhere, and what is said of a data set and not read."""
    if place.hub is None and place.file is None:
        file.bad(at, f"`{name}` names neither `hub` nor `file`", EXPLAINED)
    for key in ("revision", "subset", "subsets", "split"):
        if place.hub is None and getattr(place, key, None) is not None:
            said = f"`{name}.{key}` is of a data set of the hub, and `{name}.hub` is missing"
            file.bad((*at, key), said, "leave it out, or name the hub's id")
    for key, other in _INSTEAD:
        if getattr(place, key, None) is not None and getattr(place, other, None) is not None:
            said = f"`{name}.{key}` is not read where `{name}.{other}` is given"
            file.bad((*at, key), said, "leave one of both out")


_INSTEAD = (("subset", "file"), ("subsets", "file"), ("split", "file"), ("subset", "subsets"))


def _check_source(file: Yaml, source: Source, name: str) -> None:
    """Refuse rows that stand nowhere, or of which nobody knows what they hold."""
    at: tuple[str, ...] = (*OURS, name)
    _check_place(file, source, at, name)
    if source.file is None and source.split is None:
        file.bad(at, f"`{name}.split` is missing", "write split: test, or as the data set calls it")
    for key, because in _idle(source):
        file.bad((*at, key), f"`{name}.{key}` is not read: {because}", "leave one of both out")
    ours = source.hub is None and str(source.file).endswith((".jsonl", ".json"))
    if source.columns is None and not ours:
        said = f"`{name}.columns` is missing: nobody knows what `{source.named}` holds"
        file.bad(at, said, "write columns: {prompt: question}")


def _idle(source: Source) -> Iterator[tuple[str, str]]:
    """Keys of rows that nobody would look at, and why: what is read would not be what is said."""
    columns = source.columns
    if columns is None:
        for key in ("first_id", "text_ids", "category", "leave_out", "only_last"):
            if getattr(source, key) not in (None, False, {}):
                yield key, "no `columns` are named, and rows in our format say it themselves"
        return
    ids = {"columns.id": columns.id, "text_ids": source.text_ids, "subsets": source.subsets}
    if source.first_id is not None and any(ids.values()):
        yield "first_id", f"`{next(name for name, one in ids.items() if one)}` says the ids"
    if source.text_ids and columns.id:
        yield "text_ids", "`columns.id` says the ids"
    if source.category and columns.category:
        yield "category", "`columns.category` says it"


def _fewshot(file: Yaml, keys: TaskKeys) -> Source | None:
    """Where examples are from: what it leaves out is as for the problems."""
    if keys.fewshot is None:
        return None
    said = _fitted(file, keys.fewshot, Source, (*OURS, "fewshot"))
    like = keys.questions
    if said.hub is not None or said.file is not None:  # another place, read alike
        like = replace(like, hub=None, revision=None, subset=None, subsets=None)
        like = replace(like, split=None, file=None)
    own = {name: getattr(said, name) for name in keys.fewshot}
    for one, other in (("subset", "subsets"), ("subsets", "subset")):
        own |= {other: None} if one in own and other not in own else {}
    found = replace(like, **own)
    _check_source(file, found, "fewshot")
    return found
