"""Coroutines run to their end leave Python as they found it."""

from __future__ import annotations

import gc

import pytest

from sami_eval.core.loops import run_to_end


@pytest.mark.parametrize("by_the_caller", [False, True])
def test_python_looks_for_cycles_seldom_meanwhile_and_as_before_afterwards(
    by_the_caller: bool,
) -> None:
    gc.unfreeze()
    if by_the_caller:
        gc.freeze()
    before, meanwhile = (gc.get_threshold(), gc.get_freeze_count()), []

    async def fails() -> None:
        meanwhile.append((gc.get_threshold()[0], gc.get_freeze_count()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_to_end(fails)
    assert meanwhile[0][0] > before[0][0]
    assert meanwhile[0][1] > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
