"""What a GPU computes otherwise than a CPU: half precision, its own kernels, its own memory.

Skipped without one. A GPU at hand: `pytest -m slow tests/align/test_cuda.py`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sami_eval import embedded
from sami_eval.align import find_methods, load_method
from sami_eval.align.options import preset
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.progress import silent
from sami_eval.core.types import Contrast, Model
from sami_eval.data import chat
from sami_eval.generate.formats import format_of
from sami_eval.generate.hf import HfEngine
from tests.align.test_align_exact import (
    FAMILIES,
    LIMITS,
    PAD,
    contrasts,
    distance,
    fast_objective,
    network,
    with_lora,
)
from tests.embedded_contrasts import base as embedded_base
from tests.embedded_contrasts import write
from tests.plain_sami import plain_objective

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
METHODS = ("sft", "dpo", "sami")
# To what share the loss falls in 20 steps. SAMI's is still near log 2 then.
FALLS_TO = {"sft": 0.97, "dpo": 0.97, "sami": 0.99}


def fast(model, encoded, share):  # type: ignore[no-untyped-def]
    return fast_objective(model, encoded, kl=0.1, share=share)


def plain(model, encoded):  # type: ignore[no-untyped-def]
    return plain_objective(model, encoded, PAD, 0.1, reference=model.disable_adapter)


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*fan_in_fan_out:UserWarning")
def test_loss_and_gradients_are_the_plain_ones(  # type: ignore[no-untyped-def]
    family: str, n: int, share: bool, dtype, limit: float
) -> None:
    model, encoded = with_lora(network(family, dtype)).to("cuda"), contrasts(n)
    off = distance(model, lambda: fast(model, encoded, share), lambda: plain(model, encoded))
    assert off < limit


@pytest.mark.parametrize("share", [True, False])
def test_half_precision_is_off_by_its_rounding_alone(share: bool) -> None:
    model, encoded = with_lora(network("llama")).to("cuda"), contrasts(3)

    def half():  # type: ignore[no-untyped-def]
        with torch.autocast("cuda", torch.bfloat16):
            return fast(model, encoded, share)

    assert 1e-6 < distance(model, half, lambda: plain(model, encoded)) < 0.1


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Contrast]:
    return write(tmp_path_factory.mktemp("contrasts"), "alignment", 64)


def fit(
    method: str, base: Model, written: list[Contrast], out: Path, **changes: object
) -> list[float]:
    """The losses of 20 steps, on the GPU unless told otherwise."""
    out.mkdir()
    options = replace(preset("embedded", method), steps=20, **{"device": "auto", **changes})  # type: ignore[arg-type]
    file = find_methods(Path("none"))[method]
    load_method(file).train(written, base, options, out, silent())
    lines = (out / "training.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_in_half_precision_what_it_learns_on_a_cpu(
    method: str, written: list[Contrast], tmp_path: Path
) -> None:
    base = embedded_base()
    wanted = fit(method, base, written, tmp_path / "cpu", device="cpu")
    kept = fit(method, base, written, tmp_path / "kept")
    recomputed = fit(method, base, written, tmp_path / "recomputed", checkpointing=True)
    assert sum(kept[-5:]) < FALLS_TO[method] * sum(kept[:5])
    assert kept == pytest.approx(wanted, rel=0.1, abs=0.05)
    assert kept == pytest.approx(recomputed, rel=0.01, abs=0.005)


@pytest.mark.parametrize("method", METHODS)
def test_a_base_in_4_bits_trains(method: str, written: list[Contrast], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    found = fit(method, embedded_base(), written, tmp_path / "out", qlora=True)
    assert sum(found[-5:]) < FALLS_TO[method] * sum(found[:5])


@pytest.mark.parametrize("method", METHODS)
def test_all_weights_train(method: str, written: list[Contrast], tmp_path: Path) -> None:
    found = fit(method, embedded_base(), written, tmp_path / "out", full=True, lr=1e-4)
    assert sum(found[-5:]) < FALLS_TO[method] * sum(found[:5])


def test_a_gpu_says_what_a_cpu_says(tmp_path: Path) -> None:
    base, asked = embedded_base(), [one.turns[0] for one in embedded.prompts("evaluation")[:40]]
    gpu = said(HfEngine(base, {"dtype": "float32"}), base, asked)
    cpu = said(HfEngine(base, {"device": "cpu"}), base, asked)
    same = sum(a == b for a, b in zip(gpu, cpu, strict=True))
    assert same >= 0.95 * len(asked)


def said(engine: HfEngine, model: Model, asked: list[str]) -> list[str]:
    tokenizer = format_of(model).tokenizer
    conversations = [chat.conversation((text,), ()) for text in asked]
    requests = [
        Request(model, one, chat.render(tokenizer, one), Sampling(max_tokens=40))
        for one in conversations
    ]
    found: dict[int, str] = {}
    engine.generate(requests, lambda done: found.update({i: one.text for i, one in done}))
    engine.close()
    return [found[i] for i in range(len(asked))]
