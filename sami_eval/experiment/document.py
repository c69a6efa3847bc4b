"""A finished comparison as one JSON document: what `--json` prints and every other view reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

from sami_eval.core.types import Verdict
from sami_eval.data.unanswered import AnswersMore
from sami_eval.experiment.comparison_rows import ComparisonRow, RankRow
from sami_eval.experiment.earlier import fill
from sami_eval.experiment.envelope import AskedMore, Calls, Kind, read
from sami_eval.experiment.step_rows import MetRow as MetRow
from sami_eval.experiment.step_rows import StepRow

SCHEMA: Final = "sami-eval/comparison/1"


class ContenderRow(AnswersMore, AskedMore):
    """One model: its name, the contender it belongs to, and what stands behind it.

    trained_on: ids of the prompts it was trained on; None where that is not known.
    checks_met: where checks judge. step: where it was named as a checkpoint of a training.
    """

    name: str
    contender: str
    base: str
    adapter: str | None
    engine: str
    fingerprint: str
    n_cut: int
    trained_on: list[str] | None
    checks_met: MetRow | None
    step: int | None


class PriceRow(TypedDict):
    """USD per million tokens. source, date: of a vendor's list; None: the user's own table."""

    input: float
    output: float
    source: str | None
    date: str | None


class FailedMore(TypedDict, total=False):
    """Of calls that were never answered, what was said most often."""

    failed_because: str


class JudgeRow(AskedMore, FailedMore):
    """One judge: its kind, the model it is asked at, how, and what it took in this run.

    price: None where it is not known; of a judge in this process 0, since nobody is paid.
    """

    kind: NotRequired[str]
    name: str
    model: str | None
    calls: Calls
    tokens: dict[str, int]
    cost_usd: float | None
    price: PriceRow | None


Measures = Literal["principle adherence", "quality"]


class Document(TypedDict):
    """Everything a table, a report or a reviewer needs.

    measures: what the judge looks at; None where only who made it knows.
    against: the contender that each other one was compared with, as `b`; there is no ranking then.
    curve: over a training's checkpoints, where they were compared with one contender.
    """

    schema: Literal["sami-eval/comparison/1"]
    task: str
    judge: str
    judge_model: str | None
    judges: list[JudgeRow]
    measures: Measures | None
    orders: Literal["both", "one", "mixed"]
    rule: str
    principles_shown: bool
    embedded: bool
    settings_key: str
    settings: dict[str, Any]
    run: str
    date: str
    contenders: list[ContenderRow]
    against: str | None
    comparisons: list[ComparisonRow]
    ranking: list[RankRow]
    curve: list[StepRow]
    cost_usd: float | None
    cost_unseen_usd: float
    warnings: list[str]
    calls: Calls
    tokens: dict[str, int]
    seconds: dict[str, float]
    memory_mb: dict[str, float]
    versions: dict[str, str]
    command: str


KIND: Final = Kind("comparison.json", SCHEMA, Document, fill)


def read_document(path: Path) -> Document:
    """A saved document. Raises UsageError if it is not one."""
    return read(KIND, path)


def pairs_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair of contenders once, in the order they were named."""
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]


def contender_of(document: Document) -> dict[str, str]:
    """The contender of each model: itself, or the recipe of which it is one seed."""
    return {row["name"]: row.get("contender", row["name"]) for row in document["contenders"]}


def of_pair(document: Document, row: ComparisonRow, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts on two contenders."""
    of = contender_of(document)
    return [v for v in verdicts if (of.get(v.a, v.a), of.get(v.b, v.b)) == (row["a"], row["b"])]
