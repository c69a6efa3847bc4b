"""A real chat model and two adapters of it in one vLLM engine, beside PEFT's own answers."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import pytest

from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import find_config
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.generate.models import resolve_all
from sami_eval.generate.vllm import CPUINFO, has_bfloat16
from sami_eval.ledger.store import Ledger
from tests.align_models import Said
from tests.real_model import HERE, NAME, by_peft, furnish, save_adapter

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.skipif(not HERE, reason="no .models: make test-real sets it up"),
    pytest.mark.filterwarnings("ignore"),
]
N_TOKENS = 10
TEXTS = ("Name a colour.", "What is the capital of France?", "Greet me.")


def test_two_adapters_in_one_engine_say_what_peft_says(tmp_path: Path) -> None:
    furnish(tmp_path)
    folders = [save_adapter(tmp_path / f"adapter{seed}", seed) for seed in (1, 2)]
    chosen = not has_bfloat16(CPUINFO.read_text())
    arguments = {"max_model_len": "512", "enforce_eager": "true"}
    arguments |= {} if chosen else {"dtype": "float32"}
    with contextlib.chdir(tmp_path):
        specs = ["base", *map(str, folders)]
        models = resolve_all(specs, NAME, config=find_config(tmp_path))
        asked = [
            Request(
                model, messages, format_of(model).render(messages), Sampling(max_tokens=N_TOKENS)
            )
            for model in models
            for messages in ((("user", text),) for text in TEXTS)
        ]
        said = Said()
        with (
            Ledger(tmp_path / "l.db") as ledger,
            Engines(EngineChoice("vllm", arguments), said) as engines,
        ):
            answers = complete(asked, ledger, engines, said)
    assert chosen == any("vLLM runs in float32" in line for line in said.lines)
    prompts = [request.token_ids for request in asked[: len(TEXTS)]]
    theirs = [ids for folder in (None, *folders) for ids in by_peft(folder, prompts, N_TOKENS)]
    assert [list(answer.token_ids) for answer in answers] == theirs
    n = len(TEXTS)  # answers of a model
    assert theirs[:n] != theirs[n : 2 * n] != theirs[2 * n :] != theirs[:n]
