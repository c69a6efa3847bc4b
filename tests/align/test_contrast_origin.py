"""What a contrast says of how it came about, and what a training makes of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align import chain
from sami_eval.align.filters import Filters
from sami_eval.align.origin import SAMPLING, filters_of, origin, sampling_of
from sami_eval.core.calls import Sampling
from sami_eval.core.errors import UsageError
from tests.align_models import contrast, few

GIVEN = [contrast(number) for number in range(8)]


def with_ids(one, metadata):
    spoken = [replace(response, token_ids=((5, 2),)) for response in one.responses]
    return replace(one, responses=tuple(spoken), metadata=metadata)


def test_token_ids_of_an_adapter_on_the_same_base_are_trained_on(setup, base):
    sft = chain.align("sft", GIVEN, setup, None, few())
    theirs = origin(sft, SAMPLING, Filters())
    given = [with_ids(one, theirs) for one in GIVEN]
    chain.align("sft+sami", given, setup, None, few())
    assert not any("warning: 8" in line for line in setup.progress.lines)
    chain.align("base+sami", given, setup, None, few())
    said = f"8 of 8 contrasts were written by `{base.base}` with adapter `sft@0`"
    assert any(said in line for line in setup.progress.lines)


def test_an_adapter_with_a_tokenizer_of_its_own_does_not_speak_for_its_base(setup):
    sft = chain.align("sft", GIVEN, setup, None, few())
    (Path(sft.adapter) / "tokenizer_config.json").write_text("{}")
    theirs = origin(sft, SAMPLING, Filters())
    given = [with_ids(one, theirs) for one in GIVEN]
    with pytest.raises(UsageError, match="with adapter `sft@0`, not by"):
        chain.align("base+sami", given, setup, None, few())


def test_sampling_and_filters_come_back_as_they_were(base):
    sampling = Sampling(0.7, 0.8, 99, ("\nHuman:",), 3)
    filters = Filters(banned=("as an AI",), min_ratio=2.0)
    one = replace(GIVEN[0], metadata=origin(base, sampling, filters))
    assert sampling_of(one) == sampling
    assert filters_of([one, one]) == filters
    assert sampling_of(GIVEN[0]) == SAMPLING
    assert filters_of(GIVEN) == Filters()
    with pytest.raises(UsageError, match="different filters"):
        filters_of([one, GIVEN[1]])


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"sampling": "hot"}, "`sampling` is `'hot'`"),
        ({"sampling": '{"temperature": "hot"}'}, "`sampling.temperature` is `'hot'`"),
        ({"sampling": '{"temperature": -1}'}, "`sampling` is `{'temperature': -1}`"),
        ({"sampling": '{"heat": 1}'}, "`sampling.heat` is no field"),
    ],
)
def test_unreadable_sampling_is_refused(metadata, said):
    with pytest.raises(UsageError) as caught:
        sampling_of(replace(GIVEN[0], metadata=metadata))
    assert said in caught.value.message


def test_unreadable_filters_are_refused():
    with pytest.raises(UsageError, match=r"`filters.near` is `'much'`"):
        filters_of([replace(GIVEN[0], metadata={"filters": '{"near": "much"}'})])
    with pytest.raises(UsageError, match="--near-duplicates"):
        filters_of([replace(GIVEN[0], metadata={"filters": '{"near": 7}'})])
