"""Means over problems and paired differences, by hand, against brute force, and their coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.passk_coverage import LAWS, cell
from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.intervals import win_rate
from sami_eval.stats.problems import (
    difference,
    mean_amount,
    mean_score,
    paired_p,
    problems_needed,
)

SCORES = st.lists(st.integers(0, 4).map(lambda right: right / 4), min_size=2, max_size=8)


def test_a_mean_of_ones_and_zeros_has_the_interval_of_a_proportion() -> None:
    scores = [1.0] * 30 + [0.0] * 50
    assert mean_score(scores) == win_rate([[score] for score in scores])


def test_no_problems_is_not_known() -> None:
    assert mean_score([]).value is None
    assert mean_amount([]).value is None
    assert mean_amount([3]).interval is None


@pytest.mark.parametrize("scores", [[-0.1], [1.1], [float("nan")]])
def test_a_score_beyond_0_and_1_is_refused(scores: list[float]) -> None:
    with pytest.raises(OutOfRangeError):
        mean_score(scores)


@given(SCORES)
def test_no_interval_has_a_width_of_zero(scores: list[float]) -> None:
    found = mean_score(scores)
    assert found.interval is not None
    assert found.value is not None
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.interval[1] - found.interval[0] > 0.05
    gain = difference(scores, scores, 4)
    assert gain.value == 0
    assert gain.interval[0] < 0 < gain.interval[1]


def test_a_mean_amount_has_student_s_interval() -> None:
    found = mean_amount([1, 2, 3])
    assert found.interval is not None
    assert found.value == 2
    assert found.interval[1] - 2 == pytest.approx(4.302653 / 3**0.5, abs=1e-5)


def enumerated_p(gains: list[float]) -> float:
    observed = abs(sum(gains)) - 1e-9
    signs = list(product((1, -1), repeat=len(gains)))
    return sum(
        abs(sum(s * g for s, g in zip(row, gains, strict=True))) >= observed for row in signs
    ) / len(signs)


@given(SCORES, st.randoms(use_true_random=False))
def test_the_exact_p_equals_all_signs_enumerated(scores: list[float], draw: object) -> None:
    other = scores[::-1]
    gains = [b - a for a, b in zip(scores, other, strict=True)]
    assert paired_p(np.array(gains), 4) == pytest.approx(enumerated_p(gains))


def test_the_drawn_p_is_near_the_exact_one() -> None:
    gains = np.array([0.25, 0.5, -0.25, 0.75, 0.25, 0.5, 0, 0.25]) * np.pi / 4
    assert paired_p(gains, 4) == pytest.approx(enumerated_p(gains.tolist()), abs=0.01)


def test_a_difference_changes_its_sign_with_the_sides() -> None:
    one, other = [0.5, 0.25, 1, 0], [0.75, 0.75, 1, 0.25]
    gain, loss = difference(one, other, 4), difference(other, one, 4)
    assert gain.value == 0.25 == -loss.value
    assert gain.interval == pytest.approx((-loss.interval[1], -loss.interval[0]))
    assert gain.p_value == loss.p_value
    assert gain.problems_needed == loss.problems_needed


def test_other_problems_are_refused() -> None:
    with pytest.raises(OutOfRangeError):
        difference([0.5], [0.5, 1], 2)
    with pytest.raises(OutOfRangeError):
        difference([], [], 2)


def test_problems_needed_give_the_power_they_promise() -> None:
    rng = np.random.default_rng(0)

    def gains(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.asarray(rng.choice([-0.25, 0, 0.25, 0.5], n, p=[0.2, 0.5, 0.2, 0.1]))

    needed = problems_needed(gains(200_000))
    assert needed is not None
    seen = [paired_p(gains(needed), 4) <= 0.05 for _ in range(600)]
    assert 0.75 <= np.mean(seen) <= 0.85
    assert problems_needed(np.zeros(5)) is None


@pytest.mark.slow
@pytest.mark.parametrize("n", [80, 1319])
@pytest.mark.parametrize("how", [None, "same", "better", "mixed"])
def test_intervals_cover_95_percent(n: int, how: str | None) -> None:
    # The benchmark's own draws at two of its k: what it prints is what is asserted.
    for law in LAWS:
        for k in (1, 32):
            _, extreme, coverage, _, least = cell(n, law, k, how, 4000, 0)
            assert least > 0
            if 0.1 <= extreme <= 0.9:
                assert 0.93 <= coverage <= 0.975, (law, k)


def test_problems_that_repeat_each_other_count_once_in_their_cluster() -> None:
    once = [1.0, 0.0, 0.5, 1.0, 0.25, 0.0, 1.0, 0.75]
    other = [0.5, 0.0, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5]
    labels = [i for i in range(8) for _ in range(5)]
    five = [score for score in once for _ in range(5)]
    assert mean_score(five, labels).interval == pytest.approx(mean_score(once).interval, abs=0.01)
    assert mean_score(five).interval != pytest.approx(mean_score(once).interval, abs=0.01)
    alone = difference(other, once, 4)
    together = difference([x for x in other for _ in range(5)], five, 4, clusters=labels)
    assert together.interval == pytest.approx(alone.interval)
    assert together.p_value == alone.p_value
    assert together.problems_needed == 5 * (alone.problems_needed or 0)
