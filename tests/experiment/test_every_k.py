"""Figures at every k: the table's own, interval and all, and nothing where there is too much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sami_eval.experiment.every_k import EVERY, MOST_VOTES, curves, ks_of
from sami_eval.experiment.samples import Attempts, figures
from tests.experiment.test_samples import tried

TRIED = [
    tried(5, "5", "6", "5", "6", "7", identity="a"),
    tried(5, "no", "6", "6", "6", "5", identity="b"),
    tried(5, "5", "5", "5", "5", "5", identity="c"),
    tried(5, "8", "7", "7", "no", "no", identity="d"),
]


@pytest.mark.parametrize("cluster", [None, "template"])
def test_a_curve_holds_the_tables_figures_and_intervals_at_every_k(cluster: str | None) -> None:
    of = list[Attempts]()
    for i, one in enumerate(TRIED):
        group = None if cluster is None else f"{cluster} {i // 2}"
        of.append(replace(one, problem=replace(one.problem, cluster=group)))
    every, table = curves(of), figures(of, range(1, 6)).at_k
    assert set(every) == {"pass_at_k", "maj_at_k", "pass_hat_k"}
    for name, points in every.items():
        assert [k for k, *_ in points] == [1, 2, 3, 4, 5]
        for k, *found in points:
            # At one sample pass^k is pass@1.
            told = table[name if k > 1 else "pass_at_k"][k]
            assert told.interval is not None
            assert found == pytest.approx([told.value, *told.interval], abs=1e-12)


def test_a_curve_of_many_samples_has_steps_and_of_very_many_no_votes() -> None:
    assert ks_of(4) == [1, 2, 3, 4]
    assert ks_of(EVERY) == list(range(1, EVERY + 1))
    assert ks_of(1000)[EVERY - 1 : EVERY + 2] == [128, 129, 142]
    assert ks_of(1000)[-1] == 1000
    many = Attempts(TRIED[0].problem, (), ("5",) * (MOST_VOTES + 1))
    assert set(curves([many])) == {"pass_at_k", "pass_hat_k"}


def test_estimates_may_be_of_another_kind() -> None:
    every = curves(TRIED, lambda scores: [(float(np.mean(one)), None, None) for one in scores])
    assert every["pass_at_k"][0] == (1, pytest.approx(0.4), None, None)
