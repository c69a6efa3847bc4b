"""Questions for an effect, and the effect that questions can see."""

from __future__ import annotations

import numpy as np
import pytest

from sami_eval.stats import detectable, questions_needed, sign_flip_p, win_rate
from sami_eval.stats.power import needed_range, power_of


@pytest.mark.parametrize(("win_rate", "n"), [(0.8, 23), (0.65, 97), (0.57, 422), (0.43, 422)])
def test_the_questions_needed_are_those_of_the_exact_test(win_rate: float, n: int) -> None:
    # The normal approximation says 19, 85 and 398, with which the exact test has 67 to 77%.
    assert questions_needed(win_rate) == n


@pytest.mark.parametrize("win_rate", [0.57, 0.65, 0.8])
def test_from_the_questions_needed_on_power_never_falls_below_80_percent(win_rate: float) -> None:
    from scipy.stats import binom

    def power(n: int) -> float:
        # The largest k with P(X <= k | .5) <= .025: k losses or fewer, or as few wins, reject.
        k = binom.ppf(0.025, n, 0.5)
        k -= binom.cdf(k, n, 0.5) > 0.025
        return float(binom.cdf(k, n, 1 - win_rate) + binom.cdf(k, n, win_rate))

    needed = questions_needed(win_rate)
    assert needed is not None
    assert power(needed - 1) < 0.8
    assert min(power(n) for n in range(needed, 3 * needed)) >= 0.8


def test_questions_with_ties_find_the_effect_in_80_percent_of_all_draws() -> None:
    rng = np.random.default_rng(0)
    n = questions_needed(0.65, ties=0.3)
    assert n is not None
    # 65% with 30% ties: 50% wins, 20% losses.
    draws = [rng.choice([1.0, 0.5, 0.0], n, p=[0.5, 0.3, 0.2]) for _ in range(2000)]
    found = np.mean([(sign_flip_p([[s] for s in scores]) or 0) <= 0.05 for scores in draws])
    assert 0.775 < found < 0.84  # .80 less three standard errors of .009


def test_a_pilots_own_interval_allows_a_range_of_questions() -> None:
    scores = [[1.0]] * 52 + [[0.0]] * 28
    interval = win_rate(scores).interval  # [.541, .745]
    assert interval is not None
    ends = [questions_needed(round(end, 12)) for end in interval]
    assert needed_range(scores, interval) == (ends[1], ends[0])
    even = [[1.0]] * 46 + [[0.0]] * 34  # [.466, .677] holds 50%
    low, most = needed_range(even, win_rate(even).interval) or (0, 0)
    assert low == questions_needed((win_rate(even).interval or (0, 0))[1])
    assert most is None
    assert needed_range([], None) is None


def test_50_percent_needs_none() -> None:
    assert questions_needed(0.5) is None


def test_ties_lower_the_number_of_questions() -> None:
    assert questions_needed(0.575, ties=0.075) == 334
    assert questions_needed(0.575) == 367


def test_a_second_turn_helps_as_far_as_it_says_something_new() -> None:
    one = questions_needed(0.57)
    assert questions_needed(0.57, turns=2, correlation=1) == one
    assert questions_needed(0.57, turns=2) == 215


def test_fewer_than_6_questions_never_reach_5_percent() -> None:
    assert questions_needed(1.0) == 6  # 2/2^6 = .03, 2/2^5 = .06
    assert detectable(5) is None
    assert detectable(6) is not None


@pytest.mark.parametrize("win_rate", [0.55, 0.6, 0.7, 0.8])
def test_detectable_undoes_questions_needed(win_rate: float) -> None:
    n = questions_needed(win_rate, ties=0.2, turns=2, correlation=0.4)
    assert n is not None
    effect = detectable(n, ties=0.2, turns=2, correlation=0.4)
    assert effect == pytest.approx(win_rate - 0.5, rel=0.03)


def test_an_effect_that_ties_leave_no_room_for_is_not_detectable() -> None:
    assert detectable(10, ties=0.9) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"win_rate": 1.2}, "win rate `1.2`"),
        ({"win_rate": 0.57, "ties": 1.0}, "ties `1.0`"),
        ({"win_rate": 0.9, "ties": 0.5}, "cannot have `0.5` ties"),
        ({"win_rate": 0.57, "turns": 0}, "`0` turns"),
        ({"win_rate": 0.57, "correlation": -0.1}, "correlation `-0.1`"),
        ({"win_rate": 0.57, "alpha": 0.0}, "alpha `0.0`"),
        ({"win_rate": 0.57, "power": 1.0}, "power `1.0`"),
    ],
)
def test_impossible_questions_are_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        questions_needed(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`0` questions"):
        detectable(0)


def test_the_data_say_the_same_as_their_summary() -> None:
    needed, smallest = power_of([[1.0]] * 43 + [[0.5]] * 6 + [[0.0]] * 31)
    assert needed == questions_needed(0.575, ties=0.075)
    assert smallest == pytest.approx(detectable(80, ties=0.075))


def test_turns_that_repeat_each_other_are_one_turn_to_the_data() -> None:
    once = power_of([[1.0]] * 46 + [[0.0]] * 34)
    assert power_of([[1.0, 1.0]] * 46 + [[0.0, 0.0]] * 34) == pytest.approx(once)


def test_no_data_and_ties_only_promise_nothing() -> None:
    assert power_of([]) == (None, None)
    assert power_of([[0.5, 0.5]] * 80) == (None, None)


def test_winning_everything_needs_the_fewest_questions() -> None:
    assert power_of([[1.0, 1.0]] * 80)[0] == 6
