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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from sami_eval.core.described import Says
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.settings import Count, Temperature
from sami_eval.core.shape import UNKNOWN, MisfitError, Name, Text, Whole, Within, fit
from sami_eval.core.task_files import Kind, kind_of, short_name, task_file
from sami_eval.core.yaml_file import Yaml, read_yaml
from sami_eval.data.marker import DEFAULT

T = TypeVar("T")
Rule = Literal["conservative", "average"]
Control = Literal["length", "length,style"]

OURS = ("metadata", "sami_eval")
EXPLAINED = "docs/tasks.md shows a whole task file"
CLASSES = {
    "pairwise": "sami_eval.harness.pairwise.Pairwise",
    "passk": "sami_eval.harness.passk.Passk",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column holds what; a dotted name reaches into an object."""

    prompt: Annotated[Name, Says("Text, list of turns, or messages of role and content.", "prompt")]
    id: Annotated[Name, Says("The question's own id; else rows are numbered.", "id")] | None = None
    category: Annotated[Name, Says("Its category.", "category")] | None = None
    reference: (
        Annotated[Name, Says("Its right answer: a text, or a list, one a turn.", "answer")] | None
    ) = None
    checklist: (
        Annotated[Name, Says("pairwise: points for the judge, a list of texts.", "checklist")]
        | None
    ) = None
    cluster: (
        Annotated[Name, Says("passk: what problems of one template share.", "template")] | None
    ) = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows are: a data set of the hub, or a file."""

    hub: Annotated[Name, Says("A data set of the hub.", "openai/gsm8k")] | None = None
    revision: Annotated[Name, Says("Its commit, branch or tag.", "main")] | None = None
    subset: Annotated[Name, Says("Its configuration.", "main")] | None = None
    subsets: (
        Annotated[
            tuple[Name, ...],
            Says(
                "Several, one after the other; gives columns `subset`, `row`.",
                ("de", "fr"),
            ),
        ]
        | None
    ) = None
    split: Annotated[Name, Says("Its split.", "test")] | None = None
    file: (
        Annotated[Name, Says("A file beside the task's, or one in the hub's data set.", "q.jsonl")]
        | None
    ) = None
    columns: Columns | None = None
    category: (
        Annotated[Name, Says("The category of every row, where no column says.", "math")] | None
    ) = None
    leave_out: Annotated[
        Mapping[str, str], Says("Rows with this value in this column.", "kind: other")
    ] = dataclasses.field(default_factory=dict)
    first_id: (
        Annotated[
            int,
            Within(least=0),
            Whole("a whole number of at least 0"),
            Says("The number of the first row, as an id; 1 unless said.", 81),
        ]
        | None
    ) = None
    text_ids: Annotated[
        bool, Says("A row's id is made of its text, where rows have none of their own.", True)
    ] = False
    only_last: Annotated[
        bool, Says("Of messages the last is asked; what was said before is given.", True)
    ] = False

    @property
    def named(self) -> str:
        """As a person reads it: the hub's id, with its revision, or the file."""
        if self.hub is None:
            return str(self.file)
        of = self.revision or ""
        return f"{self.hub}@{of[:12] if len(of) == 40 else of}" if of else self.hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Where some of a baseline's answers are. categories: of the questions that they are for."""

    hub: Annotated[Name, Says("A data set of the hub.", "me/answers")] | None = None
    revision: Annotated[Name, Says("Its commit, branch or tag.", "main")] | None = None
    subset: Annotated[Name, Says("Its configuration.", "main")] | None = None
    split: Annotated[Name, Says("Its split.", "train")] | None = None
    file: (
        Annotated[Name, Says("A file beside the task's, or one in the hub's data set.", "a.jsonl")]
        | None
    ) = None
    model: Annotated[Name, Says("Whose, of a file with several models'.", "old")] | None = None
    categories: (
        Annotated[tuple[Name, ...], Whole("a list of categories"), Says("Of these.", "[math]")]
        | None
    ) = None

    @property
    def named(self) -> str:
        """As a person reads it."""
        part = self.file or self.subset or self.split
        return str(part) if self.hub is None else f"{self.hub} {part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Whom the contenders of a task are compared with. name: what tables call it."""

    name: Annotated[Name, Says("What tables call it.", "old")]
    answers: Annotated[
        tuple[Answered, ...],
        Whole("a list of places", filled=True),
        Says("Where they are.", "- {file: old.jsonl}"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKeys:
    """What `metadata.sami_eval` may say."""

    kind: Annotated[
        Kind, Whole("pairwise or passk"), Says("pairwise, for compare; or passk.", "pairwise")
    ]
    questions: Source
    about: Annotated[Text, Says("What it asks, for `sami-eval ls tasks`.", "My questions.")] = ""
    embedded: Annotated[
        bool, Says("Contenders on the embedded base are asked its world instead.", False)
    ] = False
    turns: Annotated[Count, Says("Of each question the first so many.", 2)] | None = None
    categories: (
        Annotated[
            Mapping[str, Count],
            Says("The rows' categories in order, and how many each has.", "writing: 10"),
        ]
        | None
    ) = None
    temperatures: Annotated[
        Mapping[str, Temperature],
        Says("Of answers by category; 0 for others.", "writing: 0.7"),
    ] = dataclasses.field(default_factory=dict)
    judge: Annotated[Text, Says("A judge's name or file.", "quality")] | None = None
    references: Annotated[Text, Says("References in MT-Bench's format.", "r.jsonl")] | None = None
    judge_prompts: (
        Annotated[Text, Says("Prompts as their authors publish them.", "judge_prompts.jsonl")]
        | None
    ) = None
    rule: Annotated[Rule, Says("Unless --rule says another.", "average")] | None = None
    control: Annotated[Control, Says("Unless --control says another.", "length,style")] | None = (
        None
    )
    baseline: Baseline | None = None
    marker: Annotated[Name, Says("What reads an answer; `sami-eval ls markers`.", "number")] = (
        DEFAULT
    )
    max_tokens: (
        Annotated[Count, Says("Longest answer, where --max-tokens does not say.", 1024)] | None
    ) = None
    fewshot: Any = None
    filters: (
        Annotated[Name, Says("lm-eval's task whose filters mark beside ours.", "gsm8k")] | None
    ) = None


_PAIRWISE = ("turns", "categories", "temperatures", "judge", "references")
_OF: Mapping[Kind, tuple[str, ...]] = {
    "pairwise": (*_PAIRWISE, "judge_prompts", "rule", "control", "baseline"),
    "passk": ("marker", "max_tokens", "fewshot", "filters"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TaskKeys):
    """A task. full: lm-eval's name of it; stated: the file that says what it is."""

    full: str
    stated: Yaml
    fewshot: Source | None = None

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
    if kind is not None and not isinstance(
        (_stating(file, "class") or file).data.get("class"), str
    ):
        file.bad(("class",), "`class` is missing", f"write class: !function {CLASSES[kind]}")
    return task_of(stated, path.stem)


def _stating(file: Yaml, key: str, seen: Sequence[Path] = ()) -> Yaml | None:
    """The file that states a key: the file itself, else the last that it includes, as lm-eval."""
    if key in file.data:
        return file
    several = file.data.get("include", [])
    for name in reversed(several if isinstance(several, list) else [several]):
        path = file.path.parent / str(name)
        if path in seen:
            file.bad(("include",), f"`{name}` includes itself", EXPLAINED)
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
    own = {one.name: getattr(keys, one.name) for one in fields(keys)}
    own["fewshot"] = _fewshot(file, keys)
    for name, ending in (("judge", ".toml"), ("marker", ".py")):
        if str(own[name]).endswith(ending):  # else a name
            own[name] = str(file.path.parent / Path(own[name]).expanduser())
    return Task(**own, full=full, stated=file)


_SPECIAL = {name for several in _OF.values() for name in several}
TASK_KEYS: Mapping[Kind, tuple[str, ...]] = {
    kind: tuple(
        one.name for one in fields(TaskKeys) if one.name not in _SPECIAL or one.name in _OF[kind]
    )
    for kind in _OF
}


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
    """The fields of the dataclass that a path leads to."""
    for name in path:
        found = get_type_hints(kind)[name]
        several = getattr(found, "__args__", (found,))
        kind = next(one for one in several if dataclasses.is_dataclass(one))
    return [one.name for one in fields(kind)]


def _check_source(file: Yaml, source: Source, name: str) -> None:
    """Refuse rows that stand nowhere, or of which nobody knows what they hold."""
    at = (*OURS, name)
    if source.hub is None:
        if source.file is None:
            file.bad(at, f"`{name}` names neither `hub` nor `file`", EXPLAINED)
        for of_hub in ("revision", "subset", "subsets", "split"):
            if getattr(source, of_hub) is not None:
                said = f"`{name}.{of_hub}` is of a data set of the hub, and `{name}.hub` is missing"
                file.bad((*at, of_hub), said, "leave it out, or name the hub's id")
    elif source.file is None and source.split is None:
        file.bad(at, f"`{name}.split` is missing", "write split: test, or as the data set calls it")
    ours = source.hub is None and str(source.file).endswith((".jsonl", ".json"))
    if source.columns is None and not ours:
        said = f"`{name}.columns` is missing: nobody knows what `{source.named}` holds"
        file.bad(at, said, "write columns: {prompt: question}")


def _fewshot(file: Yaml, keys: TaskKeys) -> Source | None:
    """Where examples are from: what it leaves out is as for the problems."""
    if keys.fewshot is None:
        return None
    said = _fitted(file, keys.fewshot, Source, (*OURS, "fewshot"))
    like = keys.questions
    if said.hub is not None or said.file is not None:  # another place, read alike
        like = replace(like, hub=None, revision=None, subset=None, split=None, file=None)
    own = {name: getattr(said, name) for name in keys.fewshot}
    found = replace(like, **own)
    _check_source(file, found, "fewshot")
    return found
