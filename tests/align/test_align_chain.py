"""Recipes to adapters, on a random model of 30 thousand weights."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align import chain
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import silent
from sami_eval.data.contrasts import prompt_hash
from sami_eval.generate import card
from tests.align_models import CONTRASTS, contrast, few, same, there, weights
from tests.processes import Started


def align(recipe, setup, contrasts=CONTRASTS, **changes):
    return chain.align(recipe, contrasts, setup, None, few() | changes)


def test_a_chain_trains_its_missing_links_and_starts_from_them(setup, base):
    model = align("sft+sami@3", setup)
    folder = setup.adapters / Path(base.base).name
    assert sorted(path.name for path in folder.iterdir()) == ["sft+sami@3", "sft@3"]
    assert model.adapter == str(folder / "sft+sami@3")
    assert model.name == "sft+sami"
    known = card.read(folder / "sft+sami@3")
    assert known["chain"] == ["sft", "sami"]
    assert known["start"] == card.weights_hash(folder / "sft@3")
    assert known["options"]["seed"] == 3
    assert known["contrasts"]["prompts"] == sorted(prompt_hash(c.prompt) for c in CONTRASTS)
    assert known["prompt"] == {
        "format": "chat template",
        "chat_template": None,
        "stop": [],
        "eos_token": "<eos>",
    }
    assert set(known["metrics"]["last"]) >= {"loss", "kl", "row_accuracy", "column_accuracy"}


def test_a_finished_training_is_not_repeated(setup):
    first = align("sft", setup)
    stamp = os.stat(Path(first.adapter) / "adapter_model.safetensors").st_mtime_ns
    assert align("sft", setup) == first
    assert os.stat(Path(first.adapter) / "adapter_model.safetensors").st_mtime_ns == stamp
    assert "already trained" in setup.progress.lines[-1]


def test_other_contrasts_or_options_train_again_and_the_earlier_adapter_is_kept(setup):
    model, some = align("sft", setup), CONTRASTS[:4]
    out = Path(model.adapter)
    for changes, why in (
        ({"contrasts": some}, "on other contrasts"),
        ({"contrasts": some, "lr": 2e-3}, "lr 0.001, now 0.002"),
        ({}, "lr 0.002, now 0.001, on other contrasts"),
        ({"contrasts": some}, "on other contrasts"),
    ):
        before = (out / "adapter_model.safetensors").read_bytes()
        kept = out.with_name(f"{out.name}-{card.read(out)['training'][:8]}")
        model = align("sft", setup, **changes)
        assert model.adapter == str(out)
        said = f"`{out}` was trained otherwise ({why}): it is kept as `{kept}`"
        assert said in setup.progress.lines
        assert (kept / "adapter_model.safetensors").read_bytes() == before
        assert (out / "adapter_model.safetensors").read_bytes() != before
    assert len(list(out.parent.glob("sft@0-*"))) == 3  # one copy of each


def test_a_changed_method_of_a_users_own_trains_again(setup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "methods" / "mine.py"
    file.parent.mkdir()
    code = (
        '"""Mine."""\n\nfrom __future__ import annotations\n\n'
        "from dataclasses import dataclass\n\nfrom sami_eval.align.methods import sft\n\n\n"
        "@dataclass\nclass Options:\n    n: int = 2\n\n\n"
        "def train(contrasts, base, options, out, progress):\n"
        "    return sft.train(contrasts, base, options, out, progress)\n"
    )
    file.write_text(code)
    first = align("base+mine", setup)
    assert align("base+mine", setup) == first
    assert "already trained" in setup.progress.lines[-1]
    file.write_text(code.replace("sft.train(contrasts,", "sft.train(contrasts[:2],"))
    assert align("base+mine", setup).fingerprint != first.fingerprint


def test_ensure_takes_what_is_there_and_asks_for_no_contrasts(setup):
    trained = align("sft", setup)

    def never():
        raise AssertionError("contrasts were written though nothing is missing")

    assert chain.ensure("sft", never, setup) == trained
    assert chain.ensure("base", never, setup) == setup.base


def test_ensure_without_training_names_the_command(setup):
    with pytest.raises(UsageError, match="no adapter") as caught:
        chain.ensure("base+dpo", lambda: CONTRASTS, setup, train=False)
    assert "sami-eval align base+dpo --base" in caught.value.hint


def test_an_adapter_of_another_base_is_refused_or_trained_again(setup, base):
    align("sft", setup)
    other = replace(setup, base=replace(base, fingerprint="another"))
    with pytest.raises(UsageError, match="another base"):
        chain.ensure("sft", lambda: CONTRASTS, other, train=False)


def test_contrasts_of_another_base_are_refused(setup):
    theirs = {"base": "gpt", "fingerprint": "other"}
    ids = tuple(replace(one, token_ids=((5, 2),)) for one in CONTRASTS[0].responses)
    with pytest.raises(UsageError, match="written by `gpt`"):
        align("sft", setup, contrasts=[replace(CONTRASTS[0], responses=ids, metadata=theirs)])


def test_text_of_another_model_is_learnt_from_with_a_warning(setup):
    theirs = {"base": "gpt", "fingerprint": "other"}
    align("sft", setup, contrasts=[replace(one, metadata=theirs) for one in CONTRASTS])
    assert "warning: 6 of 6 contrasts were written by `gpt`" in setup.progress.lines[0]


def test_a_failed_training_leaves_nothing_behind(setup):
    with pytest.raises(UsageError):
        align("sft", setup, contrasts=[contrast(1, rejected="a response is empty")])
    assert list(setup.adapters.rglob("*@*")) == []


def test_the_leftovers_of_a_killed_training_are_cleared(setup, base):
    killed = setup.adapters / Path(base.base).name / ".sft@0.unfinished" / "other.1"
    killed.mkdir(parents=True)
    align("sft", setup)
    assert not killed.parent.exists()


@pytest.mark.slow
def test_a_killed_training_gives_the_same_adapter_when_run_again(setup, tmp_path):
    given = "base+sami", CONTRASTS, replace(setup, progress=silent()), None, few(steps=500)
    process = Started(tmp_path, chain.align, *given)
    while not there(setup.adapters, "**/training.jsonl"):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert list(setup.adapters.rglob("adapter_config.json")) == []
    again = align("base+sami", setup, steps=20)
    other = align("base+sami", replace(setup, adapters=tmp_path / "other"), steps=20)
    assert same(again, other)


def test_several_seeds_are_trained_one_at_a_time(setup):
    with pytest.raises(UsageError, match="`2` seeds"):
        align("sami@1,2", setup)


def test_a_folder_that_holds_something_else_is_not_replaced(setup, tmp_path):
    thesis = tmp_path / "results" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    for out in (thesis.parent, thesis):
        with pytest.raises(UsageError, match="holds something other than an adapter of ours"):
            chain.align("base+sft", CONTRASTS, setup, out, few())
    assert thesis.read_text() == "years of work"
    for out in (Path("."), Path("..")):
        with pytest.raises(UsageError, match="names no folder to make"):
            chain.align("base+sft", CONTRASTS, setup, out, few())


def test_an_adapter_of_ours_and_an_empty_folder_are_replaced(setup, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    first = weights(chain.align("base+sft", CONTRASTS, setup, out, few()))
    second = weights(chain.align("base+sft", CONTRASTS, setup, out, few(steps=3)))
    assert any((first[name] != second[name]).any() for name in first)


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_a_training_leaves_no_network_in_memory(setup, method):
    from transformers import PreTrainedModel

    align(method, setup)
    assert not [one for one in gc.get_objects() if PreTrainedModel in type(one).__mro__]


def test_base_trains_nothing(setup):
    with pytest.raises(UsageError, match="trains nothing"):
        align("base", setup)


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_the_card_counts_as_seen_what_was_trained_on_alone(setup, method):
    # One contrast is too long for every method; SAMI holds two of the others out.
    long = contrast("much too long", "x" * 400, "y" * 400)
    changes = {"held_out": 2, "max_length": 200} if method == "sami" else {"max_length": 200}
    model = align(f"base+{method}", setup, [*CONTRASTS, long], **changes)
    seen = set(card.read(Path(model.adapter))["contrasts"]["prompts"])
    short = {prompt_hash(one.prompt) for one in CONTRASTS}
    assert seen < short if method == "sami" else seen == short
    assert len(seen) == len(short) - changes.get("held_out", 0)
    assert not (Path(model.adapter) / card.TRAINED_ON).exists()


def test_the_card_tells_how_to_compare(setup):
    model = align("base+dpo", setup)
    text = (Path(model.adapter) / "README.md").read_text()
    assert "# base+dpo" in text
    assert "sami-eval compare" in text
    assert "| rewards/accuracies |" in text


def test_a_fingerprint_follows_weights_not_folders(setup, base, tmp_path):
    model = align("sft", setup)
    moved = tmp_path / "moved"
    os.rename(model.adapter, moved)
    assert card.weights_hash(moved) == card.weights_hash(moved)
    again = chain.align("sft", CONTRASTS, setup, tmp_path / "elsewhere", few())
    assert card.weights_hash(Path(again.adapter)) == card.weights_hash(moved)


def test_a_card_of_another_version_is_refused(tmp_path):
    (tmp_path / card.FILE).write_text('{"schema": "sami-eval/adapter/9"}')
    with pytest.raises(UsageError, match="schema"):
        card.read(tmp_path)
