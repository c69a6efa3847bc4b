"""The e-process that holds at any time, its confidence sequence, and when it gives up."""

from __future__ import annotations

from itertools import product
from math import exp, log, prod, sqrt

import numpy as np
import pytest

from sami_eval.stats.errors import OutOfRangeError
from sami_eval.stats.sequential import (
    Points,
    Rule,
    best_rest,
    chance_of_deciding,
    follow,
    log_capital,
    mixed,
    rates_allowed,
    rule_of,
    stakes,
)

RULE = Rule(12, 4)


def points(scores: list[float], turns: int = 1) -> Points:
    """Questions of so many turns with these mean scores."""
    means = np.array(scores, float)
    return Points(means * turns, np.full(len(means), float(turns)), turns)


def e_value(scores: list[float], rate: float = 0.5, rule: Rule = RULE) -> float:
    """As the module's first line has it, one factor after the other."""
    return 0.5 * sum(
        w
        * (
            prod(1 + c / rate * (x - rate) for x in scores)
            + prod(1 - c / (1 - rate) * (x - rate) for x in scores)
        )
        for c, w in zip(*map(list, stakes(rule.n, rule.alpha)), strict=True)
    )


def test_four_wins_of_twelve_questions_by_hand() -> None:
    # The first stake is sqrt(2 ln 40 / 12) = .784; twice as much would be above .95.
    (stake,), (weight,) = stakes(12)
    assert stake == pytest.approx(sqrt(2 * log(40) / 12)) == pytest.approx(0.784, abs=5e-4)
    assert weight == 1
    # (1.784^4 + .216^4) / 2 = (10.13 + .002) / 2 = 5.07
    (course,) = follow([points([1, 1, 1, 1])], RULE)
    assert course.e_values == ((4, pytest.approx(5.066, abs=0.01)),)
    assert course.p_value == pytest.approx(1 / 5.066, abs=1e-3)
    assert course.state == "open"


def test_the_e_value_is_one_on_average_when_both_are_equal() -> None:
    """Over all sequences of six questions that have these scores with these chances."""
    sizes, weights = stakes(80)
    for chances in ({0.0: 0.5, 1.0: 0.5}, {0.0: 0.2, 0.5: 0.6, 1.0: 0.2}, {0.25: 0.8, 1.0: 0.2}):
        assert sum(x * p for x, p in chances.items()) in (0.5, pytest.approx(0.4))
        level = sum(x * p for x, p in chances.items())
        rows = list(product(chances, repeat=6))
        gains = 2 * np.array(rows) - 1
        e_values = np.exp(mixed(log_capital(gains, sizes), weights)[:, -1])
        mean = sum(e * prod(chances[x] for x in row) for e, row in zip(e_values, rows, strict=True))
        assert (mean == pytest.approx(1)) == (level == 0.5)


def test_the_e_value_is_that_of_one_factor_after_the_other() -> None:
    scores = [1, 0.5, 0.75, 0, 1, 1, 0.5, 0.25]
    (course,) = follow([points(scores, turns=2)], Rule(80, 4))
    expected = [(n, pytest.approx(e_value(scores[:n], rule=Rule(80, 4)))) for n in (4, 8)]
    assert list(course.e_values) == expected


@pytest.mark.parametrize("scores", [[1, 1, 1, 0.5, 1, 0, 1, 1], [0, 0, 0], [1] * 9, [0.5] * 10])
def test_the_interval_holds_the_rates_whose_e_value_is_below_twenty(scores: list[float]) -> None:
    low, high = rates_allowed(points(scores), RULE)
    for rate in np.linspace(0.001, 0.999, 499):
        assert (low < rate < high) == (e_value(scores, rate) < 20), rate


def test_the_interval_of_no_verdicts_is_everything() -> None:
    nothing = Points(np.zeros(5), np.zeros(5), 2)
    assert rates_allowed(nothing, RULE) == (0, 1)
    assert follow([nothing], Rule(10, 5))[0].e_values == ((5, 1.0),)


def test_a_question_with_one_of_two_turns_counts_half() -> None:
    half = Points(np.array([1.0]), np.array([1.0]), 2)
    assert half.gains == pytest.approx([0.5])
    # T/M - p m/M = 1/2 - p/2 against a rate of p: the mean over turns is what is estimated.
    whole = points([0.75])
    assert whole.gains == pytest.approx(half.gains)


def test_decided_stays_decided_and_later_questions_are_not_read() -> None:
    won = [1.0] * 20
    rule = rule_of(80)
    (course,) = follow([points(won)], rule)
    (longer,) = follow([points(won + [0.0] * 60)], rule)
    assert (course.state, course.asked) == ("decided", 10)
    assert course.p_value <= 0.05
    assert course.interval[0] > 0.5
    assert longer == course


def test_looks_are_ten_apart_or_twenty_in_all() -> None:
    assert rule_of(80).looks == [10, 20, 30, 40, 50, 60, 70, 80]
    assert rule_of(85).looks[-2:] == [80, 85]
    assert len(rule_of(1000).looks) == 20
    assert rule_of(7).looks == [7]
    with pytest.raises(OutOfRangeError, match="`0` questions"):
        rule_of(0)


def test_several_pairs_are_corrected_by_holm_at_every_look() -> None:
    won, even = [1.0] * 7 + [0.5] * 5, [1.0, 0.0] * 6
    rule = Rule(12, 12)
    (alone,) = follow([points(won)], rule)
    assert alone.state == "decided"
    pair = follow([points(won), points(even)], rule)
    assert pair[0].p_value == alone.p_value
    assert pair[0].p_adjusted == pytest.approx(2 * alone.p_value)
    assert [one.state for one in pair] == ["all asked", "all asked"]
    # A second clear pair takes the place of the first in the list, and both pass.
    both = follow([points([1.0] * 12), points(won)], rule)
    assert [one.state for one in both] == ["decided", "decided"]


def test_what_cannot_be_reached_even_if_all_the_rest_went_one_way_is_given_up() -> None:
    sizes, _ = stakes(RULE.n)
    seen = [1.0, 0.0, 0.5, 0.0]
    capital = log_capital(points(seen).gains, sizes)
    last = capital[0][:, -1], capital[1][:, -1]
    best = max(e_value([*seen, *rest]) for rest in product((0, 0.5, 1), repeat=6))
    assert exp(best_rest(last, 6, RULE)) == pytest.approx(best)
    (course,) = follow([points([1.0, 0.0] * 4)], RULE)
    assert (course.state, course.asked) == ("hopeless", 4)


@pytest.mark.parametrize("share", [0.5, 0.62, 0.75])
@pytest.mark.parametrize("n", [20, 40])
def test_the_chance_of_deciding_is_that_of_drawing_from_the_urn(share: float, n: int) -> None:
    """Against 4,000 urns: the questions seen and two imaginary ones, each drawn one put back twice.

    The normal sum leaves out that a threshold passed on the way counts, too.
    """
    rule, rng = Rule(80, 10), np.random.default_rng(3)
    sizes, weights = stakes(rule.n)
    seen = np.where(np.arange(n) < round(share * n), 1.0, -1.0)
    capital = log_capital(seen, sizes)
    last = capital[0][:, -1], capital[1][:, -1]
    found = float(chance_of_deciding(seen, last, 80 - n, log(20), rule))
    urns = rng.beta((seen > 0).sum() + 1, (seen < 0).sum() + 1, 4000)
    drawn = np.where(rng.random((4000, 80 - n)) < urns[:, None], 1.0, -1.0)
    rest = log_capital(drawn, sizes)
    after = mixed(
        tuple(one[..., -1] + end[:, None] for one, end in zip(rest, last, strict=True)), weights
    )
    assert found == pytest.approx((after >= log(20)).mean(), abs=0.03)


def test_peeking_after_every_block_keeps_five_percent() -> None:
    """2,000 comparisons of 80 questions with two turns that mostly agree, a third ties."""
    rng, rule = np.random.default_rng(0), rule_of(80)
    first = rng.choice([0, 0.5, 1], (2000, 80), p=[1 / 3] * 3)
    second = np.where(rng.random((2000, 80)) < 0.7, first, rng.choice([0, 0.5, 1], (2000, 80)))
    logs = mixed(log_capital(first + second - 1, stakes(80)[0]), stakes(80)[1])
    ever = (logs[:, np.array(rule.looks) - 1] >= log(20)).any(1)
    assert ever.mean() <= 0.05
    assert ever.any()


def test_the_confidence_sequence_covers_the_rate_wherever_one_looks() -> None:
    rng, rule = np.random.default_rng(1), rule_of(40)
    missed = 0
    for _ in range(60):
        turns = (rng.random((40, 2)) < 0.7).sum(1)
        every = Points(turns.astype(float), np.full(40, 2.0), 2)
        ends = [rates_allowed(every.first(n), rule) for n in rule.looks]
        missed += not all(low < 0.7 < high for low, high in ends)
    assert missed <= 8  # 5% of 60 are 3, with a standard error of 1.7
