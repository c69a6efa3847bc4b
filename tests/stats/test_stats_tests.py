"""p-values with the question as the unit."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sami_eval.stats import categories_p, holm, sign_flip_p, tests

QUARTERS = st.lists(
    st.lists(st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0)), min_size=1, max_size=2),
    min_size=1,
    max_size=9,
)


def enumerated_p(scores: list[list[float]]) -> float:
    """The slow twin: every assignment of signs to the questions."""
    gains = [sum(row) - len(row) / 2 for row in scores]
    sums = [
        abs(sum(sign * gain for sign, gain in zip(signs, gains, strict=True)))
        for signs in product((-1, 1), repeat=len(gains))
    ]
    return sum(s >= abs(sum(gains)) - 1e-9 for s in sums) / len(sums)


@given(QUARTERS)
def test_the_exact_p_value_equals_all_sign_flips_enumerated(scores: list[list[float]]) -> None:
    assert sign_flip_p(scores) == pytest.approx(enumerated_p(scores))


def test_one_decided_turn_a_question_is_the_binomial_test() -> None:
    from scipy.stats import binomtest

    p_value = sign_flip_p([[1.0]] * 46 + [[0.0]] * 34)
    assert p_value == pytest.approx(binomtest(46, 80).pvalue, rel=1e-9)  # .22
    assert sign_flip_p([[1.0]] * 46 + [[0.0]] * 34 + [[0.5]] * 9) == pytest.approx(p_value)


def test_two_turns_of_a_question_flip_together() -> None:
    # Sums +-1 +-1 +-1 of three questions: |sum| = 3 in 2 of 8.
    assert sign_flip_p([[1, 1]] * 3) == pytest.approx(2 / 8)


def test_ties_only_give_p_1() -> None:
    assert sign_flip_p([[0.5, 0.5]] * 10) == 1
    assert sign_flip_p([[1.0, 0.0]] * 10) == 1


def test_no_scores_have_no_p_value() -> None:
    assert sign_flip_p([]) is None


def test_the_smallest_p_value_is_never_0() -> None:
    assert sign_flip_p([[1.0]] * 20) == pytest.approx(2 / 2**20)
    assert 0 < (sign_flip_p([[1.0]] * 3_000) or 0) < 1e-300


def test_probabilities_are_tested_by_seeded_draws() -> None:
    scores = [[0.5 + 0.0137 * i] for i in range(-4, 9)]
    p_value = sign_flip_p(scores, seed=3)
    assert p_value == sign_flip_p(scores, seed=3)
    assert p_value == pytest.approx(enumerated_p(scores), abs=0.015)  # 3 sd of 10,000 draws


@given(QUARTERS)
def test_swapping_sides_keeps_p(scores: list[list[float]]) -> None:
    assert sign_flip_p([[1 - s for s in row] for row in scores]) == pytest.approx(
        sign_flip_p(scores)
    )


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .04: 3 * .01, max(.03, 2 * .02), max(.04, .04).
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([0.3]) == [0.3]
    assert holm([]) == []


def test_categories_that_differ_are_found() -> None:
    p_value = categories_p({"math": [[1, 1]] * 10, "writing": [[0, 0]] * 10})
    assert 1 / 10_001 <= (p_value or 0) < 0.001  # 2 of 184,756 splits are as extreme


def test_categories_with_the_same_scores_do_not_differ() -> None:
    assert categories_p({"math": [[1, 0.5]] * 4, "writing": [[0.5, 1]] * 6}) == 1


@pytest.mark.parametrize("few", [0, tests._FEW])
def test_categories_p_agrees_with_all_splits_enumerated(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests, "_FEW", few)
    # Questions 1 1 .5 | 0 .5 0: the 20 ways to choose 3 of 6 have between-category spread
    # (sum of chosen - 1.5)^2; the observed sum 2.5 and its mirror .5 are the extremes, reached by
    # choosing {1, 1, either .5} or {0, 0, either .5}: 4 of 20.
    p_value = categories_p({"a": [[1], [1], [0.5]], "b": [[0], [0.5], [0]]})
    assert p_value == pytest.approx(4 / 20, abs=0.015)


def test_one_category_cannot_differ_from_itself() -> None:
    assert categories_p({"math": [[1]] * 5}) is None
    assert categories_p({"math": [[1]] * 5, "empty": []}) is None


def test_categories_p_is_fixed_by_its_seed() -> None:
    scores = {"a": [[1], [0], [1]], "b": [[0], [0.5], [1], [0]]}
    assert categories_p(scores, seed=1) == categories_p(scores, seed=1)
