"""Logs side by side as one JSON document: what `show A.eval B.eval --json` prints.

Schema "sami-eval/scored/1". Intervals are [low, high] at 95%, and null means "not known".
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypedDict

from sami_eval.data.inspect_log import Log, read_log
from sami_eval.experiment import scored
from sami_eval.experiment.envelope import Kind
from sami_eval.experiment.scored import Figure, Gain
from sami_eval.experiment.tallies import SIGNIFICANT

SCHEMA: Final = "sami-eval/scored/1"


class ScorerRow(TypedDict):
    """One scorer's figure of one log, on all samples that it gave a score.

    k: of pass@k from the epochs, null for the mean. n_unscored: samples without a score (for pass@k
        without k of them). n_scores: of all their epochs. is_share: all of them lie from 0 to 1.
    """

    scorer: str
    k: int | None
    is_share: bool
    value: float | None
    interval: list[float] | None
    n_samples: int
    n_unscored: int
    n_scores: int


class LogRow(TypedDict):
    """One log. n_runs: epochs of all samples; n_failed: of those, ended by an error.

    words: what a scorer said that is no number, by scorer; such a score counts as none.
    """

    name: str
    file: str
    task: str
    model: str
    status: str
    date: str
    n_samples: int
    epochs: int
    n_runs: int
    n_failed: int
    scores: list[ScorerRow]
    words: dict[str, list[str]]


class PairRow(TypedDict):
    """Which samples two logs have in common, by id, and which only one of them has.

    n_other_input: of those in common, with another input in each: not compared. scorers: those that
        only one log has.
    """

    a: str
    b: str
    n_common: int
    only_a: list[str]
    only_b: list[str]
    n_other_input: int
    scorers_only_a: list[str]
    scorers_only_b: list[str]


class GainRow(TypedDict):
    """a minus b by one scorer on the n samples that both have a score of; p_adjusted by Holm.

    is_share: whether all scores lie from 0 to 1; span: 1 there, else the range of the scores seen.
    """

    a: str
    b: str
    scorer: str
    k: int | None
    is_share: bool
    span: float
    value: float
    interval: list[float]
    p_value: float
    p_adjusted: float
    significant: bool
    n_samples: int
    samples_needed: int | None
    detectable: float


class ScoredDocument(TypedDict):
    """Everything a table or a reviewer needs. against: whom each other log is compared with."""

    schema: Literal["sami-eval/scored/1"]
    logs: list[LogRow]
    against: str | None
    pairs: list[PairRow]
    differences: list[GainRow]


KIND: Final = Kind("scored.json", SCHEMA, ScoredDocument)


def read_scored(paths: Sequence[Path], against: str | None = None) -> ScoredDocument:
    """The document of several logs. Raises UsageError where they cannot be compared."""
    logs = [read_log(path) for path in paths]
    names = scored.names_of(logs)
    beside = scored.check(names, logs, against)
    of = dict(zip(names, logs, strict=True))
    return {
        "schema": SCHEMA,
        "logs": [_log(name, log) for name, log in of.items()],
        "against": beside,
        "pairs": [_pair(a, b, of[a], of[b]) for a, b in scored.pairs(names, beside)],
        "differences": [_gain(one) for one in scored.gains(names, logs, beside)],
    }


def _log(name: str, log: Log) -> LogRow:
    n_samples = len(scored.by_id(log))
    return {
        "name": name,
        "file": str(log.path),
        "task": log.task,
        "model": log.model,
        "status": log.status,
        "date": log.created,
        "n_samples": n_samples,
        "epochs": scored.n_epochs(log),
        "n_runs": len(log.samples),
        "n_failed": sum(one.failed for one in log.samples),
        "scores": [_scorer(one, n_samples) for one in scored.figures(log)],
        "words": {scorer: list(said) for scorer, said in log.words.items()},
    }


def _scorer(one: Figure, n_samples: int) -> ScorerRow:
    interval = one.estimate.interval
    return {
        "scorer": one.scorer,
        "k": one.k,
        "is_share": one.is_share,
        "value": one.estimate.value,
        "interval": None if interval is None else list(interval),
        "n_samples": one.n,
        "n_unscored": n_samples - one.n,
        "n_scores": one.n_scores,
    }


def _pair(name_a: str, name_b: str, a: Log, b: Log) -> PairRow:
    of_a, of_b = scored.by_id(a), scored.by_id(b)
    return {
        "a": name_a,
        "b": name_b,
        "n_common": len(of_a.keys() & of_b.keys()),
        "only_a": list(_without(of_a, of_b)),
        "only_b": list(_without(of_b, of_a)),
        "n_other_input": len(scored.other_inputs(a, b)),
        "scorers_only_a": list(_without(a.scorers, b.scorers)),
        "scorers_only_b": list(_without(b.scorers, a.scorers)),
    }


def _without(names: Iterable[str], others: Container[str]) -> Iterator[str]:
    return (name for name in names if name not in others)


def _gain(one: Gain) -> GainRow:
    return {
        "a": one.a,
        "b": one.b,
        "scorer": one.scorer,
        "k": one.k,
        "is_share": one.is_share,
        "span": one.span,
        "value": one.found.value,
        "interval": list(one.found.interval),
        "p_value": one.found.p_value,
        "p_adjusted": one.p_adjusted,
        "significant": one.p_adjusted <= SIGNIFICANT,
        "n_samples": one.found.n_problems,
        "samples_needed": one.found.problems_needed,
        "detectable": one.found.detectable,
    }
