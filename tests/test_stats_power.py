"""Questions for an effect, and the effect that questions can see."""

from __future__ import annotations

import pytest

from sami_eval.stats import detectable, questions_needed
from sami_eval.stats.power import power_of


def test_57_percent_without_ties_needs_398_questions() -> None:
    # ((1.95996 * .5 + .84162 * sqrt(.57 * .43)) / .07)^2 = 398.1
    assert questions_needed(0.57) == 398
    assert questions_needed(0.43) == 398


def test_50_percent_needs_none() -> None:
    assert questions_needed(0.5) is None


def test_ties_lower_the_number_of_questions() -> None:
    # ((1.95996 * sqrt(.925/4) + .84162 * sqrt(.925/4 - .075^2)) / .075)^2 = 320.3
    assert questions_needed(0.575, ties=0.075) == 320
    assert questions_needed(0.575) == 346


def test_a_second_turn_helps_as_far_as_it_says_something_new() -> None:
    one = questions_needed(0.57)
    assert questions_needed(0.57, turns=2, correlation=1) == one
    # v = .2451/2: ((1.95996 * sqrt(.12255 + .0049) + .84162 * sqrt(.12255)) / .07)^2 = 201.8
    assert questions_needed(0.57, turns=2) == 202


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


def test_the_exact_test_nearly_has_the_power_promised() -> None:
    from scipy.stats import binom

    n = questions_needed(0.57)
    assert n is not None
    # Largest k with P(X <= k | .5) <= .025: k losses or fewer reject.
    k = int(binom.ppf(0.025, n, 0.5)) - 1
    # Below 80% because the exact test of coin flips keeps less than its 5% (4.0% here).
    assert 0.77 < binom.cdf(k, n, 0.43) < 0.8


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
