"""pass@k, pass^k, G-Pass@k and maj@k against every draw enumerated."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sami_eval.core.errors import UsageError
from sami_eval.stats import g_pass_at_k, maj_at_k, mg_pass_at_k, pass_at_k, pass_hat_k
from sami_eval.stats.passk import MOST_VOTES, best_of_every_k, best_of_k, maj_at_every_k


def enumerated_pass(n: int, c: int, k: int) -> float:
    draws = list(combinations([1] * c + [0] * (n - c), k))
    return sum(any(draw) for draw in draws) / len(draws)


def enumerated_maj(answers: list[str | None], gold: str, k: int) -> float:
    credit, n_draws = Fraction(0), 0
    for draw in combinations(answers, k):
        votes = [answer for answer in draw if answer is not None]
        most = max((votes.count(answer) for answer in votes), default=0)
        winners = {answer for answer in votes if votes.count(answer) == most}
        credit += Fraction(gold in winners, max(len(winners), 1))
        n_draws += 1
    return float(credit / n_draws)


def test_pass_at_k_by_hand() -> None:
    assert pass_at_k(2, 1, 1) == 0.5
    assert pass_at_k(4, 2, 2) == 1 - 1 / 6  # C(2,2)/C(4,2)
    assert pass_at_k(5, 0, 3) == 0
    assert pass_at_k(5, 5, 1) == 1
    assert pass_at_k(5, 3, 3) == 1 - 0  # two wrong ones cannot fill three places


def test_pass_at_k_is_exactly_the_enumeration_for_every_n_up_to_8() -> None:
    cases = [(n, c, k) for n in range(1, 9) for c in range(n + 1) for k in range(1, n + 1)]
    assert len(cases) == sum((n + 1) * n for n in range(1, 9))
    for n, c, k in cases:
        assert pass_at_k(n, c, k) == enumerated_pass(n, c, k)


@given(st.data())
def test_pass_at_k_equals_all_draws_enumerated(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 9))
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(enumerated_pass(n, c, k))


@pytest.mark.parametrize(("n", "c", "k"), [(4, 2, 5), (4, 2, 0), (4, 5, 1), (4, -1, 1), (0, 0, 1)])
def test_pass_at_k_refuses_what_it_cannot_estimate(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="`"):
        pass_at_k(n, c, k)


def test_k_beyond_the_samples_is_wrong_usage_too() -> None:
    with pytest.raises(UsageError, match="k is `5` but there are `4` samples"):
        pass_at_k(4, 2, 5)
    with pytest.raises(UsageError, match="k is `3` but there are `2` samples"):
        maj_at_k(["7", "8"], "7", 3)


@pytest.mark.parametrize(("n", "c"), [(n, c) for n in (1, 2, 5, 6) for c in range(n + 1)])
def test_pass_hat_and_g_pass_equal_all_draws_enumerated(n: int, c: int) -> None:
    right = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        draws = [sum(draw) for draw in combinations(right, k)]
        assert pass_hat_k(n, c, k) == pytest.approx(draws.count(k) / len(draws))
        for share in (Fraction(1, 4), 0.5, Fraction(3, 4), 1):
            enough = sum(one >= share * k for one in draws)
            assert g_pass_at_k(n, c, k, share) == pytest.approx(enough / len(draws))
        if k > 1:
            several = range(ceil(k / 2) + 1, k + 1)
            mean = sum(one >= i for one in draws for i in several) / len(draws) * 2 / k
            assert mg_pass_at_k(n, c, k) == pytest.approx(mean)


def test_a_share_of_nothing_asks_for_one_right_sample() -> None:
    assert g_pass_at_k(8, 3, 4, 0) == pytest.approx(pass_at_k(8, 3, 4))


def test_the_steady_figures_refuse_what_has_no_meaning() -> None:
    with pytest.raises(UsageError, match=r"a share of `1\.5`"):
        g_pass_at_k(4, 2, 2, 1.5)
    with pytest.raises(UsageError, match="mG-Pass@k at a k of `1`"):
        mg_pass_at_k(4, 2, 1)
    with pytest.raises(UsageError, match="`5` right of `4` samples"):
        pass_hat_k(4, 5, 1)


def test_three_right_of_seven_outvote_four_different_wrong_ones() -> None:
    assert maj_at_k(["5", "5", "5", "1", "2", "3", "4"], "5", 7) == 1


def test_a_tied_vote_shares_its_credit() -> None:
    assert maj_at_k(["5", "5", "6", "6"], "5", 4) == 0.5
    assert maj_at_k(["5", "6", "7"], "5", 3) == pytest.approx(1 / 3)


def test_no_answer_casts_no_vote() -> None:
    assert maj_at_k(["5", None, None], "5", 3) == 1
    assert maj_at_k([None, None], "5", 2) == 0


def test_maj_at_1_is_pass_at_1() -> None:
    assert maj_at_k(["5", "5", "6", None], "5", 1) == pass_at_k(4, 2, 1)


def test_equal_values_are_one_vote() -> None:
    assert maj_at_k([Fraction(1000), 1000, 1000.0, 7, 7], 1000, 5) == 1


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=9),
    st.data(),
)
def test_maj_at_k_equals_all_draws_enumerated(
    answers: list[str | None], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(answers)))
    assert maj_at_k(answers, "a", k) == pytest.approx(enumerated_maj(answers, "a", k))


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), max_size=14))
def test_maj_at_every_k_is_maj_at_k_at_each(answers: list[str | None]) -> None:
    each = [maj_at_k(answers, "a", k) for k in range(1, len(answers) + 1)]
    assert maj_at_every_k(answers, "a") == pytest.approx(each, abs=1e-12)


def test_more_votes_than_a_float_can_count_are_refused() -> None:
    assert maj_at_every_k(["b"] * (MOST_VOTES - 1) + ["a"], "a")[-1] == 0
    with pytest.raises(UsageError, match="1001"):
        maj_at_every_k(["a"] * 1001, "a")


def enumerated_best(samples: list[tuple[int, bool]], k: int) -> float:
    credits = []
    for draw in combinations(samples, k):
        best = [is_right for reward, is_right in draw if reward == max(draw)[0]]
        credits.append(Fraction(sum(best), len(best)))
    return float(sum(credits) / len(credits))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=9))
def test_the_best_of_k_equals_all_draws_enumerated(samples: list[tuple[int, bool]]) -> None:
    rewards, right = [reward for reward, _ in samples], [is_right for _, is_right in samples]
    ks = range(1, len(samples) + 1)
    each = [best_of_k(rewards, right, k) for k in ks]
    assert each == pytest.approx([enumerated_best(samples, k) for k in ks])
    assert best_of_every_k(rewards, right, ks) == pytest.approx(each, abs=1e-12)


def test_the_best_of_k_is_pass_at_k_for_who_knows_and_pass_at_1_for_who_does_not() -> None:
    right = [True, False, False, True, False]
    assert best_of_k([float(one) for one in right], right, 3) == pass_at_k(5, 2, 3)
    assert best_of_k([0.5] * 5, right, 3) == pass_at_k(5, 2, 1)
    with pytest.raises(UsageError, match="there are `5` samples"):
        best_of_k([0.5] * 5, right, 6)
