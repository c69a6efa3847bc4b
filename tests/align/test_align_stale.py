"""An adapter that its recipe would no longer give is warned of, or trained again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sami_eval import cli, embedded
from sami_eval.align import chain, options
from sami_eval.core.types import Model
from sami_eval.data.contrasts import contrasts_to_jsonl
from sami_eval.generate import card
from tests.align_models import CONTRASTS, Said

PRESETS = """
[default]
steps = 1
batch_size = 2
lr = {lr}
[default.sami]
max_fall = 10.0
[embedded]
steps = 1
lr = {lr}
[embedded.sami]
max_fall = 10.0
"""


@pytest.fixture
def setup(base: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> chain.Setup:
    monkeypatch.setattr(options, "PRESETS", tmp_path / "presets.toml")
    set_rate(1e-3)
    adapters = tmp_path / "adapters"
    (adapters / "tiny").mkdir(parents=True)
    (adapters / "tiny" / card.CONTRASTS).write_text(contrasts_to_jsonl(CONTRASTS))
    return chain.Setup(base, adapters, 0, None, Said())


def set_rate(lr: float) -> None:
    options.PRESETS.write_text(PRESETS.format(lr=lr))


def train(recipe: str, setup: chain.Setup, **changes: object) -> Model:
    return chain.align(recipe, CONTRASTS, setup, None, changes)


def look(recipe: str, setup: chain.Setup, may_train: bool = True) -> list[str]:
    """What is said when an adapter is asked for as `compare` does."""
    said = Said()
    asked = chain.Setup(setup.base, setup.adapters, 0, None, said)
    chain.ensure(recipe, lambda: CONTRASTS, asked, train=may_train)
    return list(said.lines)


def stamp(recipe: str, setup: chain.Setup) -> int:
    path = setup.adapters / "tiny" / f"{recipe}@0" / "adapter_model.safetensors"
    return path.stat().st_mtime_ns


def test_nothing_is_said_of_what_is_up_to_date(setup: chain.Setup) -> None:
    train("dpo", setup)
    assert look("dpo", setup) == []


def test_a_changed_preset_is_warned_of_with_the_command(setup: chain.Setup) -> None:
    model = train("sft", setup)
    before = stamp("sft", setup)
    set_rate(2e-3)
    for may_train in (True, False):
        warning, hint = look("sft", setup, may_train)
        assert warning == (
            f"warning: `{model.adapter}`: trained with lr 0.001, the preset now says 0.002"
        )
        assert hint == f"train it again: sami-eval align sft --base {setup.base.base}"
    assert stamp("sft", setup) == before


def test_an_option_the_user_chose_is_not_the_presets_to_change(setup: chain.Setup) -> None:
    train("sft", setup, lr=5e-4)
    set_rate(2e-3)
    assert look("sft", setup) == []
    train("base+dpo", setup, rank=2)  # chosen, but not the rate
    set_rate(3e-3)
    assert "trained with lr 0.002" in look("base+dpo", setup)[0]


def test_changed_contrasts_are_warned_of(setup: chain.Setup) -> None:
    train("sft", setup)
    path = setup.adapters / "tiny" / card.CONTRASTS
    path.write_text(contrasts_to_jsonl([*CONTRASTS[1:], CONTRASTS[0]]))
    assert f"`{path}` changed since" in look("sft", setup)[0]
    path.unlink()  # nothing to compare with
    assert look("sft", setup) == []


def test_contrasts_of_elsewhere_are_not_looked_for_beside_the_adapters(setup: chain.Setup) -> None:
    chain.align("sft", CONTRASTS[:3], setup, None, {})
    assert look("sft", setup) == []


def test_a_link_whose_earlier_link_was_trained_again_is_warned_of(setup: chain.Setup) -> None:
    model = train("dpo", setup)
    train("sft", setup, lr=4e-3)
    warning, hint = look("dpo", setup)
    assert warning == f"warning: `{model.adapter}`: its earlier link was trained again since"
    assert "sami-eval align sft+dpo --base" in hint
    assert look("sft", setup) == []


def test_adapters_of_the_embedded_base_are_trained_again_link_by_link(
    setup: chain.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "BASE_DIR", Path(setup.base.base))
    shutil.move(setup.adapters / "tiny", setup.adapters / "embedded")
    train("sami", setup)
    folders = [setup.adapters / "embedded" / name for name in ("sft@0", "sft+sami@0")]
    before = [card.weights_hash(folder) for folder in folders]
    set_rate(2e-3)
    assert look("sami", setup, may_train=False)[0].startswith("warning: ")
    said = look("sami", setup)
    kept = [line for line in said if "was trained otherwise" in line]
    assert len(kept) == 2
    assert [line.partition("`: ")[2] for line in said if line not in kept] == [
        "trained with lr 0.001, the preset now says 0.002",
        "its earlier link was trained again since",
    ]
    assert not any(line.startswith("warning") for line in said)
    after = [card.weights_hash(folder) for folder in folders]
    assert not set(before) & set(after)
    assert look("sami", setup) == []


def test_a_comparison_names_a_stale_contender(
    setup: chain.Setup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(setup.adapters.parent)
    asked = ["align", "sft", "--base", setup.base.base, "-q"]
    assert cli.run(asked) == 0
    set_rate(2e-3)
    Path("q.jsonl").write_text('{"question_id": 1, "category": "math", "turns": ["1+1?"]}\n')
    asked = ["compare", "sft", "base", "--base", setup.base.base, "--prompts", "q.jsonl"]
    assert cli.run([*asked, "--judge", "rules", "--max-tokens", "2"]) in (0, 1)
    assert "trained with lr 0.001, the preset now says 0.002" in capsys.readouterr().err
