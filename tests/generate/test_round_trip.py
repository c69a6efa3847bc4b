"""Each method's adapter says the same, loaded by vLLM and by transformers with PEFT."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from sami_eval import embedded
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.ledger.store import Ledger
from tests.embedded_contrasts import load, train, write

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
    # What vLLM and its own dependencies warn of at import is theirs.
    pytest.mark.filterwarnings("ignore"),
]
RECIPES = ("sft", "base+dpo", "base+sami")
N_TOKENS = 32
NEAR_TIE = 0.01  # nats between the two best tokens: rounding may decide


def first_difference(one: list[int], other: list[int]) -> int | None:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), None)


def greedy(network: torch.nn.Module, prompt: tuple[int, ...], ends: frozenset[int]) -> list[int]:
    ids = torch.tensor([prompt])
    said: list[int] = []
    with torch.no_grad():
        while len(said) < N_TOKENS and not (said and said[-1] in ends):
            said.append(int(network(input_ids=ids).logits[0, -1].argmax()))
            ids = torch.cat([ids, torch.tensor([[said[-1]]])], dim=1)
    return said


def margin(network: torch.nn.Module, ids: list[int]) -> float:
    """Nats between the two likeliest next tokens."""
    with torch.no_grad():
        logps = network(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(dim=-1)
    best, second = logps.topk(2).values.tolist()
    return float(best - second)


def test_every_methods_adapter_gives_the_same_greedy_tokens_in_both(tmp_path: Path) -> None:
    seen = write(tmp_path, "alignment", 48)
    models = [train(tmp_path, recipe, seen, steps=8) for recipe in RECIPES]
    assert len({model.fingerprint for model in models}) == len(RECIPES)
    asked = [(("user", prompt.turns[0]),) for prompt in embedded.prompts("evaluation")[:20]]
    for model in models:
        assert model.adapter is not None
    requests = [request for model in models for request in requests_of(model, asked)]
    choice = EngineChoice("vllm", {"max_model_len": "512"})
    with Ledger(tmp_path / "vllm.db") as ledger, Engines(choice, silent()) as engines:
        said = iter(complete(requests, ledger, engines, silent()))
    equal = 0
    for model in models:
        network, ends = load(model), format_of(model).ends
        for request in requests_of(model, asked):
            theirs, ours = list(next(said).token_ids), greedy(network, request.token_ids, ends)
            at = first_difference(theirs, ours)
            equal += at is None
            if at is not None:
                assert margin(network, [*request.token_ids, *ours[:at]]) < NEAR_TIE
    print(f"{equal} of {len(requests)} answers are equal to the last token")
    assert equal >= len(requests) // 2


def requests_of(model: Model, asked: list[tuple[tuple[str, str], ...]]) -> list[Request]:
    form, sampling = format_of(model), Sampling(max_tokens=N_TOKENS)
    return [Request(model, messages, form.render(messages), sampling) for messages in asked]
