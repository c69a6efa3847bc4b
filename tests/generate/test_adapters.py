"""An adapter takes effect whole, as PEFT applies it, or the run ends with one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import silent
from sami_eval.core.types import Contrast, Model, Prompt, Response
from sami_eval.data.contrasts import contrasts_to_jsonl
from sami_eval.generate import GenerateSettings, format_of, plain_lora, respond
from sami_eval.generate.models import resolve_all
from sami_eval.ledger.store import Ledger
from tests.adapter_kinds import CONFIG, WEIGHTS, changed, made, peft_says, stated
from tests.tiny_llama import save_base
from tests.word_problems import write_problems

GREEDY = GenerateSettings(temperature=0.0, max_tokens=8)
PROMPTS = [Prompt("1", "math", ("Say something.",)), Prompt("2", "math", ("And again?",))]
TARGETS = ["q_proj", "v_proj", "down_proj"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def folder(folder: Path) -> Path:
    write_problems(folder / "q.jsonl", 2)
    return folder


def resolved(*specs: Path) -> list[Model]:
    return resolve_all([str(spec) for spec in specs], config=Config(Path.cwd()))


def answers(models: Sequence[Model], ledger: Path) -> list[tuple[int, ...]]:
    with Ledger(ledger) as open_ledger:
        said = respond(PROMPTS[:1], models, GREEDY, open_ledger, silent())
    return [said[model.name][0].token_ids[0] for model in models]


def right(model: Model) -> tuple[int, ...]:
    """PEFT's own greedy answer to the first prompt."""
    ids = format_of(model).render((("user", PROMPTS[0].turns[0]),))
    return peft_says(Path(model.base), Path(str(model.adapter)), list(ids))


def asked(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    code = cli.run([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def compared(
    capsys: pytest.CaptureFixture[str], base: Path, *adapters: str | Path
) -> tuple[int, str]:
    """Exit code and stderr of one sample a problem of the adapters and the base."""
    words = ("--prompts", "q.jsonl", "--engine", "hf", "--max-tokens", "4", "-q", "--no-greedy")
    asking = ("--k", "1", "--samples", "1", "--base", base)
    code, _, err = asked(capsys, "passk", "base", *asking, *words, *adapters)
    return code, err


def no_key(rows: dict[str, Any], part: str) -> dict[str, Any]:
    return {name: value for name, value in rows.items() if part not in name}


def renamed(rows: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_model.model.", "_model.model.wrapper."): rows[name] for name in rows}


def half_astray(rows: dict[str, Any]) -> dict[str, Any]:
    names = sorted(rows)[: len(rows) // 2]
    return {name: rows[name] * float("nan") if name in names else rows[name] for name in rows}


def resized(rows: dict[str, Any]) -> dict[str, Any]:
    import torch

    return {**rows, "base_model.model.model.embed_tokens.weight": torch.ones(300, 64)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, "28 of 28 weights fit nothing: `base_model.model.wrapper.model.layers.0"),
        (lambda rows: {}, "has no weights: 0 tensors"),
        (lambda rows: no_key(rows, "layers.1."), "14 of 28 weights that its settings"),
        (lambda rows: no_key(rows, "lora_B"), "14 of 28 weights that its settings"),
        (lambda rows: no_key(rows, "0.self_attn.q_proj.lora_A"), "1 of 28 weights that its"),
        (lambda rows: {**rows, "strange.weight": rows[min(rows)] + 1}, "1 of 29 weights fit"),
        (half_astray, "14 of 28 weights hold numbers that are not finite"),
        (resized, "embed_tokens.weight` is [300, 64] here and [259, 64] there"),
    ],
)
def test_an_adapter_that_does_not_fit_whole_is_an_error_and_not_the_base(
    change: Any, said: str, base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = changed(made(folder / "mine", base), change)
    code, err = compared(capsys, base, adapter)
    assert code == 2
    assert said in err
    assert str(adapter) in err
    assert err.count("error:") == err.count("hint:") == 1
    assert "Warning" not in err


def test_the_tenth_adapter_is_looked_at_as_the_first_is(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [made(folder / f"good{i}", base, r=1 + i) for i in range(9)]
    bad = changed(made(folder / "bad", base), lambda rows: no_key(rows, "layers.0.mlp"))
    code, err = compared(capsys, base, *good, bad)
    assert code == 2
    assert "6 of 28 weights that its settings name are missing" in err
    models = resolved(*good, made(folder / "tenth", base, r=16))
    assert answers(models, folder / "l.db") == [right(model) for model in models]


def test_an_adapter_of_a_base_of_another_size_is_refused_by_its_shapes(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    larger = save_base(folder / "larger", head_size=32)
    adapter = stated(made(folder / "mine", larger), base_model_name_or_path="/gone/base")
    code, err = compared(capsys, base, adapter)
    assert code == 2
    assert "weights are of another shape: `base_model.model." in err
    assert "is [128, 4] here and [64, 4] there" in err


def test_a_lora_is_told_to_be_plain_by_its_names_and_shapes_alone(base: Path, folder: Path) -> None:
    config = json.loads((base / "config.json").read_text())

    def plain(adapter: Path, base: Path = base) -> bool:
        return plain_lora.fits(config, str(base), None, adapter)

    good = made(folder / "good", base)
    assert plain(good)
    assert plain(made(folder / "two", base, target_modules=["q_proj", "mlp.down_proj"]))
    assert not plain(good, save_base(folder / "larger", head_size=32))
    for name, said in {
        "target_modules": [*TARGETS, "lm_head"],
        "layers_to_transform": [1],
        "modules_to_save": ["lm_head"],
        "lora_dropout": "much",
        "r": 5,
        "strange": 7,
    }.items():
        assert not plain(stated(shutil.copytree(good, folder / name), **{name: said}))
    for part in ("layers.1.", "lora_B", "layers.0.self_attn.q_proj.lora_A"):
        fewer = shutil.copytree(good, folder / f"no-{part}")
        assert not plain(changed(fewer, lambda rows, part=part: no_key(rows, part)))
    astray = changed(shutil.copytree(good, folder / "renamed"), renamed)
    assert not plain(astray)
    assert not plain_lora.fits({**config, "model_type": "mixtral"}, str(base), None, good)


def kinds() -> dict[str, Any]:
    """Adapters that PEFT makes, each its own kind of thing to get wrong."""
    import peft

    usual = {"task_type": "CAUSAL_LM", "target_modules": TARGETS}
    return {
        "dora": {"use_dora": True},
        "rslora": {"use_rslora": True},
        "ranks": {"rank_pattern": {"q_proj": 9, "layers.1.mlp.down_proj": 2}},
        "alphas": {"alpha_pattern": {"q_proj": 64}},
        "some layers": {"layers_to_transform": [1], "target_modules": TARGETS},
        "biases": {"bias": "all", "r": 6},
        "lora bias": {"lora_bias": True, "target_modules": TARGETS},
        "parameters": {
            "target_parameters": ["mlp.down_proj.weight"],
            "target_modules": ["q_proj"],
        },
        "embeddings": {"target_modules": [*TARGETS, "embed_tokens"]},
        "whole layers": {"modules_to_save": ["embed_tokens", "lm_head"]},
        "single tokens": {"trainable_token_indices": [70, 71, 80]},
        "ia3": peft.IA3Config(feedforward_modules=["down_proj"], **usual),
        "loha": peft.LoHaConfig(r=4, alpha=16, **usual),
        "lokr": peft.LoKrConfig(r=4, alpha=16, **usual),
        "vera": peft.VeraConfig(r=16, **usual),
        "adalora": peft.AdaLoraConfig(init_r=6, target_r=4, total_step=10, **usual),
        "oft": peft.OFTConfig(r=0, oft_block_size=16, **usual),
        "tokens": peft.TrainableTokensConfig(
            target_modules=["embed_tokens"], token_indices=[70, 71, 80], task_type="CAUSAL_LM"
        ),
    }


def of_kind(folder: Path, base: Path, kind: str) -> Path:
    """An adapter of one of the kinds."""
    config = kinds()[kind]
    if isinstance(config, dict):
        return made(folder, base, **config)
    return made(folder, base, config)


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_says_what_peft_says_beside_the_base_and_a_lora(
    kind: str, base: Path, folder: Path
) -> None:
    lora, one = made(folder / "lora", base), of_kind(folder / "one", base, kind)
    plain, *adapted = resolved(base, lora, one, lora)
    said = answers([plain, *adapted], folder / "l.db")
    assert said[1:] == [right(model) for model in adapted]
    assert len({*said}) == 3
    alone = answers([plain], folder / "alone.db")
    assert said[:1] == alone


def test_kinds_that_cannot_share_a_network_stand_beside_each_other(
    base: Path, folder: Path
) -> None:
    some = ("whole layers", "single tokens", "ia3", "loha", "biases")
    models = resolved(base, *(of_kind(folder / name, base, name) for name in some))
    said = answers(models, folder / "l.db")
    assert said[1:] == [right(model) for model in models[1:]]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ia3", "IA3, no LoRA"),
        ("whole layers", "modules_to_save"),
        ("single tokens", "trained tokens"),
        ("parameters", "a LoRA on bare parameters"),
        ("biases", "trained biases"),
        ("dora", "DoRA"),
    ],
)
def test_what_vllm_passes_over_is_refused_before_it_starts(
    kind: str, said: str, base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora, one = made(folder / "lora", base), of_kind(folder / "one", base, kind)
    code, err = compared(capsys, base, lora, one, "--engine", "vllm")
    assert code == 1
    assert f"error: vLLM cannot serve adapter `{one}`: {said}" in err
    assert "hint: use --engine hf" in err
    assert "starting vLLM" not in err


def test_vllm_is_not_asked_to_pass_over_embeddings_of_the_adapters_own(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def moved(rows: dict[str, Any]) -> dict[str, Any]:
        name = next(name for name in rows if name.endswith("embed_tokens.base_layer.weight"))
        return {**rows, name: rows[name] + 1}

    adapter = changed(of_kind(folder / "one", base, "embeddings"), moved)
    lora = made(folder / "lora", base)
    code, err = compared(capsys, base, adapter, "--engine", "vllm")
    assert code == 1
    assert "embed_tokens.base_layer.weight`, which is not its base's" in err
    models = resolved(base, adapter, lora)  # transformers lays them over a base of their own
    said = answers(models, folder / "l.db")
    assert said[1:] == [right(model) for model in models[1:]]
    assert said[0] == answers(models[:1], folder / "alone.db")[0]


def test_a_setting_of_a_later_peft_is_not_passed_over(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = stated(made(folder / "mine", base), use_tomorrows_scale=True, says_nothing=None)
    code, err = compared(capsys, base, adapter)
    assert code == 2
    assert "has the setting `use_tomorrows_scale`, which PEFT" in err
    assert "pip install -U peft" in err


def virtual() -> dict[str, Any]:
    import peft

    return {
        "PROMPT_TUNING": peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
        "PREFIX_TUNING": peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
        "P_TUNING": peft.PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    }


@pytest.mark.parametrize("kind", sorted(virtual()))
def test_a_kind_that_no_engine_applies_is_refused_by_its_name(
    kind: str, base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = compared(capsys, base, made(folder / "mine", base, virtual()[kind]))
    assert code == 2
    assert f"is of the kind `{kind}`, which neither engine applies" in err
    assert f"--> {folder / 'mine' / CONFIG}" in err


@pytest.mark.parametrize("kind", ["XLORA", "ADAPTION_PROMPT", "POLY", "CPT", "OF_TOMORROW"])
def test_a_kind_nobody_knows_here_is_refused_by_its_name(
    kind: str, base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = compared(capsys, base, stated(made(folder / "mine", base), peft_type=kind))
    assert (code, f"`{kind}`" in err) == (2, True)


def test_an_activated_lora_is_refused(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = made(folder / "mine", base, alora_invocation_tokens=[70, 71])
    code, err = compared(capsys, base, adapter)
    assert (code, "is activated LoRA (`alora_invocation_tokens`)" in err) == (2, True)


def test_an_adapters_settings_count_as_its_weights_do(base: Path, folder: Path) -> None:
    one = made(folder / "one", base, rank_pattern={"q_proj": 8})
    same, elsewhere = folder / "same", {"base_model_name_or_path": str(base.resolve())}
    shutil.copytree(one, same)
    order = json.loads((one / CONFIG).read_text())["target_modules"][::-1]
    stated(same, target_modules=order, inference_mode=False, **elsewhere)
    assert resolved(one)[0].fingerprint == resolved(same)[0].fingerprint
    prints = {resolved(one)[0].fingerprint}
    for i, edit in enumerate(
        ({"lora_alpha": 3}, {"alpha_pattern": {"q_proj": 4}}, {"use_rslora": True}, {"r": 5})
    ):
        shutil.copytree(one, folder / f"edited{i}")
        prints.add(resolved(stated(folder / f"edited{i}", **edit))[0].fingerprint)
    retrained = changed(one, lambda rows: {name: rows[name] * 2 for name in rows})
    prints.add(resolved(retrained)[0].fingerprint)
    assert len(prints) == 6


def test_an_adapter_edited_in_place_is_asked_anew(base: Path, folder: Path) -> None:
    adapter = made(folder / "mine", base)
    before = answers(resolved(adapter), folder / "l.db")
    stated(adapter, lora_alpha=-160)
    model = resolved(adapter)
    assert answers(model, folder / "l.db") == [right(model[0])] != before


def test_a_retrained_adapter_has_a_run_folder_of_its_own(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = made(folder / "mine", base)
    for n_folders in (1, 1):
        assert compared(capsys, base, adapter)[0] == 0
        assert len(list((folder / "runs").iterdir())) == n_folders
    changed(adapter, lambda rows: {name: rows[name] * 2 for name in rows})
    assert compared(capsys, base, adapter)[0] == 0
    assert len(list((folder / "runs").iterdir())) == 2
    stated(adapter, alpha_pattern={"q_proj": 2})
    assert compared(capsys, base, adapter)[0] == 0
    assert len(list((folder / "runs").iterdir())) == 3


def test_pickled_weights_are_read_where_they_are_plain_and_never_run(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file

    plain = made(folder / "plain", base)
    rows = load_file(plain / WEIGHTS)
    (plain / WEIGHTS).unlink()
    torch.save(rows, plain / "adapter_model.bin")
    models = resolved(base, plain)
    assert answers(models, folder / "l.db")[1] == right(models[1])
    cut = shutil.copytree(plain, folder / "cut")
    (cut / "adapter_model.bin").write_bytes((plain / "adapter_model.bin").read_bytes()[:500])
    code, err = compared(capsys, base, cut)
    assert code == 2
    assert "error: `adapter_model.bin` is cut off, or no PyTorch file" in err
    evil = shutil.copytree(plain, folder / "evil")
    torch.save({"weights": rows, "callable": print}, evil / "adapter_model.bin")
    code, err = compared(capsys, base, evil)
    assert code == 2
    assert "is pickled and holds more than plain tensors: it was not opened" in err
    assert "hint: ask whoever made it for adapter_model.safetensors" in err


def test_a_pickled_checkpoint_is_not_opened_either(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    copy = shutil.copytree(base, folder / "copy")
    (copy / "model.safetensors").unlink()
    torch.save({"weights": print}, copy / "pytorch_model.bin")
    code, err = compared(capsys, base, copy)
    assert code == 2
    assert "more than plain tensors: they were not opened" in err


def test_a_checkpoint_whose_weights_are_not_all_there_is_an_error(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(base, folder / "copy")
    rows = load_file(copy / "model.safetensors")
    save_file(
        {name: value for name, value in rows.items() if ".layers.1." not in name},
        copy / "model.safetensors",
        {"format": "pt"},
    )
    code, err = compared(capsys, base, copy)
    assert code == 2
    assert "weights of its network are not in its files: `model.layers.1." in err


def test_a_folder_of_checkpoints_names_the_last_one(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (50, 200, 100):
        made(folder / "out" / f"checkpoint-{step}", base)
    code, err = compared(capsys, base, folder / "out")
    assert code == 2
    assert f"`{folder / 'out'}` holds no model" in err
    assert f"hint: name the folder inside it: {folder / 'out' / 'checkpoint-200'}" in err
    assert "another of its 3" in err
    (folder / "runs").mkdir()
    shutil.move(folder / "out", folder / "runs" / "sft")
    code, err = compared(capsys, base, folder / "runs")
    assert (code, f"{folder / 'runs' / 'sft' / 'checkpoint-200'}" in err) == (2, True)


def without_tokenizer(base: Path, folder: Path) -> Path:
    copy = shutil.copytree(base, folder)
    for path in copy.glob("tokenizer*"):
        path.unlink()
    return copy


def test_a_checkpoint_without_tokenizer_says_what_to_do(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = without_tokenizer(base, folder / "merged")
    code, _, err = asked(capsys, "passk", copy, "--k", "1", "--prompts", "q.jsonl")
    assert code == 2
    assert f"error: `{copy}` has no tokenizer\n" in err
    assert "copy tokenizer.json, tokenizer_config.json" in err.partition("hint:")[2]


def test_a_checkpoint_without_tokenizer_has_that_of_the_base_that_is_named(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = without_tokenizer(base, folder / "merged")
    code, err = compared(capsys, base, copy)
    assert code == 0
    assert f"warning: `{copy}` has no tokenizer: that of `{base}` is used\n" in err
    plain, merged = resolve_all([str(base), str(copy)], str(base), config=Config(folder))
    said = answers([plain, merged], folder / "l.db")
    assert said[0] == said[1]
    stated(copy, "config.json", vocab_size=300)
    code, err = compared(capsys, base, copy)
    assert code == 2
    assert "is for 259 tokens, not 300" in err


def test_an_adapter_that_was_never_trained_is_said_to_change_nothing(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sami_eval.core.progress import terminal
    from sami_eval.generate import EngineChoice, Engines

    fresh = made(folder / "fresh", base, noise=0.0)
    with Engines(EngineChoice("hf"), terminal()) as engines:
        engines.check(resolved(fresh, fresh, made(folder / "good", base)))
    said = capsys.readouterr().err
    assert said.count(f"warning: adapter `{fresh}` changes nothing") == 1
    assert "good" not in said


@pytest.mark.parametrize(
    ("why", "facts"),
    [
        ("lora_alpha is 0", {"lora_alpha": 0}),
        ("lora_alpha is 1e-30", {"lora_alpha": 1e-30}),
        ("lora_alpha is 0", {"alpha_pattern": {"q_proj": 0, r"^model\.layers\..*": 0}}),
        ("one of the two factors is zero", {}),
    ],
)
def test_an_adapter_that_adds_nothing_is_said_to_change_nothing(
    base: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    why: str,
    facts: dict[str, object],
) -> None:
    made(folder / "a", base)
    stated(folder / "a", **facts)
    if not facts:
        changed(
            folder / "a", lambda rows: {k: v * 0 if "lora_A" in k else v for k, v in rows.items()}
        )
    words = ("--prompts", "q.jsonl", "--engine", "hf", "--max-tokens", "2", "--no-greedy")
    asking = ("--k", "1", "--samples", "1", "--base", base)
    code, _, err = asked(capsys, "passk", "base", *asking, *words, "a")
    assert code == 0
    assert "adapter `a` changes nothing: " in err
    assert why in err


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"lora_alpha": "16"}, ": `lora_alpha` is `'16'`, not a number"),
        ({"r": True}, ": `r` is `True`, not a whole number"),
        ({"r": 4.0}, ": `r` is `4.0`, not a whole number"),
        ({"peft_type": "lora"}, ": `peft_type` is `'lora'`, which PEFT cannot read"),
        ({"peft_type": None}, ": `peft_type` is `None`, which PEFT cannot read"),
        ({"alpha_pattern": {"q_proj": [1]}}, ": `alpha_pattern` is `[1]`, not a number"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused_with_its_value(
    base: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    facts: dict[str, object],
    fault: str,
) -> None:
    stated(made(folder / "a", base), **facts)
    code, err = compared(capsys, base, folder / "a")
    assert code == 2
    assert f"error: adapter `{folder / 'a'}`{fault}\n" in err
    assert f"--> {folder / 'a' / CONFIG}" in err


@pytest.mark.parametrize(
    "names",
    [
        ["adapter_model.pt"],
        ["adapter_model-00001-of-00002.safetensors", "adapter_model.safetensors.index.json"],
    ],
)
def test_weights_under_other_names_are_named(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    made(folder / "a", base)
    content = (folder / "a" / WEIGHTS).read_bytes()
    (folder / "a" / WEIGHTS).unlink()
    for name in names:
        (folder / "a" / name).write_bytes(content)
    code, err = compared(capsys, base, folder / "a")
    assert code == 2
    there = ", ".join(f"`{name}`" for name in names)
    assert f"no adapter weights in `{folder / 'a'}`: there is {there}\n" in err


def test_a_checkpoint_without_a_file_that_its_index_names_is_an_error(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file

    copy = shutil.copytree(base, folder / "copy")
    names = list(load_file(copy / "model.safetensors"))
    (copy / "model.safetensors").unlink()
    shard = "model-00001-of-00001.safetensors"
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, shard)}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    code, err = compared(capsys, base, copy)
    assert code == 2
    assert f"error: `{copy}` lacks `{shard}`, which its index names\n" in err


@pytest.mark.parametrize("template", ["hello", "{{ messages[0].role }}: "])
def test_a_template_that_leaves_the_question_out_is_an_error(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str], template: str
) -> None:
    copy = shutil.copytree(base, folder / "copy")
    (copy / "chat_template.jinja").write_text(template)
    code, err = compared(capsys, base, copy)
    assert code == 2
    assert "fails: it leaves out what is asked" in err


def with_code(folder: Path, base: Path, mark: Path) -> Path:
    """A model of a kind of its own, whose code leaves a mark where it runs."""
    copy = shutil.copytree(base, folder)
    config = json.loads((copy / "config.json").read_text())
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    config |= {"model_type": "own", "architectures": ["OwnModel"], "auto_map": names}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(
        "from pathlib import Path\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"Path({str(mark)!r}).touch()\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    return copy


def test_a_models_own_code_runs_only_where_it_is_allowed(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder / "code"))
    monkeypatch.syspath_prepend(str(folder / "code"))
    own, mark = with_code(folder / "own", base, folder / "mark"), folder / "mark"
    code, err = compared(capsys, base, own)
    assert code == 2
    assert f"`{own}` comes with code of its own, which does not run unasked" in err
    assert "--engine-arg trust_remote_code=true" in err
    assert not mark.exists()
    code, _ = compared(capsys, base, own, "--engine-arg", "trust_remote_code=true")
    assert (code, mark.exists()) == (0, True)


def test_training_runs_a_models_own_code_only_where_it_is_allowed(
    base: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder / "code"))
    monkeypatch.syspath_prepend(str(folder / "code"))
    own, mark = with_code(folder / "trained", base, folder / "mark"), folder / "mark"
    both = tuple(Response("1", "a", (text,)) for text in ("No.", "Well, no."))
    contrast = Contrast(PROMPTS[0], ("be short", "be long"), both)
    (folder / "c.jsonl").write_text(contrasts_to_jsonl([contrast]))
    words = ("align", "sft", "--base", own, "--contrasts", "c.jsonl", "--steps", "1", "-q")
    code, _, err = asked(capsys, *words)
    assert (code, mark.exists()) == (2, False)
    assert "comes with code of its own" in err
    code, _, err = asked(capsys, *words, "--engine-arg", "trust_remote_code=true")
    assert (code, mark.exists()) == (0, True), err


def test_training_goes_on_from_an_adapter_that_fits_or_not_at_all(base: Path, folder: Path) -> None:
    from sami_eval.align.options import preset
    from sami_eval.align.start import start

    options = preset("default", "sft", 0)
    good, bad = made(folder / "good", base), made(folder / "bad", base)
    start(resolved(good)[0], options)
    changed(bad, renamed)
    with pytest.raises(SamiEvalError, match="28 of 28 weights fit nothing"):
        start(resolved(bad)[0], options)
