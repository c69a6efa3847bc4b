"""The win rate corrected for a judge's errors: by hand, by brute force, and its coverage."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sami_eval.core.comparison import Estimate
from sami_eval.stats import win_rate
from sami_eval.stats.ppi import Sums, TurnScores, corrected_win_rate, prediction_powered

HALVES = st.sampled_from((0.0, 0.5, 1.0))
TURNS = st.lists(
    st.lists(st.tuples(HALVES, st.one_of(st.none(), HALVES)), min_size=1, max_size=2),
    min_size=1,
    max_size=20,
)


def named(rows: Sequence[Sequence[TurnScores]]) -> dict[str, Sequence[TurnScores]]:
    return {str(i): row for i, row in enumerate(rows)}


def one_turn(turns: Sequence[TurnScores]) -> dict[str, Sequence[TurnScores]]:
    return named([[turn] for turn in turns])


# 8 voted questions on which the judge errs once, and 8 that it alone scored.
VOTED: list[TurnScores] = [(1, 1), (1, 1), (1, 1), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)]
UNVOTED: list[TurnScores] = [(1, None)] * 6 + [(0, None)] * 2


def test_the_rate_by_hand() -> None:
    # People 3/8; the judge 4/8 on the same and 10/16 on all. Regression of people on judge over
    # the voted: cov = 3/8 - 3/8 * 1/2 = 3/16, var = 1/4, so the weight is 3/4.
    # 3/8 + 3/4 (10/16 - 4/8) = 15/32. The weight here takes the spread over all 16 into account:
    # sum b^2 = sum over voted of ((f - 5/8)/16 - (f - 1/2)/8)^2 + sum over others ((f - 5/8)/16)^2.
    found = corrected_win_rate(one_turn(VOTED + UNVOTED))
    b = [(f - 5 / 8) / 16 - (f - 1 / 2) / 8 for f, _ in VOTED]
    b += [(f - 5 / 8) / 16 for f, _ in UNVOTED]
    a = [(y - 3 / 8) / 8 for _, y in VOTED if y is not None] + [0.0] * 8
    weight = -sum(x * y for x, y in zip(a, b, strict=True)) / sum(y * y for y in b)
    assert found.weight == pytest.approx(weight)
    assert found.weight == pytest.approx(0.75, abs=0.1)
    assert found.win_rate.value == pytest.approx(3 / 8 + weight / 8)
    assert found.people == win_rate([[y] for _, y in VOTED if y is not None])
    assert (found.n_questions, found.n_turns) == (8, 8)


def test_a_judge_that_is_always_right_gives_its_own_rate() -> None:
    voted: list[TurnScores] = [(1, 1)] * 12 + [(0, 0)] * 8
    more: list[TurnScores] = [(1, None)] * 45 + [(0, None)] * 35
    found = corrected_win_rate(one_turn(voted + more))
    assert found.weight == pytest.approx(1, abs=0.01)
    assert found.win_rate.value == pytest.approx(57 / 100, abs=0.001)
    assert width(found.win_rate) < 0.8 * width(found.people)


def test_a_judge_that_says_the_same_to_all_leaves_the_votes_alone() -> None:
    voted: list[TurnScores] = [(1, 1)] * 12 + [(1, 0)] * 8
    found = corrected_win_rate(one_turn(voted + [(1, None)] * 80))
    assert found.weight == 0
    assert found.win_rate.value == found.people.value
    assert found.win_rate.interval == pytest.approx(found.people.interval)


def test_where_everything_is_voted_on_the_votes_stand_alone() -> None:
    rows: list[list[TurnScores]] = [[(1, 0.5), (0, 0)], [(1, 1), (1, 0)], [(0, 0), (0.5, 1)]] * 5
    found = corrected_win_rate(named(rows))
    assert found.people == win_rate([[y for _, y in row] for row in rows])
    assert found.win_rate.value == pytest.approx(found.people.value)
    assert found.win_rate.interval == pytest.approx(found.people.interval)


def test_with_too_few_voted_questions_the_judge_has_no_weight() -> None:
    voted: list[TurnScores] = [(1, 1), (0, 0), (1, 1), (0, 0)]
    found = corrected_win_rate(one_turn(voted + [(1, None)] * 50))
    assert found.weight == 0
    assert found.win_rate == found.people


def test_a_biased_judge_is_set_right() -> None:
    # Everyone agrees that b is better in 30%; the judge gives a half of those too.
    rng = random.Random(0)
    rows: list[TurnScores] = []
    for i in range(600):
        people = float(rng.random() < 0.7)
        judge = 1.0 if people or rng.random() < 0.5 else 0.0
        rows.append((judge, people if i < 200 else None))
    found = corrected_win_rate(one_turn(rows))
    assert found.win_rate.interval is not None
    assert found.win_rate.interval[0] < 0.7 < found.win_rate.interval[1] < 0.8
    assert sum(judge for judge, _ in rows) / 600 > 0.8


def test_no_vote_no_figure() -> None:
    found = corrected_win_rate({"q": [(1, None)]})
    assert found.win_rate == found.people == Estimate(None, None)
    assert found.weight is None
    assert corrected_win_rate({}).weight is None


def test_one_vote_is_wide_and_stays_inside() -> None:
    found = corrected_win_rate({"q": [(1, 1)], "r": [(0, None)]})
    assert found.win_rate == win_rate([[1.0]])


def test_a_score_outside_0_to_1_is_refused() -> None:
    for turn in ((2.0, None), (1.0, -1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="is not a score"):
            corrected_win_rate({"q": [turn]})


def width(estimate: Estimate) -> float:
    assert estimate.interval is not None
    return estimate.interval[1] - estimate.interval[0]


@given(TURNS)
def test_swapping_sides_mirrors_everything(rows: list[list[TurnScores]]) -> None:
    def mirrored(row: list[TurnScores]) -> list[TurnScores]:
        return [(1 - f, None if y is None else 1 - y) for f, y in row]

    ours, theirs = (
        corrected_win_rate(named(side)) for side in (rows, [mirrored(row) for row in rows])
    )
    if ours.win_rate.value is None:
        assert theirs.win_rate.value is None
        return
    assert ours.win_rate.interval is not None
    assert theirs.win_rate.interval is not None
    assert theirs.win_rate.value == pytest.approx(1 - ours.win_rate.value)
    low, high = ours.win_rate.interval
    assert theirs.win_rate.interval == pytest.approx((1 - high, 1 - low))
    assert 0 <= low <= ours.win_rate.value <= high <= 1


def sums_of(rows: Sequence[Sequence[TurnScores]]) -> Sums:
    voted = [[(f, y) for f, y in row if y is not None] for row in rows]
    each = (
        [sum(f for f, _ in row) for row in rows],
        [len(row) for row in rows],
        [sum(f for f, _ in row) for row in voted],
        [sum(y for _, y in row) for row in voted],
        [len(row) for row in voted],
    )
    return Sums(*(np.array(one, float) for one in each))


def weighted_rate(
    rows: Sequence[Sequence[TurnScores]], share: Sequence[float], weight: float
) -> float:
    """The estimate with question i counted share[i] times: sums in plain loops."""
    total = {"f": 0.0, "m": 0.0, "g": 0.0, "y": 0.0, "l": 0.0}
    for times, row in zip(share, rows, strict=True):
        for f, y in row:
            total["f"] += times * f
            total["m"] += times
            if y is not None:
                total["g"] += times * f
                total["y"] += times * y
                total["l"] += times
    judge, judge_voted = total["f"] / total["m"], total["g"] / total["l"]
    return total["y"] / total["l"] + weight * (judge - judge_voted)


def variance_by_derivatives(rows: Sequence[Sequence[TurnScores]], weight: float) -> float:
    """Sum of squares of what counting each question a little more does to the rate."""
    step, total = 1e-5, 0.0
    for i in range(len(rows)):
        up, down = ([1 + side * (j == i) for j in range(len(rows))] for side in (step, -step))
        slope = (weighted_rate(rows, up, weight) - weighted_rate(rows, down, weight)) / (2 * step)
        total += slope**2
    return total


@pytest.mark.parametrize("seed", range(8))
def test_weight_and_variance_are_those_of_a_search_over_weights(seed: int) -> None:
    rng = random.Random(seed)
    rows: list[list[TurnScores]] = []
    for i in range(24):
        row: list[TurnScores] = []
        for _ in range(rng.choice((1, 2))):
            people = rng.choice((0.0, 0.5, 1.0))
            judge = people if rng.random() < 0.7 else rng.choice((0.0, 0.5, 1.0))
            row.append((judge, people if i < 12 and rng.random() < 0.8 else None))
        rows.append(row)
    rate, variance, weight = prediction_powered(sums_of(rows))
    grid = [i / 200 for i in range(201)]
    best = min(grid, key=lambda w: variance_by_derivatives(rows, w))
    assert float(weight) == pytest.approx(best, abs=0.006)
    assert float(rate) == pytest.approx(weighted_rate(rows, [1] * 24, float(weight)))
    n = sum(any(y is not None for _, y in row) for row in rows)
    by_hand = variance_by_derivatives(rows, float(weight)) * n / (n - 1)
    assert float(variance) == pytest.approx(by_hand, rel=1e-5)
