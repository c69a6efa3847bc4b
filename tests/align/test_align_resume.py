"""A training that is killed goes on from its last whole checkpoint and ends in the same weights."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align import chain, checkpoints, find_methods, load_method
from sami_eval.align.order import ByStep
from sami_eval.core.progress import silent
from sami_eval.generate import card, steps
from tests import ROOT
from tests.align_models import CONTRASTS, QUICK, Interrupting, Said, log, same, there
from tests.processes import Started

STEPS = 12  # checkpoints after 5 and 10


def fit(method, base, out, progress=None):
    out.mkdir(exist_ok=True)
    options = replace(QUICK, steps=STEPS, dropout=0.1, keep_checkpoints=3)
    file = find_methods(Path("none"))[method]
    return load_method(file).train(CONTRASTS, base, options, out, progress or silent())


def losses(model):
    return [(row["step"], row["loss"]) for row in log(model)]


SLOW = [pytest.param(one, marks=pytest.mark.slow) for one in ("kto", "mipo", "simpo", "orpo")]


@pytest.mark.parametrize("method", ["sft", "dpo", "sami", *SLOW])
def test_an_interrupted_training_ends_in_the_same_weights(method, base, tmp_path):
    start = fit("sft", base, tmp_path / "sft")
    whole = fit(method, start, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(method, start, tmp_path / "cut", Interrupting(8))
    # What a kill in the middle of writing leaves behind.
    half = tmp_path / "cut" / "checkpoint-10"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    for left in ("checkpoint-8", ".checkpoint-12"):  # kept after the step it goes on from, or half
        (tmp_path / "cut" / "kept" / left).mkdir()
        (tmp_path / "cut" / "kept" / left / "adapter_config.json").write_text("{}")
    said = Said()
    resumed = fit(method, start, tmp_path / "cut", said)
    assert said.lines[0] == "training base goes on after step 5 of 12"
    assert same(whole, resumed)
    assert losses(whole) == losses(resumed)
    assert not (tmp_path / "cut" / checkpoints.FOLDER).exists()
    assert not half.exists()
    kept, again = (steps.of(tmp_path / name) for name in ("whole", "cut"))
    assert list(kept) == list(again) == [4, 8, 12]
    for step, folder in kept.items():
        both = [replace(whole, adapter=str(one)) for one in (folder, again[step])]
        assert same(*both)
    assert same(whole, replace(whole, adapter=str(kept[12])))
    assert not same(whole, replace(whole, adapter=str(kept[8])))


def test_kept_checkpoints_change_nothing_of_the_training(base, tmp_path):
    whole = run(base, tmp_path, silent())
    files = {name: Path(whole.adapter, name) for name in (card.FILE, "adapter_model.safetensors")}
    before = {name: file.read_bytes() for name, file in files.items()}
    said = Said()
    kept = run(base, tmp_path, said, keep_checkpoints=5)
    assert f"`{whole.adapter}` keeps no 5 checkpoints: trained again" in said.lines
    assert kept.fingerprint == whole.fingerprint
    assert files["adapter_model.safetensors"].read_bytes() == before["adapter_model.safetensors"]
    known = card.read(Path(kept.adapter))
    assert known["training"] == json.loads(before[card.FILE])["training"]
    assert known["checkpoints"] == list(steps.of(Path(kept.adapter))) == [3, 5, 8, 10, 12]
    at_five = card.read(steps.of(Path(kept.adapter))[5])
    assert (at_five["step"], at_five["metrics"]["last"]["step"]) == (5, 5)
    said = Said()
    run(base, tmp_path, said, keep_checkpoints=5)
    assert said.lines == [f"base+sami is already trained on these contrasts: {whole.adapter}"]


@pytest.mark.parametrize(("n", "of", "kept"), [(3, 12, [4, 8, 12]), (10, 3, [1, 2, 3]), (0, 9, [])])
def test_checkpoints_are_kept_evenly_and_the_last_one_too(n, of, kept):
    assert checkpoints.evenly(n, of) == kept


def test_what_a_cut_training_did_not_keep_is_said(base, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, Interrupting(8))
    said = Said()
    trained = run(base, tmp_path, said, keep_checkpoints=4)
    assert any(
        "steps 3 were not kept before" in line and "--no-resume" in line for line in said.lines
    )
    assert list(steps.of(Path(trained.adapter))) == [6, 9, 12]


def test_a_checkpoint_is_whole_or_absent(tmp_path):
    assert checkpoints.latest(tmp_path) is None
    for step in (5, 10):
        (tmp_path / checkpoints.FOLDER / f"step-{step:09d}").mkdir(parents=True)
    (tmp_path / "checkpoint-15").mkdir()
    assert checkpoints.step_of(checkpoints.latest(tmp_path)) == 10


def test_the_log_forgets_steps_that_are_taken_again(tmp_path):
    log = tmp_path / "training.jsonl"
    log.write_text('{"step": 4}\n{"step": 5}\n{"step": 6}\n{"step"')
    checkpoints.forget_after(log, 5)
    assert log.read_text() == '{"step": 4}\n{"step": 5}\n'


def options(steps=STEPS):
    return {"steps": steps, "batch_size": 2, "max_fall": 10.0}


def setup_of(base, adapters, progress, resume=True):
    return chain.Setup(base, adapters, 0, "embedded", progress, resume)


def run(base, adapters, progress, resume=True, **changes):
    chosen = options() | changes
    return chain.align(
        "base+sami", CONTRASTS, setup_of(base, adapters, progress, resume), None, chosen
    )


def test_the_same_command_goes_on_after_ctrl_c(base, tmp_path):
    whole = run(base, tmp_path / "whole", Said())
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path / "cut", Interrupting(8))
    said = Said()
    assert same(run(base, tmp_path / "cut", said), whole)
    assert said.lines[-1] == "training base+sami@0 goes on after step 5 of 12"
    (left,) = (tmp_path / "cut").rglob("adapter_config.json")
    assert left.parent.name == "base+sami@0"


@pytest.mark.parametrize("change", [{"resume": False}, {"lr": 1e-4}])
def test_another_training_starts_anew(change, base, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, Interrupting(8))
    said = Said()
    trained = run(base, tmp_path, said, **change)
    assert not any("goes on" in line for line in said.lines)
    assert [path.name for path in Path(trained.adapter).parent.iterdir()] == ["base+sami@0"]


def test_an_epoch_holds_every_contrast_once_and_each_step_by_length():
    lengths = [9, 1, 8, 2, 7, 3, 6, 4, 5, 0]
    order = ByStep(lengths, a_step=4, seed=0)
    first, second = list(order), list(order)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    for epoch in (first, second):
        for step in (epoch[:4], epoch[4:8], epoch[8:]):
            of = [lengths[i] for i in step]
            assert of == sorted(of)
    order.set_epoch(0)
    assert list(order) == first


def test_which_contrasts_make_a_step_is_independent_of_their_lengths():
    plain, sorted_ = ByStep([1] * 12, 4, seed=5), ByStep(list(range(12)), 4, seed=5)
    steps = [[set(order[i : i + 4]) for i in (0, 4, 8)] for order in (list(plain), list(sorted_))]
    assert steps[0] == steps[1]


SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path
from sami_eval.align import chain
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from tests.align_models import CONTRASTS
if __name__ == "__main__":
    base = Model("base", sys.argv[1], fingerprint="tiny")
    setup = chain.Setup(base, Path(sys.argv[2]), 0, "embedded", silent())
    chain.align("base+sami", CONTRASTS * 4, setup, None, json.loads(sys.argv[3]))
"""


def command(base, adapters, changes, *launcher):
    script = adapters.parent / "train.py"
    script.write_text(SCRIPT)
    return [sys.executable, *launcher, str(script), base.base, str(adapters), json.dumps(changes)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["sft", "sft+dpo", "base+sami"])
def test_a_killed_training_ends_in_the_same_weights(recipe, base, tmp_path):
    chosen = options(200) | {"keep_checkpoints": 4}

    def begin(name):
        setup = setup_of(base, tmp_path / name, silent())
        return Started(tmp_path, chain.align, recipe, CONTRASTS * 4, setup, None, chosen)

    assert begin("whole").wait() == 0
    for _ in range(2):
        process, seen = begin("cut"), there(tmp_path / "cut", "**/step-*")
        while there(tmp_path / "cut", "**/step-*") <= seen:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.15))  # anywhere between two checkpoints
        process.kill()
        process.wait()
    assert begin("cut").wait() == 0
    adapters = [next((tmp_path / name).rglob(f"{recipe}@0")) for name in ("whole", "cut")]
    models = [replace(base, adapter=str(adapter)) for adapter in adapters]
    assert same(*models)
    assert losses(models[0]) == losses(models[1])
    kept, again = map(steps.of, adapters)
    assert list(kept) == list(again) == [50, 100, 150, 200]
    for step, folder in kept.items():
        assert same(*(replace(base, adapter=str(one)) for one in (folder, again[step])))


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(base, tmp_path):
    chosen = {"steps": 20, "max_fall": 10.0, "lr": 5e-3, "rank": 4}
    # `--cpu` would start one process; without a GPU accelerate's other launcher uses gloo.
    launch = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    launch = (*launch, "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    launch = (*launch, "--main_process_port", "0")
    alone = command(base, tmp_path / "one", {**chosen, "batch_size": 4})
    subprocess.run(alone, env=ENVIRONMENT, check=True)
    together = command(base, tmp_path / "two", {**chosen, "batch_size": 2}, *launch)
    subprocess.run(together, env={**ENVIRONMENT, "ACCELERATE_USE_CPU": "true"}, check=True)
    adapters = [next((tmp_path / name).rglob("base+sami@0")) for name in ("one", "two")]
    one, two = (losses(replace(base, adapter=str(adapter))) for adapter in adapters)
    assert [step for step, _ in two] == list(range(1, 21))
    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], abs=1e-4)
