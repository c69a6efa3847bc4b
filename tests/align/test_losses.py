"""`dpo.ipo`: which losses a method has, how a recipe names them, and what they train."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.align import find_methods, methods_in, with_loss
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.data.contrasts import contrasts_to_jsonl
from sami_eval.generate.losses import losses_of, terms
from sami_eval.generate.recipes import match, parse
from tests.align_models import CONTRASTS, fit, log

METHODS = find_methods(Path("none"))


def test_dpo_has_every_loss_of_the_installed_trl() -> None:
    from trl.trainer.dpo_config import DPOConfig

    documented = str(DPOConfig.__dataclass_fields__["loss_type"].metadata["help"])
    named = losses_of(METHODS["dpo"])
    assert named[0] == "sigmoid"
    assert {"ipo", "apo_zero", "robust", "sigmoid_norm"} <= {*named}
    assert all(f"`'{name}'`" in documented for name in named)
    assert documented.count("`'") == len(named)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("dpo.ipo", "sft+dpo.ipo"),
        ("sft+dpo.ipo@1,2", "sft+dpo.ipo"),
        ("base+dpo.ipo+sami", "base+dpo.ipo+sami"),
        ("dpo.sigmoid", "sft+dpo"),
        ("dpo.ipo=1", "sft+dpo.ipo"),
        ("dpo.sigmoid,sft=0.20", "sft+dpo.sigmoid,sft=0.2"),
    ],
)
def test_a_recipes_name_says_the_loss_unless_it_is_the_methods_own(spec: str, name: str) -> None:
    recipe = parse(spec, METHODS)
    assert recipe.name == name
    assert parse(name, METHODS).chain == recipe.chain


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("dpo.ipx", "method `dpo` has no loss `ipx`"),
        ("sft+dpo.", "method `dpo` has no loss ``"),
        ("sft.ipo", "method `sft` has one loss"),
        ("dpo.ipo,ipo", "names a loss twice"),
        ("dpo.ipo=x", "weight `x`"),
        ("dpo.ipo=-1", "weight `-1`"),
        ("dpo.ipo=nan", "weight `nan`"),
    ],
)
def test_a_loss_that_a_method_does_not_have_is_refused(spec: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        match(spec, METHODS)
    assert said in caught.value.message


def test_a_file_of_a_methods_name_is_no_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sami.gguf").touch()
    assert match("sami.gguf", METHODS) is None
    assert match("gpt2.ipo", METHODS) is None


def test_a_method_of_ones_own_declares_its_losses(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text('LOSSES = ("plain", "odd")\nraise SystemExit\n')
    spec, known = methods_in(f"base+{file}.odd@2", tmp_path)
    assert spec == "base+own.odd@2"
    assert parse(spec, known).name == "base+own.odd"
    assert parse("base+own.plain", known).name == "base+own"
    with pytest.raises(UsageError, match="takes one loss, not `odd,plain`"):
        parse("base+own.odd,plain", known)
    file.write_text('LOSSES = "trl/no_such_file.py"\n')
    with pytest.raises(UsageError, match=r"no file `trl/no_such_file\.py` is installed"):
        parse("base+own.odd", known)


def test_the_option_is_the_same_thing_as_the_name() -> None:
    assert with_loss("dpo@1", {"loss": "ipo", "lr": 1.0}) == ("dpo.ipo@1", {"lr": 1.0})
    assert with_loss("dpo.ipo", {"loss": None}) == ("dpo.ipo", {"loss": None})
    with pytest.raises(UsageError, match=r"`--loss hinge`, and `sft\+dpo.ipo` names a loss"):
        with_loss("sft+dpo.ipo", {"loss": "hinge"})
    assert terms("sigmoid,sft=0.2") == [("sigmoid", 1.0), ("sft", 0.2)]


def test_align_trains_the_loss_and_says_so_everywhere(
    base: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("contrasts.jsonl").write_text(contrasts_to_jsonl(CONTRASTS))
    given = ["align", "base+dpo", "--base", base.base, "--contrasts", "contrasts.jsonl", "-q"]
    quick = ["--steps", "1", "--rank", "4", "--batch-size", "2", "--accumulation", "1"]
    assert cli.run([*given, *quick, "--loss", "ipo", "--beta", "0.5"]) == 0
    out = Path(capsys.readouterr().out.strip())
    assert out.name == "base+dpo.ipo@0"
    card = json.loads((out / "sami_eval.json").read_text())
    assert (card["recipe"], card["chain"]) == ("base+dpo.ipo", ["dpo.ipo"])
    assert card["options"]["loss"] == "ipo"
    # Policy and reference are equal at the first step: (0 - 1 / (2 beta))^2.
    assert log(out)[0]["loss"] == pytest.approx(1.0, abs=1e-5)
    assert cli.run([*given, *quick, "--loss", "ipx"]) == 2
    error = capsys.readouterr().err
    assert "error: method `dpo` has no loss `ipx`" in error
    assert "hint: losses: sigmoid, hinge, ipo" in error
    assert cli.run(["align", "base+sft", *given[2:], "--loss", "ipo"]) == 2
    assert "method `sft` has one loss" in capsys.readouterr().err


def test_losses_add_up_by_their_weights(base: Model, tmp_path: Path) -> None:
    one = {"steps": 1, "batch_size": 6}
    own = log(fit("sft", base, tmp_path / "sft", **one))[0]["loss"]
    both = log(fit("dpo", base, tmp_path / "dpo", loss="sigmoid,sft=0.2", **one))[0]["loss"]
    assert both == pytest.approx(math.log(2) + 0.2 * own, rel=1e-4)
