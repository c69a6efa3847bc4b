"""Samples to figures: counted by value, paired by problem, corrected over all rows."""

from __future__ import annotations

from itertools import combinations

import pytest

from sami_eval.core.calls import Completion
from sami_eval.core.types import Prompt
from sami_eval.data.problem_sets import problem_of
from sami_eval.experiment.samples import Attempts, any_of_k, attempts, figures, paired


def tried(gold: int, *texts: str, greedy: str | None = None, identity: str = "1") -> Attempts:
    problem = problem_of(Prompt(identity, "math", ("?",), (f"#### {gold}",)), identity)
    samples = [Completion(text, (), True, len(text)) for text in texts]
    return attempts(problem, samples, None if greedy is None else Completion(greedy))


def test_answers_count_by_value_not_by_text() -> None:
    one = tried(1000, "1,000", "1000", "$1000.00", "7", "7")
    assert one.n_right == 3
    assert one.pass_at(1) == 0.6
    assert one.maj_at(5) == 1  # three times 1000 against two times 7


def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_one() -> None:
    right = [True, True, False, False, False]
    one = tried(5, *("5" if is_right else "6" for is_right in right))
    for k in range(1, 6):
        draws = list(combinations(right, k))
        assert one.pass_at(k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_figures_of_two_problems_by_hand() -> None:
    found = figures([tried(5, "5", "6", greedy="5"), tried(5, "no", "7", greedy="6")], [1, 2])
    assert found.at_k["pass_at_k"][1].value == 0.25  # 1/2 and 0
    assert found.at_k["pass_at_k"][2].value == 0.5
    assert found.at_k["maj_at_k"][2].value == 0.25  # a tie shares its credit
    assert found.at_k["pass_hat_k"][2].value == 0
    assert found.at_k["g_pass_at_k"][2].value == 0.5  # one of two is half of them
    assert found.at_k["mg_pass_at_k"][2].value == 0
    assert not {1} & found.at_k["pass_hat_k"].keys()  # at one sample that is pass@1
    assert found.no_answer.value == 0.25
    assert found.greedy.value == 0.5
    assert found.mean_tokens.value == 1.25
    assert found.curve == ((1, 0.25), (2, 0.5))
    assert found.n_identical == found.n_cut == 0


def test_unknown_token_counts_give_no_mean() -> None:
    problem = tried(5, "5").problem
    one = attempts(problem, [Completion("5", n_tokens=3), Completion("5")])
    assert figures([one], [1]).mean_tokens.value is None


def test_samples_of_one_text_are_counted_as_identical() -> None:
    assert tried(5, "5", "5", "5").identical
    assert not tried(5, "5", "5", "5.0").identical
    assert not tried(5, "5").identical


def test_without_greedy_attempts_there_is_no_greedy_figure() -> None:
    assert figures([tried(5, "5")], [1]).greedy.value is None


def test_differences_are_of_the_first_named_and_corrected_over_all_rows() -> None:
    better = [tried(5, "5", "5", identity=str(i)) for i in range(8)]
    worse = [tried(5, "6", "6", identity=str(i)) for i in range(8)]
    rows = paired({"good": better, "bad": worse, "poor": worse}, [1, 2], 0)
    assert [(row.a, row.b, row.k) for row in rows] == [
        ("good", "bad", 1),
        ("good", "bad", 2),
        ("good", "poor", 1),
        ("good", "poor", 2),
        ("bad", "poor", 1),
        ("bad", "poor", 2),
    ]
    assert rows[0].gain.value == 1
    assert rows[0].gain.p_value == 2 / 2**8
    assert rows[0].p_adjusted == 6 * 2 / 2**8  # Holm: the smallest of six
    assert rows[4].gain.value == 0
    assert rows[4].p_adjusted == 1


def test_the_paper_counts_any_of_the_first_k_by_their_last_digits() -> None:
    assert any_of_k([tried(10, "-10", "9"), tried(32, "7", "4.32")], 1) == 0.5
    assert any_of_k([tried(10, "-10", "9"), tried(32, "7", "4.32")], 2) == 1
    assert tried(10, "-10").n_right == tried(32, "4.32").n_right == 0
