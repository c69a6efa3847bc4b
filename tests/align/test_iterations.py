"""A method several times over, each time on contrasts the model has just written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align import checkpoints
from sami_eval.align.filters import NEAR_PROMPT, Filters
from sami_eval.align.iterations import iterate, n_finished, parts
from sami_eval.align.origin import SAMPLING, origin
from sami_eval.core.calls import Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response
from sami_eval.data.contrasts import prompt_hash, read_contrasts
from sami_eval.generate import card
from tests.align.test_align_resume import STEPS
from tests.align_models import Interrupting, contrast, few, same

GIVEN = [contrast(number) for number in range(8)]


class Writer:
    """Writes each contrast anew, in words that depend on who writes; remembers who was asked."""

    def __init__(self):
        self.models, self.prompts = [], []

    def __call__(self, given, model):
        self.models.append(model)
        self.prompts.append({one.prompt.id for one in given})
        how = origin(model, SAMPLING, Filters())
        return [
            replace(one, metadata=how, responses=tuple(self._spoken(one, model))) for one in given
        ]

    def _spoken(self, one, model):
        for text in ("aaa", "bbb"):
            said = f"{text} {model.fingerprint[:4]} {one.prompt.id}"
            yield Response(one.prompt.id, model.name, (said,), finished=(True,))


def never(given, model):
    raise AssertionError("contrasts were written again")


def run(setup, n=2, rewrite=None, recipe="base+sami", given=GIVEN, out=None, **changes):
    return iterate(recipe, given, setup, n, rewrite or Writer(), out, few(**changes))


def test_no_prompt_is_in_two_parts_and_none_is_left_out():
    twice = [*GIVEN, replace(GIVEN[0], prompt=replace(GIVEN[0].prompt, id="again"))]
    several = parts(twice, 3)
    words = [{prompt_hash(one.prompt) for one in part} for part in several]
    assert sum(map(len, several)) == 9
    assert set.union(*words) == {prompt_hash(one.prompt) for one in GIVEN}
    assert sorted(map(len, words)) == [2, 3, 3]
    assert [part[::-1] for part in parts(twice[::-1], 3)] == several


def test_a_prompt_nearly_like_an_earlier_one_stays_out_of_every_part():
    given = [GIVEN[0], replace(GIVEN[1], rejected=NEAR_PROMPT), *GIVEN[2:]]
    dealt = [one for part in parts(given, 3) for one in part]
    assert sorted(one.prompt.id for one in dealt) == sorted(
        one.prompt.id for one in given if one.rejected is None
    )


def test_more_iterations_than_prompts_are_refused(setup):
    with pytest.raises(UsageError, match="`--iterations 9` of 8 prompts"):
        run(setup, n=9)


def test_each_iteration_is_written_by_the_adapter_of_the_one_before(setup, base):
    writer = Writer()
    model = run(setup, n=2, rewrite=writer, recipe="sft+sami")
    folder = setup.adapters / Path(base.base).name
    sft, first, second = (folder / n for n in ("sft@0", "sft+sami@0-1of2", "sft+sami@0-2of2"))
    assert [one.adapter for one in writer.models] == [str(sft), str(first)]
    assert model.adapter == str(second)
    assert not writer.prompts[0] & writer.prompts[1]
    cards = [card.read(one) for one in (sft, first, second)]
    assert [known["chain"] for known in cards[1:]] == [["sft", "sami"], ["sft", "sami", "sami"]]
    assert cards[1]["start"] == card.weights_hash(sft)
    assert cards[2]["start"] == card.weights_hash(first)
    assert cards[2]["iteration"] == {
        "number": 2,
        "of": 2,
        "contrasts": "sft+sami@0-2of2.contrasts.jsonl",
        "writer": "sft+sami@0-1of2",
    }
    kept = read_contrasts(folder / "sft+sami@0-2of2.contrasts.jsonl")
    assert {one.prompt.id for one in kept} == writer.prompts[1]
    assert {one.metadata["fingerprint"] for one in kept} == {writer.models[1].fingerprint}
    assert "iteration 2 of 2" in (second / "README.md").read_text()


def test_the_reference_is_the_start_of_the_iteration(setup):
    run(setup, n=2, lr=0.05, kl=0.1, steps=6)
    second = card.read(next(setup.adapters.rglob("base+sami@0-2of2")))
    # Nothing is trained yet at the first step, so nothing can lie between it and its reference.
    assert abs(second["metrics"]["first"]["kl"]) < 1e-5
    assert second["metrics"]["last"]["kl"] > 1e-3


def test_finished_iterations_are_neither_written_nor_trained_again(setup):
    assert n_finished("base+sami", GIVEN, setup, 2, None, few()) == 0
    model = run(setup)
    stamp = os.stat(Path(model.adapter) / "adapter_model.safetensors").st_mtime_ns
    assert n_finished("base+sami", GIVEN, setup, 2, None, few()) == 2
    assert run(setup, rewrite=never) == model
    assert os.stat(Path(model.adapter) / "adapter_model.safetensors").st_mtime_ns == stamp


def test_ctrl_c_in_the_second_iteration_repeats_nothing(setup, tmp_path):
    whole = run(replace(setup, adapters=tmp_path / "whole"), steps=STEPS)
    with pytest.raises(KeyboardInterrupt):
        run(replace(setup, progress=Interrupting(STEPS + 8)), steps=STEPS)
    assert n_finished("base+sami", GIVEN, setup, 2, None, few(steps=STEPS)) == 1
    resumed = run(setup, rewrite=never, steps=STEPS)
    assert any("goes on after step 5 of 12" in line for line in setup.progress.lines)
    assert same(whole, resumed)
    assert not list(setup.adapters.rglob(checkpoints.FOLDER))


@pytest.mark.parametrize("change", ["prompt", "constitution", "sampling"])
def test_other_prompts_constitutions_or_sampling_are_written_anew(change, setup):
    run(setup)
    other = {
        "prompt": replace(GIVEN[0], prompt=replace(GIVEN[0].prompt, category="other")),
        "constitution": replace(GIVEN[0], constitutions=("1. say no", "1. say yes")),
        "sampling": replace(
            GIVEN[0], metadata=origin(setup.base, Sampling(0.9, 1.0, 99), Filters())
        ),
    }[change]
    writer = Writer()
    run(setup, rewrite=writer, given=[other, *GIVEN[1:]])
    assert any(other.prompt.id in prompts for prompts in writer.prompts)


def test_a_first_iteration_that_changed_is_followed_by_the_others(setup):
    run(setup)
    writer = Writer()
    run(setup, rewrite=writer, lr=2e-3)
    # The base's contrasts are still those; the first adapter is another, and so is what it writes.
    assert [one.adapter and Path(one.adapter).name for one in writer.models] == ["base+sami@0-1of2"]


def test_out_names_the_last_adapter_and_the_earlier_lie_beside_it(setup, tmp_path):
    model = run(setup, out=tmp_path / "mine" / "best")
    assert model.adapter == str(tmp_path / "mine" / "best")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "best",
        "best-1of2",
        "best-1of2.contrasts.jsonl",
        "best.contrasts.jsonl",
    ]


def test_iterations_of_all_weights_start_from_the_checkpoint_before(setup):
    writer = Writer()
    model = run(setup, rewrite=writer, full=True)
    assert card.is_checkpoint(Path(model.base))
    assert [Path(one.base).name for one in writer.models][1] == "base+sami@0-1of2"
    assert card.read(Path(model.base))["base"]["id"] == writer.models[1].base


def test_every_iteration_says_what_it_came_to(setup):
    run(setup, recipe="base+dpo")
    (line,) = [one for one in setup.progress.lines if one.startswith("iteration 2 of 2 (")]
    assert "(base+dpo@0-2of2): 4 of 4 contrasts accepted, loss 0." in line
