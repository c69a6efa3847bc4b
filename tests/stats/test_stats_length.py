"""The win rate at equal length."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from sami_eval.core.comparison import Estimate
from sami_eval.stats import length_controlled, win_rate
from sami_eval.stats.length import _SMALL, RIDGE, RIDGE_SLOPE, _products, is_supported


def judged_by_length(n: int) -> tuple[list[float], list[int], list[float], list[str]]:
    """A judge that takes the longer response nine times in ten; a is mostly longer."""
    rng = Random(0)
    differences = [rng.gauss(60, 100) for _ in range(2 * n)]
    scores = [float((d > 0) == (rng.random() < 0.9)) for d in differences]
    return scores, [i // 2 for i in range(2 * n)], differences, ["math", "writing"] * n


def test_a_judge_that_likes_length_gives_50_percent_at_equal_length() -> None:
    scores, questions, differences, categories = judged_by_length(200)
    assert sum(scores) / len(scores) > 0.65
    controlled = length_controlled(scores, questions, differences, categories)
    assert controlled.interval is not None
    assert controlled.interval[0] < 0.5 < controlled.interval[1]
    assert controlled.value == pytest.approx(0.5, abs=0.06)


def one_sided(n: int, shift: float, seed: int) -> tuple[list[float], list[float]]:
    """A steep judge of length; a is better, and longer by `shift` standard deviations."""
    rng = np.random.default_rng(seed)
    differences = rng.normal(shift, 1, n)
    odds = 0.5 + 3 * np.tanh(differences)  # 62.2% at equal length
    return list((rng.random(n) < 1 / (1 + np.exp(-odds))) * 1.0), list(differences)


def test_a_side_that_is_nearly_always_longer_does_not_bias_the_rate() -> None:
    found = []
    for seed in range(60):
        scores, differences = one_sided(160, 1.5, seed)
        questions = [i // 2 for i in range(160)]
        found.append(length_controlled(scores, questions, differences, ["x"] * 160, draws=150))
    values = np.array([one.value for one in found], float)
    assert abs(values.mean() - 0.622) < 0.035  # spread .11, of the mean of 60 .014
    covered = [low <= 0.622 <= high for one in found for low, high in [one.interval or (0, 0)]]
    assert np.mean(covered) >= 0.87  # .95 less three standard errors of .028


def test_lengths_that_hardly_overlap_support_no_rate_at_equal_length() -> None:
    assert is_supported([5.0, -5.0] * 40)
    assert is_supported([0.0] * 80)
    assert is_supported([5.0] * 70 + [-5.0] * 10)
    assert not is_supported([5.0] * 71 + [-5.0] * 9)
    assert is_supported([5.0, 5.0, 5.0, -5.0])


def test_equal_lengths_leave_the_rate_as_it_is() -> None:
    scores = [1.0] * 43 + [0.5] * 6 + [0.0] * 31
    controlled = length_controlled(scores, range(80), [0.0] * 80, ["x", "y"] * 40)
    raw = win_rate([[score] for score in scores])
    assert controlled.value == pytest.approx(0.575)
    assert controlled.interval == pytest.approx(raw.interval, abs=0.01)


def test_the_fit_equals_the_maximum_found_by_a_general_optimiser() -> None:
    from scipy.optimize import minimize

    scores, questions, differences, categories = judged_by_length(20)
    d, y = np.array(differences), np.array(scores)
    slope, math = np.tanh(d / d.std()), np.array([c == "math" for c in categories], float)

    def loss(t: np.ndarray) -> float:
        logits = t[0] + t[1] * slope + t[2] * math + t[3] * (1 - math)
        prior = RIDGE_SLOPE / 2 * t[1] ** 2 + RIDGE / 2 * (t[2:] ** 2).sum()
        return float((np.log1p(np.exp(logits)) - y * logits).sum() + prior)

    t = minimize(loss, np.zeros(4), tol=1e-10).x
    by_hand = np.mean([1 / (1 + np.exp(-(t[0] + t[2]))), 1 / (1 + np.exp(-(t[0] + t[3])))])
    controlled = length_controlled(scores, questions, differences, categories, draws=10)
    assert controlled.value == pytest.approx(float(by_hand), abs=1e-5)


def test_swapping_sides_mirrors_the_controlled_rate() -> None:
    scores, questions, differences, categories = judged_by_length(40)
    ours = length_controlled(scores, questions, differences, categories)
    theirs = length_controlled(
        [1 - s for s in scores], questions, [-d for d in differences], categories
    )
    assert ours.value is not None
    assert ours.interval is not None
    assert theirs.value == pytest.approx(1 - ours.value)
    assert theirs.interval == pytest.approx((1 - ours.interval[1], 1 - ours.interval[0]))


def test_ties_only_are_50_percent_with_a_width() -> None:
    controlled = length_controlled([0.5] * 20, range(20), list(range(20)), ["x"] * 20)
    assert controlled.value == pytest.approx(0.5)
    assert controlled.interval is not None
    assert controlled.interval[0] < 0.45
    assert controlled.interval[1] > 0.55


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, 1.0, 1.0], [0.0, 0.0]])
def test_nothing_can_be_fitted_where_one_side_won_every_turn(scores: list[float]) -> None:
    n = len(scores)
    assert length_controlled(scores, range(n), [5.0] * n, ["x"] * n) == Estimate(None, None)


def test_one_loss_among_many_wins_is_fitted() -> None:
    controlled = length_controlled([1.0] * 79 + [0.0], range(80), [3.0, -3.0] * 40, ["x"] * 80)
    assert controlled.value == pytest.approx(79 / 80, abs=0.01)
    assert controlled.interval is not None
    assert controlled.interval[0] > 0.9


def test_a_category_for_each_question_does_not_stop_the_fit() -> None:
    scores, questions, differences, _ = judged_by_length(60)
    controlled = length_controlled(scores, questions, differences, [str(q) for q in questions])
    assert controlled.value is not None


def test_the_interval_is_fixed_by_its_seed() -> None:
    scores, questions, differences, categories = judged_by_length(20)
    one = length_controlled(scores, questions, differences, categories, seed=4)
    assert one == length_controlled(scores, questions, differences, categories, seed=4)


def test_products_that_are_kept_once_are_all_products_of_two_columns() -> None:
    rng = np.random.default_rng(0)
    kinds = np.eye(3)[rng.integers(0, 3, _SMALL)]
    design = np.column_stack([np.ones(_SMALL), rng.normal(size=_SMALL), kinds])
    few = _products(design)
    assert few.columns.shape[1] == 3 + 2 * 3  # 1, x, x^2; a kind, and x where it is
    every = (design[:, :, None] * design[:, None, :]).reshape(_SMALL, -1)
    for n in (1, 2):
        weights = rng.exponential(size=(n, _SMALL))
        assert few.sums(weights) == pytest.approx(weights @ every)
