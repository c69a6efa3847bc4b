"""One process at a time trains into a folder, whoever else sees it; neighbours keep theirs."""

from __future__ import annotations

import fcntl
import os
import platform
import threading
import time
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.align import align
from sami_eval.data.contrasts import contrasts_to_jsonl
from tests.align.test_align_resume import options
from tests.align_models import CONTRASTS, Interrupting, Said, same, there, weights
from tests.processes import Started, command


def fit(base, out, progress=None, **changes):
    changes = options() | changes
    said = progress or Said()
    return align(
        "base+sami", CONTRASTS, base, out=out, preset="embedded", changes=changes, progress=said
    )


@pytest.mark.parametrize("neighbour", ["llama-3.1", "llama-3.lock", "llama-3.unfinished", "[l]*"])
def test_an_out_folder_leaves_the_killed_training_of_its_neighbour_alone(neighbour, base, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(base, tmp_path / neighbour, Interrupting(8))
    fit(base, tmp_path / "llama-3", steps=2)
    said = Said()
    fit(base, tmp_path / neighbour, said)
    assert said.lines == ["training base+sami@0 goes on after step 5 of 12"]
    assert sorted(os.listdir(tmp_path)) == sorted(["llama-3", neighbour])


def test_two_trainings_of_one_folder_take_turns_and_train_once(base, tmp_path):
    both, models = [Said(), Said()], []
    threads = [
        threading.Thread(target=lambda said=said: models.append(fit(base, tmp_path / "a", said)))
        for said in both
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same(*models)
    assert os.listdir(tmp_path) == ["a"]


def test_another_training_of_the_folder_waits_and_then_replaces_it(base, tmp_path):
    first, second = Interrupting(10**9), Said()
    begun = threading.Event()
    first._advance = lambda n: begun.set() or time.sleep(0.2)
    trained = []
    one = threading.Thread(target=lambda: trained.append(fit(base, tmp_path / "a", first)))
    one.start()
    assert begun.wait(60)
    model = fit(base, tmp_path / "a", second, steps=3)
    one.join()
    assert second.lines[0] == f"waiting: another process trains `{tmp_path / 'a'}`"
    assert len((Path(model.adapter) / "training.jsonl").read_text().splitlines()) == 3


def test_what_stands_in_the_folder_is_back_after_a_kill_between_two_renames(base, tmp_path):
    model = fit(base, tmp_path / "a")
    before = weights(model)
    beside = tmp_path / ".a.unfinished"
    beside.mkdir()
    os.rename(tmp_path / "a", beside / "old")
    said = Said()
    with pytest.raises(KeyboardInterrupt):
        fit(base, tmp_path / "a", Interrupting(2), lr=1e-3)
    assert weights(model).keys() == before.keys()
    assert fit(base, tmp_path / "a", said).adapter == model.adapter
    assert said.lines == [f"base+sami is already trained on these contrasts: {tmp_path / 'a'}"]


def command_elsewhere(name, *words):
    """Another machine on one disk: another name, and kernel locks that it does not pass on."""
    platform.node = lambda: name
    fcntl.flock = lambda file, how: None
    command(*words)


def elsewhere(name, folder, base, *flags):
    file = folder / "contrasts.jsonl"
    file.write_text(contrasts_to_jsonl(CONTRASTS * 4))
    given = ["align", "base+sami", "--contrasts", str(file), "--base", base.base]
    given += ["--preset", "embedded", "--out", str(folder / "out"), "--kl", "1", *flags]
    return Started(folder, command_elsewhere, name, *given, err=True)


def wait_for(folder, pattern, process):
    while not there(folder, pattern):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
def test_a_training_on_another_machine_is_waited_for(base, tmp_path):
    steps = ("--steps", "400")
    a = elsewhere("node-a", tmp_path, base, *steps)
    wait_for(tmp_path, "**/step-*", a)
    b = elsewhere("node-b", tmp_path, base, *steps)
    out, said = b.communicate()
    a.communicate()
    assert (a.returncode, b.returncode) == (0, 0), said
    assert f"waiting: another process trains `{tmp_path / 'out'}`" in said
    assert "goes on" not in said
    assert out.strip() == str(tmp_path / "out")


@pytest.mark.slow
def test_a_training_killed_on_another_machine_is_taken_over_by_itself(base, tmp_path):
    steps = ("--steps", "400")
    a = elsewhere("node-a", tmp_path, base, *steps)
    wait_for(tmp_path, "**/step-*", a)
    a.kill()
    a.wait()
    b = elsewhere("node-b", tmp_path, base, *steps)
    _, said = b.communicate()
    assert b.returncode == 0, said
    assert "goes on after step" in said
    assert sorted(set(os.listdir(tmp_path)) - {".sami-eval"}) == ["contrasts.jsonl", "out"]


def test_a_folder_whose_name_is_too_long_is_one_line(base, tmp_path, capsys):
    file = tmp_path / "contrasts.jsonl"
    file.write_text(contrasts_to_jsonl(CONTRASTS))
    out = tmp_path / ("x" * 250)
    given = ["--contrasts", str(file), "--base", base.base, "--out", str(out), "--steps", "1"]
    assert cli.run(["align", "base+sami", *given]) == 1
    said, *errors = capsys.readouterr().err.splitlines()
    assert said.startswith("base+sami on ")
    assert errors[0].startswith("error: cannot write `")
