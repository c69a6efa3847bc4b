"""Verdicts become one comparison: counts, consistency, categories, length, round robin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sami_eval.core.comparison import Comparison, Estimate
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Order, Verdict, Winner
from sami_eval.experiment.comparison_rows import comparison_row
from sami_eval.experiment.fold import fold
from sami_eval.experiment.tallies import (
    compare,
    consistency,
    correct_pairs,
    first_position_rate,
    round_robin,
    self_agreement,
)
from sami_eval.judge import IDENTICAL
from tests import SHARED
from tests.judgments import both_orders, prompts, responses, verdict

PAPER = SHARED / "data" / "paper" / "DPO_vs_SFT_verdicts.json"
WINNERS: Sequence[Winner | None] = ("a", "b", "tie", None)


def judged(*winners: Winner | None, categories: Sequence[str] = ()) -> Comparison:
    """A comparison of one turn a question, both orders agreeing on the winner given."""
    verdicts = [v for i, w in enumerate(winners, 1) for v in both_orders(w, w, f"q{i}")]
    n = len(winners)
    asked = prompts(*(categories or ["writing"] * n))
    return compare(asked, responses("sami", n), responses("dpo", n), verdicts)


def test_consistency_is_the_share_of_turns_with_the_same_winner_in_both_orders() -> None:
    verdicts = [
        *both_orders("a", "a", "q1"),
        *both_orders("tie", "tie", "q2"),
        *both_orders("a", "b", "q3"),
        *both_orders("a", "tie", "q4"),
        *both_orders("a", None, "q5"),
        verdict("a", question="q6"),
    ]
    estimate = consistency(verdicts)
    assert estimate.value == 2 / 4
    assert estimate.interval is not None


def test_consistency_of_one_order_is_not_known() -> None:
    assert consistency([verdict("a")]) == Estimate(None, None)


def test_identical_responses_say_nothing_about_consistency() -> None:
    unasked = [verdict("tie", first, "q2", text=IDENTICAL) for first in ("a", "b")]
    assert consistency(unasked) == Estimate(None, None)
    assert consistency([*both_orders("a", "b"), *unasked]).value == 0
    assert [outcome.score for outcome in fold(unasked)] == [0.5]


def test_first_position_rate_counts_decided_verdicts_only() -> None:
    verdicts = [
        *both_orders("a", "b"),  # first wins twice
        *both_orders("a", "tie", "q2"),  # first wins once
        *both_orders("b", None, "q3"),  # first loses once
    ]
    assert first_position_rate(verdicts).value == 3 / 4
    assert first_position_rate([verdict("tie")]) == Estimate(None, None)


def test_counts_of_a_comparison() -> None:
    total = judged("a", "a", "tie", "b", None).total
    assert (total.n_questions, total.n_turns) == (4, 4)
    assert (total.wins, total.ties, total.losses) == (2, 1, 1)
    assert total.win_rate == 2.5 / 4
    assert (total.unparsed, total.n_verdicts) == (2, 10)


def test_a_comparison_without_verdicts_knows_nothing() -> None:
    comparison = compare(prompts("math"), responses("x", 1), responses("y", 1), [])
    total = comparison.total
    assert (comparison.a, comparison.b) == ("x", "y")
    assert total.n_turns == 0
    assert total.win_rate is total.interval is total.p_value is total.questions_needed is None
    assert not total.significant
    assert comparison.by_category == {}
    assert comparison.length.controlled == Estimate(None, None)


def test_unparsed_verdicts_only_leave_no_rate() -> None:
    comparison = judged(None, None)
    assert comparison.total.win_rate is None
    assert comparison.total.unparsed == 4
    assert comparison.by_category["writing"].p_adjusted is None


def test_a_model_against_itself_is_50_percent_and_not_significant() -> None:
    verdicts = [
        Verdict(f"q{i}", turn, "quality", "base", "base", first, 0, "tie", text=IDENTICAL)
        for i in range(1, 81)
        for turn in (0, 1)
        for first in ("a", "b")
    ]
    asked = prompts(*["math"] * 80)
    comparison = compare(asked, responses("base", 80), responses("base", 80), verdicts)
    total = comparison.total
    assert (total.wins, total.ties, total.losses) == (0, 160, 0)
    assert (total.win_rate, total.p_value, total.significant) == (0.5, 1, False)
    assert total.questions_needed is None
    assert total.interval is not None
    assert total.interval[1] - total.interval[0] > 0.03
    assert comparison.length.controlled.value == pytest.approx(0.5)


def test_winning_everything_is_significant() -> None:
    total = judged(*["a"] * 20).total
    assert total.win_rate == 1
    assert total.p_value == pytest.approx(2 / 2**20)
    assert total.significant
    assert total.questions_needed == 6


def test_categories_are_corrected_for_how_many_there_are() -> None:
    winners: list[Winner | None] = [*["a"] * 7, *["a", "b"] * 4]
    comparison = judged(*winners, categories=["math"] * 7 + ["writing"] * 8)
    math, writing = comparison.by_category["math"], comparison.by_category["writing"]
    assert math.p_value == pytest.approx(2 / 2**7)  # .0156, twice that is below 5%
    assert math.p_adjusted == pytest.approx(4 / 2**7)
    assert math.significant
    assert writing.p_adjusted == 1
    assert comparison.categories_p_value is not None


def test_significance_follows_the_corrected_p_value() -> None:
    winners: list[Winner | None] = [*["a"] * 6, *["a", "b"] * 4]
    comparison = judged(*winners, categories=["math"] * 6 + ["writing"] * 8)
    math = comparison.by_category["math"]
    assert math.p_value == pytest.approx(2 / 2**6)  # .031, twice that is not
    assert not math.significant


def test_a_category_without_outcomes_does_not_weigh_on_the_others() -> None:
    winners: list[Winner | None] = [*["a"] * 6, None]
    comparison = judged(*winners, categories=["math"] * 6 + ["writing"])
    assert comparison.by_category["math"].p_adjusted == comparison.by_category["math"].p_value
    assert comparison.by_category["writing"].n_turns == 0


def test_categories_stand_in_the_order_of_the_prompts() -> None:
    comparison = judged("a", "b", "a", categories=["writing", "math", "writing"])
    assert list(comparison.by_category) == ["writing", "math"]


def test_lengths_are_in_tokens_where_every_count_is_known() -> None:
    verdicts = both_orders("a", "a")
    long, short = responses("sami", 1, n_tokens=30), responses("dpo", 1, n_tokens=10)
    length = compare(prompts("math"), long, short, verdicts).length
    assert (length.mean_a, length.mean_b, length.unit) == (30, 10, "tokens")


def test_lengths_are_in_characters_where_one_count_is_missing() -> None:
    long, unknown = responses("sami", 1, 7, n_tokens=30), responses("dpo", 1, 5)
    length = compare(prompts("math"), long, unknown, both_orders("a", "a")).length
    assert (length.mean_a, length.mean_b, length.unit) == (7, 5, "characters")


def test_lengths_without_responses_are_not_known() -> None:
    length = compare(prompts("math"), [], [], both_orders("a", "b")).length
    assert (length.mean_a, length.mean_b) == (None, None)
    assert length.controlled == Estimate(None, None)


def test_verdicts_on_another_pair_are_refused() -> None:
    other = Verdict("q1", 0, "quality", "sami", "sft", "a", 0, "a")
    with pytest.raises(UsageError, match="`sami` and `sft` among those on other"):
        compare(prompts("math"), [], [], [verdict("a"), other])


def test_verdicts_on_an_unknown_prompt_are_refused() -> None:
    with pytest.raises(UsageError, match="prompt `q9`"):
        compare(prompts("math"), [], [], [verdict("a", question="q9")])


@given(st.lists(st.lists(st.sampled_from(WINNERS), min_size=2, max_size=4), max_size=12))
@settings(max_examples=25)
def test_swapping_the_contenders_mirrors_the_comparison(rows: list[list[Winner | None]]) -> None:
    orders: tuple[Order, Order] = ("a", "b")
    swapped: dict[Winner | None, Winner | None] = {"a": "b", "b": "a", "tie": "tie", None: None}
    ours, theirs = [], []
    for q, row in enumerate(rows, 1):
        for i, winner in enumerate(row):
            first = orders[i % 2]
            ours.append(verdict(winner, first, f"q{q}", i // 2))
            mirrored: Order = "b" if first == "a" else "a"
            theirs.append(
                Verdict(f"q{q}", i // 2, "quality", "dpo", "sami", mirrored, 0, swapped[winner])
            )
    asked, n = prompts(*["math", "writing"] * 6), len(rows)
    long, short = responses("sami", n, 9), responses("dpo", n, 4)
    one = compare(asked, long, short, ours).total
    other = compare(asked, short, long, theirs).total
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    assert one.p_value == other.p_value
    assert one.questions_needed == other.questions_needed
    assert one.consistency == other.consistency
    assert one.first_position_rate == other.first_position_rate
    if one.win_rate is not None and one.interval is not None:
        assert other.win_rate == pytest.approx(1 - one.win_rate)
        assert other.interval == pytest.approx((1 - one.interval[1], 1 - one.interval[0]))


def round_of(strength: dict[str, int], n: int = 40) -> list[Comparison]:
    """Every pair of contenders; a beats b on a share of questions that follows strength."""
    comparisons = []
    for a, b in combinations(strength, 2):
        wins = round(n * strength[a] / (strength[a] + strength[b]))
        verdicts = [
            Verdict(f"q{i}", 0, "quality", a, b, first, 0, "a" if i <= wins else "b")
            for i in range(1, n + 1)
            for first in ("a", "b")
        ]
        answers = (responses(a, n), responses(b, n))
        comparisons.append(compare(prompts(*["math"] * n), *answers, verdicts))
    return comparisons


def test_a_round_robin_ranks_and_says_who_cannot_be_told_apart() -> None:
    ranking = round_robin(round_of({"base": 1, "sami": 10, "dpo": 9}))
    assert [standing.name for standing in ranking] == ["sami", "dpo", "base"]
    assert [standing.tied_with_next for standing in ranking] == [True, False, False]


def test_pairs_of_a_round_robin_are_corrected_for_how_many_there_are() -> None:
    before = round_of({"base": 2, "sami": 5, "dpo": 4})
    after = correct_pairs(before)
    smallest = min(range(3), key=lambda i: before[i].total.p_value or 1)
    assert after[smallest].total.p_adjusted == pytest.approx(
        3 * (before[smallest].total.p_value or 1)
    )
    assert [c.total.p_value for c in after] == [c.total.p_value for c in before]


def test_the_papers_own_verdicts_are_not_significant() -> None:
    if not PAPER.exists():
        pytest.skip("the paper's verdicts are not beside this checkout")
    winners: dict[float, Winner] = {1: "a", 0: "b", 0.5: "tie"}
    rows = [winners[row[0]] for row in json.loads(PAPER.read_text())]
    verdicts = [verdict(winner, question=f"q{i}") for i, winner in enumerate(rows, 1)]
    total = compare(prompts(*["all"] * 80), [], [], verdicts).total
    assert (total.wins, total.ties, total.losses) == (43, 6, 31)
    assert total.win_rate == 0.575
    assert total.interval == pytest.approx((0.47, 0.68), abs=0.01)
    assert total.p_value == pytest.approx(0.2, abs=0.01)
    assert not total.significant
    assert total.questions_needed == 334


def test_self_agreement_is_the_share_of_repeats_with_the_most_frequent_verdict() -> None:
    # Three repeats say a, a, b; three say tie: (2 + 3) of 6.
    winners: tuple[Winner, ...] = ("a", "a", "b")
    verdicts = [verdict(winner, repeat=i) for i, winner in enumerate(winners)]
    verdicts += [verdict("tie", "b", repeat=i) for i in range(3)]
    estimate = self_agreement(verdicts)
    assert estimate.value == pytest.approx(5 / 6)
    assert estimate.interval is not None
    assert estimate.interval[0] < 5 / 6 < estimate.interval[1]


def test_self_agreement_needs_two_verdicts_of_one_judgment() -> None:
    assert self_agreement(both_orders("a", "b")) == Estimate(None, None)
    assert self_agreement([verdict("a"), verdict(None, repeat=1)]) == Estimate(None, None)


def test_self_agreement_is_in_the_document_and_the_table_of_repeats() -> None:
    from tests.documents import document
    from tests.report.test_console import printed

    verdicts = [verdict("a", repeat=i, question="q1") for i in range(2)]
    row = comparison_row(compare(prompts("writing"), [], [], verdicts))
    assert row["self_agreement"] == 1.0
    assert "self-agreement        100.0% [" in printed(document(row))
