"""Samples that were scored elsewhere, log beside log: means, and differences on the same samples.

Pure. A sample's score is the mean over its epochs that have one, and the sample is the unit of
every interval and test: its epochs are one cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import lcm
from pathlib import Path
from statistics import fmean

from sami_eval.core.comparison import Estimate
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.data.inspect_log import Log, Sample
from sami_eval.stats.passk import pass_at_k
from sami_eval.stats.problems import Difference, difference, mean_amount, mean_score
from sami_eval.stats.tests import holm

MOST_WORDS = 5
FINEST = 64  # parts of a point up to which a test is exact; finer ones are drawn
Epochs = Mapping[str, tuple[float, ...]]  # the scores of each sample, of the epochs that have one


@dataclass(frozen=True, slots=True)
class Figure:
    """What one scorer says of one log, on all samples that have it.

    k: of pass@k, from the epochs; None for the mean. n: samples. n_scores: of all their epochs.
    """

    scorer: str
    k: int | None
    is_share: bool
    estimate: Estimate
    n: int
    n_scores: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What log a has over log b by one scorer, on the samples that both have it of.

    span: the range of the scores, 1 where they are shares. p_adjusted: Holm over all rows.
    """

    a: str
    b: str
    scorer: str
    k: int | None
    is_share: bool
    span: float
    found: Difference
    p_adjusted: float


def epochs(log: Log, scorer: str) -> Epochs:
    """The scores of a log's samples by one scorer; samples without any are left out."""
    found: dict[str, list[float]] = {}
    for one in log.samples:
        if (score := one.scores.get(scorer)) is not None:
            found.setdefault(one.id, []).append(score)
    return {name: tuple(scores) for name, scores in found.items()}


def n_epochs(log: Log) -> int:
    """How often a log's samples were run at most."""
    return max(sum(1 for _ in several) for several in by_id(log).values())


def by_id(log: Log) -> dict[str, list[Sample]]:
    """The epochs of each sample."""
    found: dict[str, list[Sample]] = {}
    for one in log.samples:
        found.setdefault(one.id, []).append(one)
    return found


def other_inputs(a: Log, b: Log) -> set[str]:
    """Samples of one id that asked two things: another task's, or a data set that was changed."""
    of_a, of_b = (
        {name: several[-1].asked for name, several in by_id(log).items()} for log in (a, b)
    )
    return {name for name in of_a.keys() & of_b.keys() if of_a[name] != of_b[name]}


def figures(log: Log) -> Iterator[Figure]:
    """The mean of every scorer, and pass@k of all epochs where it says right or wrong."""
    for scorer in log.scorers:
        of, k = epochs(log, scorer), n_epochs(log)
        n_scores = sum(map(len, of.values()))
        means = [fmean(scores) for scores in of.values()]
        shares = _are_shares([score for scores in of.values() for score in scores])
        mean = mean_score(means) if shares else mean_amount(means)
        yield Figure(scorer, None, shares, mean, len(means), n_scores)
        if k > 1 and of and _is_right_or_wrong([of]):
            passed = list(_passed(of, k).values())
            yield Figure(scorer, k, True, mean_score(passed), len(passed), n_scores)


def _are_shares(scores: Sequence[float]) -> bool:
    return all(0 <= score <= 1 for score in scores)


def _is_right_or_wrong(several: Sequence[Epochs]) -> bool:
    return all(score in (0, 1) for of in several for scores in of.values() for score in scores)


def _passed(of: Epochs, k: int) -> dict[str, float]:
    """pass@k of each sample that has so many scored epochs."""
    return {
        name: pass_at_k(len(scores), round(sum(scores)), k)
        for name, scores in of.items()
        if len(scores) >= k
    }


def gains(names: Sequence[str], logs: Sequence[Log], against: str | None = None) -> list[Gain]:
    """Every two logs by every scorer that both have, or each beside one; Holm over all of them."""
    of = dict(zip(names, logs, strict=True))
    found = [(a, b, *row) for a, b in pairs(names, against) for row in _compared(of[a], of[b])]
    adjusted = holm([difference.p_value for *_, difference in found])
    return [Gain(*row, p) for row, p in zip(found, adjusted, strict=True)]


def pairs(names: Sequence[str], against: str | None = None) -> list[tuple[str, str]]:
    """Which logs are compared."""
    if against is None:
        return list(combinations(names, 2))
    return [(name, against) for name in names if name != against]


Row = tuple[str, int | None, bool, float, Difference]  # the fields of a Gain between names and p


def _compared(a: Log, b: Log) -> Iterator[Row]:
    """Scorer by scorer, on the samples that both logs have a score of, with one input."""
    k, others = min(n_epochs(a), n_epochs(b)), other_inputs(a, b)
    for scorer in (one for one in a.scorers if one in b.scorers):
        of = [
            {name: scores for name, scores in epochs(log, scorer).items() if name not in others}
            for log in (a, b)
        ]
        means = [{name: fmean(scores) for name, scores in one.items()} for one in of]
        if means[0].keys() & means[1].keys():
            yield scorer, None, *_difference(*means)
        passed = [_passed(one, k) for one in of] if k > 1 and _is_right_or_wrong(of) else [{}, {}]
        if passed[0].keys() & passed[1].keys():
            yield scorer, k, *_difference(*passed)


def _difference(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[bool, float, Difference]:
    """Whether scores are shares, the range they span, and the difference on the samples of both.

    Scores beyond 0 to 1 are put on that scale by the least and the largest of them, and back.
    """
    scores = [[one[name] for name in a if name in b] for one in (a, b)]
    every = [score for several in scores for score in several]
    shares = _are_shares(every)
    low, span = (0.0, 1.0) if shares else (min(every), max(every) - min(every) or 1.0)
    of_a, of_b = ([(score - low) / span for score in several] for several in scores)
    found = difference(of_b, of_a, _parts([*of_a, *of_b]))
    return shares, span, _times(found, span)


def _parts(scores: Sequence[float]) -> int:
    """In how many parts of a point all scores are whole; 1 where those would be too many."""
    parts = 1
    for score in set(scores):
        parts = lcm(parts, Fraction(score).limit_denominator(FINEST).denominator)
        if parts > FINEST:
            return 1
    return parts


def _times(found: Difference, span: float) -> Difference:
    low, high = found.interval
    return replace(
        found,
        value=found.value * span,
        interval=(low * span, high * span),
        detectable=found.detectable * span,
    )


def names_of(logs: Sequence[Log]) -> list[str]:
    """What the logs are called: by their models where those differ, else by what tells them apart.

    A name that somebody gave a file says more than the time in the one that Inspect gives it.
    """
    stems = [log.path.stem for log in logs]
    for several in (
        [log.model for log in logs],
        [f"{log.model} · {log.task}" for log in logs],
        [] if any(map(_DATED.match, stems)) else stems,
        [f"{log.model} · {log.created[:19]}" for log in logs],
        stems,
    ):
        if len(set(several)) == len(logs):
            return several
    return [str(log.path) for log in logs]


_DATED = re.compile(r"\d{4}-\d\d-\d\dT")  # how Inspect's own names begin


def check(names: Sequence[str], logs: Sequence[Log], against: str | None) -> str | None:
    """Raise UsageError where nothing can be compared; returns whom the others are compared with.

    against: a log's name or file.
    """
    paths = [log.path.resolve() for log in logs]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise UsageError(f"`{logs[i].path}` is named twice", "name two logs, or one")
    for log in logs:
        _check_scored(log)
    chosen = _chosen(names, logs, against)
    of = dict(zip(names, logs, strict=True))
    for a, b in pairs(names, chosen):
        one, other = of[a], of[b]
        common = by_id(one).keys() & by_id(other).keys()
        if not common - other_inputs(one, other):
            what = f"`{one.path}` ({one.task}) and `{other.path}` ({other.task})"
            of_one = f": {len(common):,} of one id, each with another input" if common else ""
            raise UsageError(f"{what} have no sample in common{of_one}", "compare logs of one task")
        if not set(one.scorers) & set(other.scorers):
            said = [", ".join(log.scorers) or "none" for log in (one, other)]
            raise UsageError(
                f"`{one.path}` and `{other.path}` have no scorer in common: {said[0]}; {said[1]}",
                "score one of them again: inspect score",
            )
    return chosen


def _check_scored(log: Log) -> None:
    if any(score is not None for one in log.samples for score in one.scores.values()):
        return
    words = sorted({word for several in log.words.values() for word in several})
    told = f" (said: {', '.join(words[:MOST_WORDS])})" if words else ""
    raise UsageError(
        f"none of {len(log.samples)} samples has a number as its score{told}",
        f"inspect score {log.path}",
        str(log.path),
    )


def _chosen(names: Sequence[str], logs: Sequence[Log], against: str | None) -> str | None:
    if against is None:
        return None
    for name, log in zip(names, logs, strict=True):
        if against == name or Path(against) == log.path:
            return name
    raise UsageError(f"`--against {against}` is none of the logs", did_you_mean(against, names, ""))
