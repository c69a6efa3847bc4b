"""What `metadata.sami_eval` of a task's file may say: each key with its type and meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from sami_eval.core.described import Says
from sami_eval.core.settings import Count, Temperature
from sami_eval.core.shape import Id, Name, Text, Whole, Within
from sami_eval.core.task_files import Kind
from sami_eval.data.marker import DEFAULT

Rule = Literal["conservative", "average"]
Control = Literal["length", "length,style"]


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
    wrong_references: Annotated[
        tuple[Id, ...], Says("Questions whose references are reported wrong.", "[104, 105]")
    ] = ()
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


_PAIRWISE = ("turns", "categories", "temperatures", "judge")
_JUDGED = ("references", "wrong_references")
_OF: Mapping[Kind, tuple[str, ...]] = {
    "pairwise": (*_PAIRWISE, *_JUDGED, "judge_prompts", "rule", "control", "baseline"),
    "passk": ("marker", "fewshot", "filters"),
}
_SPECIAL = {name for several in _OF.values() for name in several}
TASK_KEYS: Mapping[Kind, tuple[str, ...]] = {
    kind: tuple(
        one.name for one in fields(TaskKeys) if one.name not in _SPECIAL or one.name in _OF[kind]
    )
    for kind in _OF
}
