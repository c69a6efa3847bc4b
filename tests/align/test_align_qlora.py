"""A LoRA on a base in 4 bits is the LoRA on the same base with its weights rounded that way."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from tests.align_models import fit, losses, save_base, weights

HAS_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None
needs_bitsandbytes = pytest.mark.skipif(
    not HAS_BITSANDBYTES, reason="bitsandbytes is not installed"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    # 4-bit blocks are of 64 weights.
    return save_base(tmp_path_factory.mktemp("models") / "wide", width=128)


@pytest.fixture(scope="module")
def rounded(base: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The base with every weight that is quantised put back as the number it stands for."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(base.base)
    head = network.get_output_embeddings()
    for module in network.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            bits, state = quantize_4bit(
                module.weight.data, quant_type="nf4", compress_statistics=True
            )
            module.weight.data = dequantize_4bit(bits, state)
    folder = tmp_path_factory.mktemp("models") / "rounded"
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base.base).save_pretrained(folder)
    return replace(base, base=str(folder))


@needs_bitsandbytes
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_training_in_4_bits_is_training_on_the_rounded_base(
    method: str, checkpointing: bool, base: Model, rounded: Model, tmp_path: Path
) -> None:
    quantised = fit(method, base, tmp_path / "q", qlora=True, steps=6, checkpointing=checkpointing)
    plain = fit(method, rounded, tmp_path / "p", steps=6)
    assert losses(quantised) == pytest.approx(losses(plain), rel=2e-3)
    unrounded = fit(method, base, tmp_path / "u", steps=6)
    assert losses(quantised) != pytest.approx(losses(unrounded), rel=2e-3)
    assert weights(quantised).keys() == weights(plain).keys()


@needs_bitsandbytes
def test_a_link_in_4_bits_goes_on_from_the_one_before(base: Model, tmp_path: Path) -> None:
    sft = fit("sft", base, tmp_path / "sft", qlora=True)
    first = losses(fit("dpo", sft, tmp_path / "dpo", qlora=True))[0]
    assert first == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.skipif(HAS_BITSANDBYTES, reason="bitsandbytes is installed")
def test_without_bitsandbytes_4_bits_are_refused(base: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`--qlora` needs bitsandbytes") as caught:
        fit("sft", base, tmp_path / "out", qlora=True)
    assert "pip install bitsandbytes" in caught.value.hint
