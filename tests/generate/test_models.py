from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import embedded
from sami_eval.align.chain import existing
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model, Response
from sami_eval.data.answers import write_answers
from sami_eval.generate.models import list_models, resolve, resolve_all, resolve_base


def fake_base(folder: Path, weights: bytes = b"weights") -> Path:
    """Files with the names of a model's; nothing here is ever loaded."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def fake_adapter(
    folder: Path,
    base: str | Path,
    weights: bytes = b"lora",
    card_base: Mapping[str, str] | None = None,
) -> Path:
    folder.mkdir(parents=True)
    stated = {"base_model_name_or_path": str(base), "r": 8, "lora_alpha": 16}
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    if card_base is not None:
        card = {"schema": "sami-eval/adapter/1", "base": card_base}
        (folder / "sami_eval.json").write_text(json.dumps(card))
    return folder


def trained(spec: str, base: Model) -> Model:
    """Stands in for training: every recipe exists."""
    return replace(base, name=spec, adapter=f"adapters/{spec}", fingerprint=f"{spec} on base")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return fake_base(tmp_path / "base")


def test_a_name_in_the_config_comes_first(tmp_path: Path, base: Path) -> None:
    config = Config(tmp_path, models={"sami": {"base": "base"}})
    model = resolve("sami", config=config)[0]
    assert (model.name, model.base, model.adapter) == ("sami", str(base), None)


def test_a_named_adapter_lies_beside_the_config(tmp_path: Path, base: Path) -> None:
    fake_adapter(tmp_path / "out" / "mine", base)
    config = Config(tmp_path, models={"best": {"adapter": "out/mine"}})
    model = resolve("best", config=config)[0]
    assert (model.name, model.adapter) == ("best", str(tmp_path / "out" / "mine"))


def test_a_named_server_keeps_its_address(tmp_path: Path) -> None:
    row = {"base": "openai:llama", "base_url": "http://localhost:1/v1"}
    model = resolve("local", config=Config(tmp_path, models={"local": row}), base_url="x")[0]
    assert (model.name, model.base, model.engine) == ("local", "llama", "openai")
    assert model.base_url == "http://localhost:1/v1"


def test_a_named_models_template_is_a_file_or_a_text(tmp_path: Path, base: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{{ messages }}")
    rows = {
        "file": {"base": "base", "chat_template": "chat.jinja"},
        "text": {"base": "base", "chat_template": "{{ other }}"},
    }
    models = resolve_all(["file", "text"], config=Config(tmp_path, models=rows))
    assert [model.chat_template for model in models] == ["{{ messages }}", "{{ other }}"]


def test_a_missing_template_file_is_named(tmp_path: Path, base: Path) -> None:
    rows = {"m": {"base": "base", "chat_template": "none.jinja"}}
    with pytest.raises(UsageError, match=r"none\.jinja"):
        resolve("m", config=Config(tmp_path, models=rows))


@pytest.mark.parametrize(
    ("spec", "names", "adapters"),
    [
        ("base", ["base"], [None]),
        ("sft", ["sft"], ["adapters/sft"]),
        ("sami", ["sft+sami"], ["adapters/sami"]),
        ("base+dpo", ["base+dpo"], ["adapters/base+dpo"]),
        ("sami@1,2", ["sft+sami@1", "sft+sami@2"], ["adapters/sami@1", "adapters/sami@2"]),
    ],
)
def test_a_recipe_is_an_adapter_a_seed(
    base: Path, config: Config, spec: str, names: list[str], adapters: list[str | None]
) -> None:
    models = resolve(spec, str(base), config=config, ensure=trained)
    assert [model.name for model in models] == names
    assert [model.adapter for model in models] == adapters
    assert {model.base for model in models} == {str(base)}


def test_a_missing_recipe_names_the_align_command(base: Path, config: Config) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("dpo", str(base), config=config, ensure=existing(config))
    assert "sami-eval align" in caught.value.hint


def test_a_recipe_comes_before_a_folder_of_its_name(
    base: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake_base(tmp_path / "sft")
    assert resolve("sft", str(base), config=config, ensure=trained)[0].adapter == "adapters/sft"
    assert resolve("./sft", config=config)[0].base == "sft"


def test_the_base_has_no_seeds(base: Path, config: Config) -> None:
    with pytest.raises(UsageError, match="has no seeds"):
        resolve("base@1", str(base), config=config)


def test_an_adapter_folder_brings_its_base(tmp_path: Path, base: Path, config: Config) -> None:
    model = resolve(str(fake_adapter(tmp_path / "mine", base)), config=config)[0]
    assert (model.name, model.base) == ("mine", str(base))
    assert model.adapter == str(tmp_path / "mine")


def test_the_same_adapter_elsewhere_has_the_same_fingerprint(
    tmp_path: Path, base: Path, config: Config
) -> None:
    one = fake_adapter(tmp_path / "one", base)
    shutil.copytree(one, tmp_path / "two")
    other = fake_adapter(tmp_path / "three", base, weights=b"other")
    models = resolve_all([str(one), str(tmp_path / "two"), str(other)], config=config)
    prints = [model.fingerprint for model in models]
    assert prints[0] == prints[1] != prints[2]


def test_changed_weights_change_the_fingerprint(base: Path, config: Config) -> None:
    before = resolve(str(base), config=config)[0].fingerprint
    (base / "README.md").write_text("a card changes nothing")
    assert resolve(str(base), config=config)[0].fingerprint == before
    (base / "model.safetensors").write_bytes(b"longer weights")
    assert resolve(str(base), config=config)[0].fingerprint != before


def test_an_adapter_of_another_base_is_refused(tmp_path: Path, base: Path, config: Config) -> None:
    other = fake_base(tmp_path / "other", b"other weights")
    adapter = fake_adapter(tmp_path / "mine", other)
    with pytest.raises(UsageError, match=r"was trained on `.*other`, not on `.*base`"):
        resolve(str(adapter), str(base), config=config)
    assert resolve(str(adapter), str(other), config=config)[0].base == str(other)


def test_an_adapter_remembers_its_base_by_content(
    tmp_path: Path, base: Path, config: Config
) -> None:
    known = {"id": "somewhere/else", "fingerprint": resolve_base(str(base), config).fingerprint}
    adapter = fake_adapter(tmp_path / "mine", "somewhere/else", card_base=known)
    assert resolve(str(adapter), str(base), config=config)[0].base == str(base)
    (base / "model.safetensors").write_bytes(b"trained further")
    with pytest.raises(UsageError, match="was trained on"):
        resolve(str(adapter), str(base), config=config)


def test_a_base_whose_files_have_changed_is_told_from_another(
    tmp_path: Path, base: Path, config: Config
) -> None:
    known = {"id": str(base), "fingerprint": resolve_base(str(base), config).fingerprint}
    adapter = fake_adapter(tmp_path / "mine", str(base), card_base=known)
    (base / "model.safetensors").write_bytes(b"trained further")
    with pytest.raises(UsageError, match="whose files have changed since"):
        resolve(str(adapter), None, config=config)


@pytest.mark.skipif(not embedded.BASE_DIR.is_dir(), reason="the embedded base is not built")
def test_an_adapter_of_the_embedded_base_finds_it_wherever_it_lies(
    tmp_path: Path, config: Config
) -> None:
    known = {"id": "/moved", "fingerprint": resolve_base(None, config).fingerprint}
    adapter = fake_adapter(tmp_path / "mine", "/moved", card_base=known)
    assert resolve(str(adapter), config=config)[0].base == str(embedded.BASE_DIR)


def test_a_folder_without_a_model_is_refused(tmp_path: Path, config: Config) -> None:
    with pytest.raises(UsageError, match="holds no model"):
        resolve(str(tmp_path), config=config)


def test_a_server_model(config: Config) -> None:
    model = resolve("openai:gpt-4o", config=config, base_url="http://localhost:1/v1")[0]
    assert (model.name, model.engine, model.base) == ("gpt-4o", "openai", "gpt-4o")
    assert model.fingerprint != resolve("openai:gpt-4o", config=config)[0].fingerprint
    with pytest.raises(UsageError, match="names no model"):
        resolve("openai:", config=config)


def test_a_record_is_a_model(tmp_path: Path, config: Config) -> None:
    write_answers(tmp_path / "r.jsonl", [Response("81", "sft", ("a",))])
    model = resolve(str(tmp_path / "r.jsonl"), config=config)[0]
    assert (model.name, model.engine) == ("sft", "recorded")


def test_the_same_name_twice_gets_a_number(base: Path, config: Config) -> None:
    models = resolve_all(["base", "base", "base"], str(base), config=config)
    assert [model.name for model in models] == ["base", "base (2)", "base (3)"]
    assert len({model.fingerprint for model in models}) == 1


@pytest.mark.parametrize("spec", ["samy", "nobody/nothing", "a b", "x/y/z"])
def test_an_unknown_model_says_what_was_tried(config: Config, spec: str) -> None:
    with pytest.raises(UsageError, match=f"unknown model `{spec}`") as caught:
        resolve(spec, config=config)
    assert "hub id" in caught.value.hint
    assert ("did you mean `sami`" in caught.value.hint) == (spec == "samy")


@pytest.mark.parametrize("spec", ["none.jsonl", "/nope", "~/nope", "../nope/none"])
def test_a_path_that_is_not_there_is_said_to_be_none(config: Config, spec: str) -> None:
    with pytest.raises(UsageError, match=f"no folder and no file `{spec}`"):
        resolve(spec, config=config)


def test_a_hub_model_of_the_local_cache_is_pinned(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "a" * 40
    repo = tmp_path / "hub" / "models--some--llama"
    fake_base(repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = resolve("some/llama", config=config)[0]
    assert (model.name, model.base, model.revision) == ("some/llama", "some/llama", commit)
    assert model.fingerprint == resolve(f"some/llama@{commit}", config=config)[0].fingerprint


@pytest.mark.parametrize("spec", ["openai:gpt-4o", "adapter"])
def test_a_base_must_be_a_plain_model(
    tmp_path: Path, base: Path, config: Config, spec: str
) -> None:
    fake_adapter(tmp_path / "adapter", base)
    spec = spec if ":" in spec else str(tmp_path / spec)
    with pytest.raises(UsageError):
        resolve_base(spec, config)


def test_the_list_shows_names_recipes_and_trained_adapters(tmp_path: Path) -> None:
    config = Config(tmp_path, models={"mine": {"base": "some/llama"}})
    fake_adapter(tmp_path / "adapters" / "llama" / "sft@0", "some/llama")
    names = [listed.name for listed in list_models(config)]
    assert names[0] == "mine"
    assert {"base", "sft", "dpo", "sami", "adapters/llama/sft@0"} <= {*names}


def training(folder: Path, base: Path, steps: Sequence[int]) -> Path:
    """A training's folder as transformers' Trainer leaves it, with its last adapter at its top."""
    for step in steps:
        fake_adapter(folder / f"checkpoint-{step}", base, str(step).encode())
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(folder / f"checkpoint-{steps[-1]}" / name, folder / name)
    return folder


def test_all_checkpoints_of_a_folder_come_in_the_order_of_their_steps(
    tmp_path: Path, base: Path
) -> None:
    folder = training(tmp_path / "run", base, [5, 10, 100])
    (folder / "checkpoint-7").mkdir()  # without an adapter in it
    config = Config(tmp_path, models={"mine": {"adapter": "run"}})
    for spec in (f"{folder}:all", "mine:all"):
        found = resolve(spec, config=config)
        name = "mine" if spec == "mine:all" else "run"
        assert [(one.name, one.step) for one in found] == [
            (f"{name}:{step}", step) for step in (5, 10, 100)
        ]
    (one,) = resolve(f"{folder}:10", config=config)
    assert one.adapter == str(folder / "checkpoint-10")
    (folder / "adapter_model.safetensors").write_bytes(b"the best of some other step")
    assert [one.name for one in resolve(f"{folder}:all", config=config)][-1] == "run"
    twice = resolve_all([f"{folder}:5", f"{folder}:5"], config=config)
    assert [one.name for one in twice] == ["run:5", "run (2):5"]


def test_checkpoints_of_a_recipe_stand_on_its_base(base: Path, config: Config) -> None:
    folder = training(config.root / "adapters" / "sami@1", base, [2, 4])

    def there(spec: str, ground: Model) -> Model:
        (at,) = resolve(str(folder), config=config)
        return replace(at, name=spec, base=ground.base)

    found = resolve("sami@1:all", str(base), config=config, kept=there)
    assert [one.name for one in found] == ["sft+sami@1:2", "sft+sami@1:4"]
    assert found[-1].fingerprint == resolve(str(folder), config=config)[0].fingerprint


@pytest.mark.parametrize(
    ("spec", "says", "hint"),
    [
        ("run:7", "`run` keeps no step `7`", "kept: 5, 10; or run:all"),
        ("bare:all", "no checkpoint of `bare` is kept in", "checkpoint-STEP"),
        ("sami:all", "no adapter", "sami-eval align sami --keep-checkpoints 10"),
        ("sami@2,1:4", "no adapter", "sami-eval align sami@2 --keep-checkpoints 10"),
        ("zzz:all", "unknown model `zzz:all`", "no recipe"),
        ("plain:all", "unknown model `plain:all`", "no recipe"),
    ],
)
def test_a_checkpoint_that_is_not_kept_is_one_line(
    tmp_path: Path,
    base: Path,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    says: str,
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    training(tmp_path / "run", base, [5, 10])
    fake_adapter(tmp_path / "bare", base)
    config = replace(config, models={"plain": {"base": str(base)}})
    with pytest.raises(UsageError) as caught:
        resolve(spec, config=config, kept=existing(config))
    assert says in caught.value.message
    assert hint in caught.value.hint
