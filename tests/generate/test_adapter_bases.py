"""Which base an adapter stands on: the one it names, or the one named in its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import find_config
from sami_eval.core.errors import UsageError
from sami_eval.generate.models import resolve, resolve_base
from tests.adapter_kinds import CONFIG, WEIGHTS

COMMIT, EARLIER = "a" * 40, "b" * 40


def base_in(folder: Path, weights: bytes = b"weights", **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, **config}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def adapter_of(
    base: str | Path, folder: Path, card: dict[str, object] | None = None, **config: object
) -> Path:
    folder.mkdir(parents=True)
    said = {"base_model_name_or_path": str(base), "peft_type": "LORA", "r": 8, **config}
    (folder / CONFIG).write_text(json.dumps(said))
    (folder / WEIGHTS).write_bytes(b"lora")
    if card is not None:
        known = {"schema": "sami-eval/adapter/1", "base": card}
        (folder / "sami_eval.json").write_text(json.dumps(known))
    return folder


def cached(hub: Path, repo: str, commit: str, main: bool = True) -> Path:
    """A snapshot in the hub's cache; without `main` as a download of one commit leaves it."""
    place = hub / f"models--{repo.replace('/', '--')}"
    if main:
        (place / "refs").mkdir(parents=True, exist_ok=True)
        (place / "refs" / "main").write_text(commit)
    return base_in(place / "snapshots" / commit)


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    return folder


@pytest.mark.parametrize(
    "name", ["/home/someone/base", "../elsewhere/base", "someone/base", "unsloth/base-bnb-4bit", ""]
)
def test_a_base_that_is_not_here_is_asked_for_and_then_taken(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, base = adapter_of(name, folder / "mine"), base_in(folder / "base")
    with pytest.raises(UsageError) as caught:
        resolve(str(adapter), config=find_config(folder))
    assert "--base" in caught.value.hint
    model = resolve(str(adapter), str(base), config=find_config(folder))[0]
    assert model.base == str(base)
    said = capsys.readouterr().err
    assert said.startswith("warning: adapter `")
    assert said.count("\n") == 1
    assert f"`{base}` stands in for it, and shapes alone decide whether it fits" in said


def test_a_snapshot_of_the_cache_is_named_by_the_hint_and_taken_without_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = cached(folder / "hub", "some/llama", COMMIT, main=False)
    adapter = adapter_of("some/llama", folder / "mine")
    with pytest.raises(UsageError, match="which is not here") as caught:
        resolve(str(adapter), config=find_config(folder))
    assert caught.value.hint.endswith(f"--base {snapshot}")
    assert resolve(str(adapter), str(snapshot), config=find_config(folder))[0].base == str(snapshot)
    assert capsys.readouterr().err == ""


def test_a_hub_base_is_pinned_to_the_revision_the_adapter_states(folder: Path) -> None:
    cached(folder / "hub", "some/llama", COMMIT)
    cached(folder / "hub", "some/llama", EARLIER, main=False)
    adapter = adapter_of("some/llama", folder / "mine", revision=EARLIER)
    for base in (None, "some/llama"):
        model = resolve(str(adapter), base, config=find_config(folder))[0]
        assert (model.base, model.revision) == ("some/llama", EARLIER)


def test_a_twin_of_another_name_stands_in_for_a_base_that_is_here_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached(folder / "hub", "unsloth/llama-bnb-4bit", COMMIT)
    cached(folder / "hub", "some/llama", EARLIER)
    card = {"id": "unsloth/llama-bnb-4bit", "revision": COMMIT, "fingerprint": "x"}
    for i, known in enumerate((None, card)):
        adapter = adapter_of("unsloth/llama-bnb-4bit", folder / f"mine{i}", known)
        model = resolve(str(adapter), "some/llama", config=find_config(folder))[0]
        assert model.base == "some/llama"
        assert "stands in for it" in capsys.readouterr().err


def test_a_quantised_folder_has_its_plain_twin(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    four_bits = base_in(folder / "four", b"4", quantization_config={"load_in_4bit": True})
    adapter = adapter_of(four_bits, folder / "mine")
    plain = base_in(folder / "plain")
    assert resolve(str(adapter), str(plain), config=find_config(folder))[0].base == str(plain)
    assert "stands in for it" in capsys.readouterr().err


def test_a_base_trained_on_by_commit_may_lie_in_a_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached(folder / "hub", "some/llama", COMMIT)
    known = resolve_base("some/llama", find_config(folder))
    card = {"id": "some/llama", "revision": COMMIT, "fingerprint": known.fingerprint}
    adapter = adapter_of("some/llama", folder / "mine", card)
    copy = base_in(folder / "copy")
    assert resolve(str(adapter), str(copy), config=find_config(folder))[0].base == str(copy)
    assert "warning" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["gone", "here"])
def test_what_is_known_to_be_another_base_is_refused_with_a_way_out(
    own: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_on = base_in(folder / "first")
    known = resolve_base(str(trained_on), find_config(folder))
    card = {"id": str(trained_on), "fingerprint": known.fingerprint}
    adapter = adapter_of(trained_on, folder / "mine", card)
    other = base_in(folder / "other", b"other weights")
    if own == "gone":
        shutil.rmtree(trained_on)
    with pytest.raises(UsageError, match=r"was trained on .*first`, not on `.*other`") as caught:
        resolve(str(adapter), str(other), config=find_config(folder))
    if own == "here":
        assert caught.value.hint == "leave --base out"
        assert resolve(str(adapter), config=find_config(folder))[0].base == str(trained_on)
        return
    (adapter / "sami_eval.json").unlink()  # as the hint says
    assert "sami_eval.json away and give --base" in caught.value.hint
    assert resolve(str(adapter), str(other), config=find_config(folder))[0].base == str(other)


def test_a_default_base_of_the_file_is_none_that_was_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = base_in(folder / "one"), base_in(folder / "two", b"2")
    (folder / "sami-eval.toml").write_text(f'base = "{two}"\n')
    at_home, gone = adapter_of(one, folder / "mine"), adapter_of("/gone", folder / "gone")
    config = find_config(folder)
    assert resolve(str(at_home), str(two), config=config)[0].base == str(one)
    assert capsys.readouterr().err == ""
    assert resolve(str(gone), str(two), config=config)[0].base == str(two)
    assert "stands in" in capsys.readouterr().err


def test_a_named_adapters_base_lies_beside_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_in(folder / "models" / "llama")
    adapter_of("/gone/llama", folder / "out" / "mine")
    (folder / "sami-eval.toml").write_text(
        '[models.best]\nbase = "models/llama"\nadapter = "out/mine"\n'
    )
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    model = resolve("best", config=find_config(Path.cwd()))[0]
    assert (model.name, model.base) == ("best", str(base))


def test_a_named_adapter_keeps_its_revision(folder: Path) -> None:
    cached(folder / "hub", "some/llama", COMMIT)
    cached(folder / "hub", "some/llama", EARLIER, main=False)
    adapter_of("some/llama", folder / "mine")
    (folder / "sami-eval.toml").write_text(
        f'[models.with]\nbase = "some/llama"\nadapter = "mine"\nrevision = "{EARLIER}"\n'
        f'[models.without]\nadapter = "mine"\nrevision = "{EARLIER}"\n'
    )
    for name in ("with", "without"):
        model = resolve(name, config=find_config(folder))[0]
        assert (model.base, model.revision) == ("some/llama", EARLIER)


def test_a_name_may_be_that_of_its_own_base(folder: Path) -> None:
    cached(folder / "hub", "llama", COMMIT)
    adapter_of("llama", folder / "mine")
    for row in ('base = "llama"\nadapter = "mine"\n', 'adapter = "mine"\n', 'base = "llama"\n'):
        (folder / "sami-eval.toml").write_text(f"[models.llama]\n{row}")
        model = resolve("llama", config=find_config(folder))[0]
        assert (model.name, model.base, model.revision) == ("llama", "llama", COMMIT)
        assert (model.adapter is None) == ("adapter" not in row)


def test_a_named_adapter_may_stand_on_another_name(folder: Path) -> None:
    base = base_in(folder / "base")
    adapter_of("/gone", folder / "mine")
    (folder / "sami-eval.toml").write_text(
        '[models.llama]\nbase = "base"\n[models.best]\nbase = "llama"\nadapter = "mine"\n'
    )
    assert resolve("best", config=find_config(folder))[0].base == str(base)


def test_a_named_folder_of_checkpoints_is_one_line_with_the_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter_of("/gone", folder / "out" / "checkpoint-7")
    (folder / "sami-eval.toml").write_text('[models.best]\nadapter = "out"\n')
    assert cli.run(["compare", "best", "base"]) == 2
    said = capsys.readouterr().err
    assert "checkpoint-7" in said
    assert "sami-eval.toml" in said
