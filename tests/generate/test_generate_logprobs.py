"""The log-probabilities an engine tells are those of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from sami_eval.core.calls import Sampling
from sami_eval.core.config import Config
from sami_eval.core.types import Model
from sami_eval.generate import format_of
from sami_eval.generate.engine import request_key
from sami_eval.generate.models import resolve_all
from tests.generate.test_generate import requests_for, run
from tests.tiny_llama import save_base

TEXTS = ("Hi", "Tell me about bees.", "One two three four five six seven")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("models")
    return resolve_all([str(save_base(root / "base"))], config=Config(root))[0]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_they_are_those_of_a_forward_pass(model: Model, tmp_path: Path, temperature: float) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    requests = requests_for(model, Sampling(temperature, max_tokens=4), TEXTS, top_logprobs=3)
    completions = run(requests, tmp_path / "ledger.db")
    assert run(requests, tmp_path / "ledger.db") == completions  # stored as they are
    network, tokenizer = (
        AutoModelForCausalLM.from_pretrained(model.base),
        format_of(model).tokenizer,
    )
    for request, completion in zip(requests, completions, strict=True):
        ids = [*request.token_ids, *completion.token_ids]
        logps = network(torch.tensor([ids])).logits[0].detach().double().log_softmax(-1)
        assert len(completion.token_logps) == completion.n_tokens
        for place, token in enumerate(completion.token_logps):
            at = logps[len(request.token_ids) + place - 1]
            mine = completion.token_ids[place]
            likeliest = at.topk(3).indices.tolist()
            likeliest += [mine] if mine not in likeliest else []
            assert token.text == tokenizer.decode([mine])
            assert [text for text, _ in token.likeliest] == [
                tokenizer.decode([i]) for i in likeliest
            ]
            known = [logp for _, logp in token.likeliest]
            assert known == pytest.approx([float(at[i]) for i in likeliest], abs=1e-4)


def test_asking_for_them_changes_no_text_and_keeps_older_keys(model: Model, tmp_path: Path) -> None:
    bare, asked = (requests_for(model, Sampling(max_tokens=6), TEXTS, n) for n in (0, 5))
    texts = [[c.text for c in run(rs, tmp_path / "ledger.db")] for rs in (bare, asked)]
    assert texts[0] == texts[1]
    assert all(c.token_logps == () for c in run(bare, tmp_path / "ledger.db"))
    assert not {request_key("hf", r) for r in bare} & {request_key("hf", r) for r in asked}
