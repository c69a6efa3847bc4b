"""Bradley-Terry strengths, their intervals, and who can be told apart."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np
import pytest

from sami_eval.core.comparison import Estimate
from sami_eval.stats import Standing, bradley_terry
from sami_eval.stats.ranking import letters

Pairs = dict[tuple[str, str], dict[str, list[float]]]


def questions(*scores: float) -> dict[str, list[float]]:
    return {str(i): [score] for i, score in enumerate(scores)}


def by_name(standings: tuple[Standing, ...]) -> dict[str, Standing]:
    return {standing.name: standing for standing in standings}


def test_two_contenders_by_hand() -> None:
    # 3 wins, 1 loss and half an imaginary win each: log(3.5/1.5) between them, half of it each.
    standings = bradley_terry({("sami", "sft"): questions(1, 1, 1, 0)})
    assert [standing.name for standing in standings] == ["sami", "sft"]
    assert standings[0].strength.value == pytest.approx(log(3.5 / 1.5) / 2)
    assert standings[1].strength.value == pytest.approx(-log(3.5 / 1.5) / 2)


def test_a_tie_is_half_a_win() -> None:
    (first, second) = bradley_terry({("a", "b"): questions(0.5, 0.5)})
    assert first.strength.value == pytest.approx(0) == second.strength.value
    assert first.tied_with_next
    assert second.p_next is None


def test_three_contenders_equal_the_maximum_found_by_a_general_optimiser() -> None:
    from scipy.optimize import minimize

    won = np.array([[0, 7.5, 9], [2.5, 0, 6], [1, 4, 0]]) + 0.5 * (1 - np.eye(3))

    def loss(strengths: np.ndarray) -> float:
        return float((won * np.log1p(np.exp(strengths[None] - strengths[:, None]))).sum())

    best = minimize(loss, np.zeros(3), tol=1e-10).x
    pairs: Pairs = {
        ("a", "b"): questions(*[1] * 7, 0.5, 0, 0),
        ("a", "c"): questions(*[1] * 9, 0),
        ("b", "c"): questions(*[1] * 6, *[0] * 4),
    }
    found = by_name(bradley_terry(pairs, draws=10))
    assert [found[name].strength.value for name in "abc"] == pytest.approx(
        list(best - best.mean()), abs=1e-4
    )


def test_a_contender_that_wins_everything_has_a_finite_interval_with_width() -> None:
    pairs: Pairs = {
        ("best", "b"): questions(*[1] * 80),
        ("best", "c"): questions(*[1] * 80),
        ("b", "c"): questions(*[1, 0] * 40),
    }
    standings = bradley_terry(pairs)
    low, high = standings[0].strength.interval or (0, 0)
    assert standings[0].name == "best"
    assert not standings[0].tied_with_next
    assert 1 < low < high - 0.5 < 20
    assert standings[1].tied_with_next


def test_losing_everything_mirrors_winning_everything() -> None:
    first, last = bradley_terry({("a", "b"): questions(*[0] * 30)})
    assert first.name == "b"
    assert first.strength.value == pytest.approx(-(last.strength.value or 0))


def test_contenders_that_never_met_are_ranked_through_others() -> None:
    pairs: Pairs = {("a", "b"): questions(*[1] * 9, 0), ("b", "c"): questions(*[1] * 9, 0)}
    assert [standing.name for standing in bradley_terry(pairs)] == ["a", "b", "c"]


def test_two_contenders_have_jeffreys_interval() -> None:
    from scipy.stats import beta

    standing = bradley_terry({("a", "b"): questions(*[1] * 46, *[0] * 34)}, draws=20_000)[0]
    low, high = (log(p / (1 - p)) / 2 for p in beta.ppf((0.025, 0.975), 46.5, 34.5))
    assert standing.strength.interval == pytest.approx((low, high), abs=0.01)


def test_strengths_do_not_depend_on_which_side_is_named_first() -> None:
    one = bradley_terry({("a", "b"): {"q": [1, 0.5], "r": [1, 1]}})
    other = bradley_terry({("b", "a"): {"q": [0, 0.5], "r": [0, 0]}})
    assert one[0].strength.value == pytest.approx(other[0].strength.value)
    assert one[0].strength.interval == pytest.approx(other[0].strength.interval)


def test_a_model_against_itself_alone_has_no_strength_to_tell() -> None:
    (only,) = bradley_terry({("a", "a"): questions(0.5, 0.5)})
    assert only == Standing("a", Estimate(None, None), None, False)


def test_the_strength_of_whom_nobody_scored_is_unknown_and_never_zero() -> None:
    *ranked, last = bradley_terry({("a", "b"): {"q": [0.0]}, ("a", "c"): {}, ("b", "c"): {}})
    assert [one.name for one in ranked] == ["b", "a"]
    assert all(one.strength.value and one.strength.interval for one in ranked)
    assert (last.name, last.strength.value, last.strength.interval) == ("c", None, None)


def test_nobody_is_ranked_without_comparisons() -> None:
    assert bradley_terry({}) == ()


def test_letters_by_hand() -> None:
    # c is told apart from a alone: b stands between them and shares a letter with either.
    assert letters("abc", [("a", "c")]) == {"a": "a", "b": "ab", "c": "b"}
    assert letters("abc", []) == {"a": "a", "b": "a", "c": "a"}
    assert letters("abc", combinations("abc", 2)) == {"a": "a", "b": "b", "c": "c"}


def test_two_share_a_letter_exactly_where_they_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 4, 7, 9):
        names = [f"m{i}" for i in range(n)]
        pairs = list(combinations(names, 2))
        apart = [pair for pair in pairs if rng.random() < 0.5]
        found = letters(names, apart)
        assert [pair for pair in pairs if not set(found[pair[0]]) & set(found[pair[1]])] == apart
        assert found[names[0]].startswith("a")
