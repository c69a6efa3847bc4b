"""The interval of a rate whose questions are clusters."""

from __future__ import annotations

import subprocess
import sys
from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sami_eval.stats
from sami_eval.core.comparison import Estimate
from sami_eval.stats import win_rate
from tests import ROOT

Z = 1.959964
SCORES = st.lists(
    st.lists(st.sampled_from((0.0, 0.5, 1.0)), min_size=1, max_size=3), min_size=1, max_size=30
)


def width(estimate: Estimate) -> float:
    assert estimate.interval is not None
    return estimate.interval[1] - estimate.interval[0]


def test_one_decided_turn_a_question_has_wilsons_interval() -> None:
    from scipy.stats import binomtest

    ours = win_rate([[1.0]] * 46 + [[0.0]] * 34)
    wilson = binomtest(46, 80).proportion_ci(method="wilson")
    assert ours.value == 0.575
    assert ours.interval == pytest.approx((wilson.low, wilson.high))  # [.466, .677]


def test_turns_that_always_agree_count_once() -> None:
    # Effect (v M^2 + K c)/(M pq + K) with v M^2 = 4 * 80 pq, M = 160, c = 2: exactly 2.
    assert win_rate([[1, 1]] * 46 + [[0, 0]] * 34).interval == pytest.approx(
        win_rate([[1.0]] * 46 + [[0.0]] * 34).interval
    )


def test_a_hand_computed_interval_with_ties() -> None:
    # 43 wins, 6 ties, 31 losses: p = 46/80 = .575, p(1-p) = .244375, K = z^2/8 = .48018.
    # v M^2 = 43 * .425^2 + 6 * .075^2 + 31 * .575^2 = 18.05
    # effect = (18.05 + .48018)/(19.55 + .48018) = .92511, n' = 86.476
    # centre = (.575 + 3.84146/172.952)/(1 + 3.84146/86.476) = .57181
    # half = 1.959964 sqrt(.244375/86.476 + 3.84146/(4 * 86.476^2))/1.044422 = .10200
    estimate = win_rate([[1.0]] * 43 + [[0.5]] * 6 + [[0.0]] * 31)
    assert estimate.interval == pytest.approx((0.57181 - 0.10200, 0.57181 + 0.10200), abs=1e-4)


def test_ties_narrow_the_interval() -> None:
    assert width(win_rate([[1.0], [0.5], [0.5], [0.0]] * 20)) < width(win_rate([[1.0], [0.0]] * 40))


def test_winning_everything_still_has_a_width() -> None:
    estimate = win_rate([[1.0, 1.0]] * 80)
    assert estimate.value == 1
    # As for 80 of 80 independent questions: [1/(1 + z^2/80), 1].
    assert estimate.interval == pytest.approx((1 / (1 + Z**2 / 80), 1))
    assert win_rate([[0.0, 0.0]] * 80).interval == pytest.approx((0, 1 - 1 / (1 + Z**2 / 80)))


def test_ties_only_leave_room_for_decided_questions_not_seen() -> None:
    estimate = win_rate([[0.5, 0.5]] * 80)
    assert estimate.value == 0.5
    # n' = n (2n + z^2)/z^2 and width z/sqrt(n' + z^2); the rule of three would say 3/80.
    size = 80 * (160 + Z**2) / Z**2
    assert width(estimate) == pytest.approx(Z / (size + Z**2) ** 0.5, abs=1e-6)
    assert width(estimate) == pytest.approx(3 / 80, rel=0.15)


def test_one_question_has_an_interval() -> None:
    # One win in one: a rate at which it comes up in 5% of all cases, 1 - exp(-rate) = .05.
    estimate = win_rate([[1.0]])
    assert estimate.interval == pytest.approx((-log(0.95), 1), abs=1e-6)


def test_one_loss_does_not_shut_out_a_rate_that_loses_once_in_twenty_times() -> None:
    # 1 - exp(-80 (1 - rate)) = .05 at the upper end; Wilson's own is .9978.
    interval = win_rate([[1.0]] * 79 + [[0.0]]).interval
    assert interval is not None
    assert interval[1] == pytest.approx(1 + log(0.95) / 80)
    wilson = (157 / 160 + Z**2 / 160) / (1 + Z**2 / 80)  # its centre is what it was
    assert 0.93 < interval[0] < wilson


@pytest.mark.parametrize(("n", "least"), [(3, 0.94), (5, 0.92), (10, 0.91), (20, 0.91), (80, 0.92)])
def test_every_rate_is_covered_summing_over_all_results(n: int, least: float) -> None:
    intervals = [win_rate([[1.0]] * wins + [[0.0]] * (n - wins)).interval for wins in range(n + 1)]
    for step in range(1, 200):
        rate = step / 200
        covered = sum(
            comb(n, wins) * rate**wins * (1 - rate) ** (n - wins)
            for wins, ends in enumerate(intervals)
            if ends is not None and ends[0] <= rate <= ends[1]
        )
        assert covered >= least, rate


def test_no_scores_have_no_rate() -> None:
    assert win_rate([]) == Estimate(None, None)
    assert win_rate({"q1": []}) == Estimate(None, None)


def test_a_mapping_and_its_values_are_the_same_data() -> None:
    assert win_rate({"q1": [1, 0.5], "q2": [0]}) == win_rate([[1, 0.5], [0]])


def test_a_score_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="`7` is not a score"):
        win_rate([[7]])


@given(SCORES)
def test_swapping_sides_mirrors_the_interval(scores: list[list[float]]) -> None:
    ours, theirs = win_rate(scores), win_rate([[1 - s for s in row] for row in scores])
    assert ours.value is not None
    assert ours.interval is not None
    assert theirs.value == pytest.approx(1 - ours.value)
    assert theirs.interval == pytest.approx((1 - ours.interval[1], 1 - ours.interval[0]))


@given(SCORES)
def test_the_interval_holds_the_rate_inside_0_to_1_with_a_width(scores: list[list[float]]) -> None:
    estimate = win_rate(scores)
    assert estimate.value is not None
    assert estimate.interval is not None
    low, high = estimate.interval
    assert 0 <= low <= estimate.value <= high <= 1
    assert high - low > 0.01


def test_public_names_load_on_first_use() -> None:
    assert all(callable(getattr(sami_eval.stats, name)) for name in sami_eval.stats.__all__)
    with pytest.raises(AttributeError):
        sami_eval.stats.nothing_of_the_kind  # noqa: B018


def test_importing_the_package_imports_no_numpy() -> None:
    code = "import sys, sami_eval.stats; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "size", "n_cells"),
    [("coverage.py", ["--replicates", "8000"], 108), ("ppi_coverage.py", ["--voted", "30"], 112)],
    ids=["plain", "corrected by people"],
)
def test_coverage_false_positives_and_width_hold_in_simulation(
    script: str, size: list[str], n_cells: int
) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *size]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{n_cells} of {n_cells} cells pass" in run.stdout


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_scores_that_are_probabilities_are_covered(sharpness: float) -> None:
    rng, n_covered = np.random.default_rng(1), 0
    for _ in range(500):
        scores = rng.beta(0.57 * sharpness, 0.43 * sharpness, (80, 2))
        copied = rng.random(80) < 0.5  # the second turn as the first
        scores[copied, 1] = scores[copied, 0]
        low, high = win_rate(scores.tolist()).interval or (1.0, 0.0)
        n_covered += low <= 0.57 <= high
    assert n_covered >= 0.93 * 500


def test_many_votes_that_say_different_things_are_many_votes() -> None:
    # Ten questions of 30 votes, 20 for a, as often on every question: 300 votes, and no spread.
    rng = np.random.default_rng(0)
    rows = [list(rng.permutation([1.0] * 200 + [0.0] * 100))[i : i + 30] for i in range(0, 300, 30)]
    found = win_rate(rows).interval
    single = win_rate([[score] for row in rows for score in row]).interval
    assert found is not None
    assert single is not None
    assert found[1] - found[0] < 1.5 * (single[1] - single[0])


def test_many_votes_that_all_say_the_same_are_one_a_question() -> None:
    rows = [[1.0] * 30] * 7 + [[0.0] * 30] * 3
    once = win_rate([[1.0]] * 7 + [[0.0]] * 3)
    assert win_rate(rows).interval == pytest.approx(once.interval)
    assert win_rate([[1.0] * 30] * 10).interval == pytest.approx(win_rate([[1.0]] * 10).interval)
