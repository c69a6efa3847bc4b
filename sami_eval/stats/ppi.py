"""A win rate by a judge's many scores and people's few, prediction-powered.

Angelopoulos et al. 2023 (Science 382; arXiv 2301.09633) take what a model says of all items and
correct it by how wrong it was on those that people labelled; Angelopoulos, Duchi and Zrnic 2023
(arXiv 2311.01453) choose how much weight w the model gets, so that a useless one does no harm.
Here a turn is an item, its question the cluster, and people labelled some of the turns the judge
scored, so the second sample is part of the first:

rate       Y + w (J - J')    Y: people's mean score over the voted turns, J' the judge's over the
                             same turns, J the judge's over all it scored
question   d_i(w) = a_i + w b_i
           a_i = (Y_i - l_i Y) / L                              Y_i, J'_i: score sums of question i
           b_i = (J_i - m_i J) / M - (J'_i - l_i J') / L        over its l_i voted turns, J_i over
                                                                its m_i turns; L, M their totals
weight     w = -sum a_i b_i / sum b_i^2, kept in [0, 1]         minimises the variance
variance   v = n/(n - 1) sum d_i(w)^2                           n voted questions

v is the linearised variance of this sum of ratios; since labelled and unlabelled turns overlap,
both parts of a question are added before they are squared. With one turn a question w is the
regression coefficient of people's scores on the judge's. n/(n - 1) pays for fitting it (1 where
w = 0). The interval is the score interval of intervals.py with v at the voted turns. So at w = 0,
and where everything is voted on, it is that of the votes alone, and a judge that made no mistake
in n questions is not taken for one that makes none: two imaginary questions of mistakes stay in.
benchmarks/ppi_coverage.py measures coverage and width.

It holds where the voted questions are a random part of the judged ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sami_eval.core.comparison import Estimate
from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import Array, score_interval, win_rate

TurnScores = tuple[float, float | None]  # the judge's score, and people's where they voted
FEWEST = 5  # voted questions; from fewer a weight says nothing and the votes stand alone


@dataclass(frozen=True, slots=True)
class Sums:
    """Score sums and turns of each question (last axis): all judged, and those voted on."""

    judge: Array
    turns: Array
    judge_voted: Array
    people_voted: Array
    turns_voted: Array


@dataclass(frozen=True, slots=True)
class Corrected:
    """A win rate with the judge's errors taken out.

    people: by the votes alone. weight: of the judge, 0 (the votes alone) to 1; None without votes.
    """

    win_rate: Estimate
    people: Estimate
    weight: float | None
    n_questions: int
    n_turns: int


def prediction_powered(sums: Sums) -> tuple[Array, Array, Array]:
    """Rate, its variance and the judge's weight (module docstring); questions on the last axis."""
    n_judged, n_voted = (x.sum(-1, keepdims=True) for x in (sums.turns, sums.turns_voted))
    judge = sums.judge.sum(-1, keepdims=True) / n_judged
    judge_voted = sums.judge_voted.sum(-1, keepdims=True) / n_voted
    people = sums.people_voted.sum(-1, keepdims=True) / n_voted
    by_people = (sums.people_voted - sums.turns_voted * people) / n_voted
    by_judge = (sums.judge - sums.turns * judge) / n_judged
    by_judge = by_judge - (sums.judge_voted - sums.turns_voted * judge_voted) / n_voted
    questions = (sums.turns_voted > 0).sum(-1, keepdims=True)
    spread = (by_judge**2).sum(-1, keepdims=True)
    # Rounding leaves a spread of some 1e-33 where everything is voted on: no judge is needed.
    fits = (spread > 1e-20) & (questions >= FEWEST)
    slope = -(by_people * by_judge).sum(-1, keepdims=True) / np.where(fits, spread, 1)
    # A slope of zero but for rounding is no weight, and nothing was fitted.
    weight = np.where(fits & (slope > 1e-9), np.minimum(slope, 1), 0.0)
    # A difference of rates may leave [0, 1] where a rate itself cannot.
    rate = np.clip(people + weight * (judge - judge_voted), 0, 1)
    paid = np.where(weight > 0, questions / np.maximum(questions - 1, 1), 1.0)
    variance = paid[..., 0] * ((by_people + weight * by_judge) ** 2).sum(-1)
    return rate[..., 0], np.asarray(variance), weight[..., 0]


def _each(values: Iterable[float]) -> Array:
    return np.array(list(values), float)


def corrected_win_rate(turns_by_question: Mapping[str, Sequence[TurnScores]]) -> Corrected:
    """The win rate people would give, by their votes and the judge's scores, 95% interval.

    turns_by_question: for each turn the judge scored, its score and people's mean, None without
        a vote; both in [0, 1], a tie is half a win.
    Nothing is known without a vote.
    """
    rows = [row for row in turns_by_question.values() if row]
    for score in (score for row in rows for turn in row for score in turn):
        if score is not None and not 0 <= score <= 1:
            raise OutOfRangeError(f"`{score}` is not a score", "scores lie between 0 and 1")
    voted = [[(judge, people) for judge, people in row if people is not None] for row in rows]
    people = win_rate([[score for _, score in row] for row in voted])
    n_questions, n_turns = sum(map(bool, voted)), sum(map(len, voted))
    if people.value is None:
        return Corrected(Estimate(None, None), people, None, 0, 0)
    sums = Sums(
        judge=_each(sum(judge for judge, _ in row) for row in rows),
        turns=_each(len(row) for row in rows),
        judge_voted=_each(sum(judge for judge, _ in row) for row in voted),
        people_voted=_each(sum(score for _, score in row) for row in voted),
        turns_voted=_each(len(row) for row in voted),
    )
    rate, variance, weight = prediction_powered(sums)
    low, high = score_interval(rate, variance, sums.turns_voted[sums.turns_voted > 0])
    interval = (float(low), float(high))
    return Corrected(Estimate(float(rate), interval), people, float(weight), n_questions, n_turns)
