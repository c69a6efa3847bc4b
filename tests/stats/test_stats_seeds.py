"""The win rate over questions and training seeds."""

from __future__ import annotations

import numpy as np
import pytest

from sami_eval.core.comparison import Estimate
from sami_eval.stats.intervals import win_rate
from sami_eval.stats.seeds import SeedScores, is_paired, pool, win_rate_over_seeds
from sami_eval.stats.tests import sign_flip_p

DECIDED = {"q1": [1.0], "q2": [0.0], "q3": [1.0], "q4": [1.0]}


def drawn(seed: int, rates: list[float], n: int = 80) -> SeedScores:
    """One decided turn a question, won at the rate of its seed."""
    rng = np.random.default_rng(seed)
    return {
        (i, i): {f"q{q}": [float(rng.random() < rate)] for q in range(n)}
        for i, rate in enumerate(rates, 1)
    }


def test_seeds_that_agree_leave_the_interval_of_the_questions() -> None:
    # Every seed has the same scores: no variance between seeds, so nothing is added.
    scores = {(s, s): DECIDED for s in (1, 2, 3)}
    estimate, p = win_rate_over_seeds(scores)
    assert estimate == win_rate(pool(scores))
    assert estimate.value == 0.75
    assert p is not None
    assert p >= (sign_flip_p(pool(scores)) or 0)


def test_seeds_that_disagree_widen_the_interval() -> None:
    scores = drawn(0, [0.3, 0.6, 0.9])
    estimate, _ = win_rate_over_seeds(scores)
    questions = win_rate(pool(scores))
    assert estimate.value == questions.value
    assert width(estimate) > 3 * width(questions)


def width(estimate: Estimate) -> float:
    assert estimate.interval is not None
    return estimate.interval[1] - estimate.interval[0]


@pytest.mark.parametrize("seed", range(30))
def test_it_is_never_narrower_than_questions_alone_nor_p_smaller(seed: int) -> None:
    scores = drawn(seed, [0.5, 0.6, 0.55], n=20)
    estimate, p = win_rate_over_seeds(scores)
    questions = win_rate(pool(scores)).interval
    assert estimate.interval is not None
    assert questions is not None
    assert estimate.interval[0] <= questions[0]
    assert estimate.interval[1] >= questions[1]
    assert p is not None
    assert p >= (sign_flip_p(pool(scores)) or 0)


@pytest.mark.parametrize("rates", [[0.55, 0.7, 0.8], [0.3, 0.6, 0.9], [0.8, 0.8], [0.5, 0.5, 0.5]])
def test_a_significant_p_goes_with_an_interval_without_50_percent(rates: list[float]) -> None:
    for seed in range(10):
        estimate, p = win_rate_over_seeds(drawn(seed, rates))
        assert estimate.interval is not None
        assert p is not None
        if p < 0.05:
            assert not estimate.interval[0] <= 0.5 <= estimate.interval[1]


def test_two_seeds_are_wider_than_ten_of_the_same_spread() -> None:
    two, ten = drawn(3, [0.5, 0.7]), drawn(3, [0.5, 0.7] * 5)
    assert width(win_rate_over_seeds(two)[0]) > 3 * width(win_rate_over_seeds(ten)[0])


def test_one_against_many_seeds_varies_on_one_side_only() -> None:
    rows = list(drawn(1, [0.3, 0.6, 0.9]).values())
    paired: SeedScores = {(i, i): row for i, row in enumerate(rows)}
    against_one: SeedScores = {(i, 0): row for i, row in enumerate(rows)}
    assert win_rate_over_seeds(against_one) == win_rate_over_seeds(paired)


def test_seeds_of_both_sides_add_their_variances_where_all_meet() -> None:
    # a's seeds win 0 or all; b's make no difference: only a's part is there.
    rows = {(a, b): {"q1": [float(a)], "q2": [float(a)]} for a in (0, 1) for b in (1, 2, 3)}
    estimate, _ = win_rate_over_seeds(rows)
    assert estimate.value == 0.5
    assert width(estimate) > 0.9  # one degree of freedom: almost nothing is known


def test_pairing_is_seen_from_who_met_whom() -> None:
    assert is_paired([(1, 1), (2, 2)])
    assert is_paired([(1, 4), (2, 5)])
    assert not is_paired([(1, 0), (2, 0)])
    assert not is_paired([(1, 1), (1, 2), (2, 1), (2, 2)])


def test_no_scores_are_no_estimate() -> None:
    assert win_rate_over_seeds({(1, 1): {}, (2, 2): {}}) == (Estimate(None, None), None)
    assert win_rate_over_seeds({}) == (Estimate(None, None), None)


def test_everything_won_by_every_seed_is_an_interval_below_one() -> None:
    scores: SeedScores = {(s, s): {f"q{q}": [1.0] for q in range(80)} for s in (1, 2, 3)}
    estimate, p = win_rate_over_seeds(scores)
    assert estimate.interval is not None
    assert estimate.interval[1] == 1.0
    assert 0.9 < estimate.interval[0] < 1.0
    assert p is not None
    assert p < 0.001


def test_the_interval_covers_questions_and_three_seeds() -> None:
    # Each seed has a true rate of its own about 60%; questions alone would cover far too rarely.
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    for seed in range(300):
        scores = drawn(seed, [float(rate) for rate in np.clip(rng.normal(0.6, 0.1, 3), 0, 1)])
        for i, estimate in enumerate((win_rate_over_seeds(scores)[0], win_rate(pool(scores)))):
            assert estimate.interval is not None
            covered[i] += estimate.interval[0] <= 0.6 <= estimate.interval[1]
    ours, questions_alone = covered / 300
    assert ours > 0.93
    assert questions_alone < 0.7
