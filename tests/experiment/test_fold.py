"""How the verdicts of a turn become one outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sami_eval.core.types import Winner
from sami_eval.experiment.fold import fold
from tests.judgments import both_orders, verdict


def scores(*args: object, **kwargs: object) -> list[float]:
    return [outcome.score for outcome in fold(*args, **kwargs)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a", "a", [1.0]),
        ("b", "b", [0.0]),
        ("a", "b", [0.5]),
        ("b", "a", [0.5]),
        ("a", "tie", [0.5]),
        ("tie", "b", [0.5]),
        ("tie", "tie", [0.5]),
        ("a", None, []),
        (None, "tie", []),
        (None, None, []),
    ],
)
def test_only_orders_that_agree_are_a_win(
    one: Winner | None, other: Winner | None, expected: list[float]
) -> None:
    assert scores(both_orders(one, other)) == expected


def test_the_average_rule_scores_the_mean_of_both_orders() -> None:
    assert scores(both_orders("a", "tie"), rule="average") == [0.75]
    assert scores(both_orders("a", "b"), rule="average") == [0.5]
    assert scores(both_orders("b", "b"), rule="average") == [0]
    assert scores(both_orders("a", None), rule="average") == []


def test_one_order_counts_alone_where_only_one_was_asked() -> None:
    assert scores([verdict("a"), verdict("b", question="q2")]) == [1, 0]
    assert scores([verdict("a", "a"), verdict("b", "b", question="q2")]) == [1, 0]
    assert scores([verdict(None)]) == []


def test_a_turn_that_misses_the_other_order_has_no_outcome() -> None:
    found = fold([*both_orders("a", "a"), verdict("a", question="q2")])
    assert [outcome.prompt_id for outcome in found] == ["q1"]


def test_repeats_fold_by_majority_within_an_order() -> None:
    in_a = [verdict(w, "a", repeat=i) for i, w in enumerate(("a", "a", "b"))]
    in_b = [verdict(w, "b", repeat=i) for i, w in enumerate(("a", None, "a"))]
    assert scores([*in_a, *in_b]) == [1]


def test_repeats_without_a_majority_are_a_tie() -> None:
    repeats = [verdict("a", repeat=0), verdict("b", repeat=1)]
    assert scores(repeats) == [0.5]
    assert scores([*repeats, verdict("a", "b")]) == [0.5]


def test_judges_fold_by_majority_after_their_orders() -> None:
    verdicts = [
        verdict(winner, first, judge=judge)
        for judge, winner in (("one", "a"), ("two", "a"), ("three", "b"))
        for first in ("a", "b")
    ]
    assert scores(verdicts) == [1]
    assert scores([v for v in verdicts if v.judge != "one"]) == [0.5]  # one each: no majority


def test_a_judge_without_a_verdict_leaves_the_others_to_decide() -> None:
    silent = [verdict(None, "a", judge="silent"), verdict("b", "b", judge="silent")]
    assert scores([*both_orders("a", "a"), *silent]) == [1]


def test_probabilities_count_under_the_average_rule() -> None:
    verdicts = [verdict("a", "a", score=0.9), verdict("a", "b", score=0.6)]
    assert scores(verdicts, rule="average") == pytest.approx([0.75])
    assert scores(verdicts) == [1]


def test_probabilities_of_repeats_are_averaged() -> None:
    of_a = [verdict("a", "a", repeat=i, score=p) for i, p in enumerate((0.9, 0.6, 0.6))]
    assert scores([*of_a, verdict("b", "b", score=0.3)], rule="average") == pytest.approx([0.5])


def test_a_difference_of_ratings_is_no_probability() -> None:
    rated = replace(verdict("a", "a", score=1.0), ratings=(7.0, 6.0))
    even = replace(verdict("tie", "a", score=0.0), ratings=(6.0, 6.0))
    assert scores([rated], rule="average") == [1]
    assert scores([even], rule="average") == [0.5]


def test_each_turn_has_its_own_outcome() -> None:
    second = [verdict("b", first, turn=1) for first in ("a", "b")]
    found = fold([*both_orders("a", "a"), *second])
    assert [(o.prompt_id, o.turn, o.score) for o in found] == [("q1", 0, 1), ("q1", 1, 0)]
