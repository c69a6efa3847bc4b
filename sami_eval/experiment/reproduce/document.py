"""A finished reproduction as one JSON document: what `reproduce --json` prints.

Schema "sami-eval/reproduction/1". Rates and gains are shares (a gain of .032 is 3.2 percentage
points), intervals [low, high] at 95%, and null means "not known", or that the paper has no figure.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypedDict

from sami_eval.experiment.envelope import Kind
from sami_eval.experiment.passk_document import EstimateRow

SCHEMA: Final = "sami-eval/reproduction/1"
FORECAST: Final = "sami-eval/reproduction-forecast/1"


class CategoryRow(TypedDict):
    """One category of one pairing; significant after Holm over categories."""

    win_rate: float | None
    interval: list[float] | None
    significant: bool
    n_turns: int


class _PairMore(TypedDict, total=False):
    published_range: list[float] | None


class PairRow(_PairMore):
    """One pairing beside the published figure; p_adjusted by Holm over the three.

    published_digits: of a share, that the paper prints. published_range: where it says no more
        than between which rates its pairings lie. categories_vary: the paper says so.
    """

    a: str
    b: str
    published: float | None
    published_digits: int
    win_rate: float | None
    interval: list[float] | None
    p_adjusted: float | None
    significant: bool
    n_questions: int
    n_turns: int
    ties: int
    unparsed: int
    questions_needed: int | None
    words: str
    categories_p_value: float | None
    categories_vary: bool
    by_category: dict[str, CategoryRow]


class JudgedResult(TypedDict):
    """A run of `compare`."""

    name: str
    run: str
    judge: str
    judge_model: str | None
    principles_shown: bool
    cost_usd: float | None
    pairs: list[PairRow]


class ScoredRow(TypedDict):
    """A gain as the paper scored it: right if any of the first k samples is."""

    gain: float
    interval: list[float]
    p_value: float


class GainRow(TypedDict):
    """What a gains over b at k, beside the published points; p_adjusted by Holm over all gains."""

    a: str
    b: str
    k: int
    published: float | None
    gain: float
    interval: list[float]
    p_adjusted: float
    significant: bool
    problems_needed: int | None
    as_scored: ScoredRow
    words: str


class SampledResult(TypedDict):
    """A run of `passk`. pass_at_k: model -> k as a text -> estimate."""

    name: str
    run: str
    n_problems: int
    samples: int
    pass_at_k: dict[str, dict[str, EstimateRow]]
    gains: list[GainRow]


class StageRow(TypedDict):
    """One stage that was done; seconds of its last, finished run."""

    name: str
    key: str
    seconds: float
    facts: dict[str, Any]
    date: str


class Reproduction(TypedDict):
    """Everything a table or a reviewer needs; a result a run."""

    schema: Literal["sami-eval/reproduction/1"]
    experiment: str
    scale: str
    about: str
    base: str
    embedded: bool
    seed: int
    folder: str
    stages: list[StageRow]
    results: list[JudgedResult | SampledResult]
    versions: dict[str, str]
    command: str


KIND: Final = Kind("reproduction.json", SCHEMA, Reproduction)
