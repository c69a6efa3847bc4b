"""A model's family is told by its whole id, or not at all."""

from __future__ import annotations

import pytest

from sami_eval.core.families import family_of
from sami_eval.core.types import Model


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("gpt-4o-2024-08-06", "OpenAI"),
        ("openai/gpt-6.1-sol", "OpenAI"),
        ("o4-mini", "OpenAI"),
        ("o3", "OpenAI"),
        ("anthropic/claude-opus-5.5", "Anthropic"),
        ("google/gemma-2-9b-it", "Google"),
        ("meta-llama/Llama-3.1-8B", "Meta"),
        ("meta-llama/Meta-Llama-3-8B", "Meta"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mistral"),
        ("Qwen/Qwen3-32B", "Qwen"),
        ("deepseek-ai/DeepSeek-V3", "DeepSeek"),
        ("gpt2", None),
        ("EleutherAI/gpt-neo-125m", None),
        ("openai-community/gpt2", None),
        ("me/llama-3-mine", None),
        ("o2", None),
        ("out/gpt-4", None),
        ("", None),
    ],
)
def test_an_id_is_of_the_family_whose_rule_is_all_of_it(base: str, family: str | None) -> None:
    assert family_of(Model("mine", base, engine="openai")) == family
    assert family_of(Model("mine", base, adapter="out/x")) == family  # an adapter: as its base


def test_a_record_is_of_the_family_it_is_named_after() -> None:
    assert family_of(Model("gpt-4", "model_answer/gpt-4.jsonl", engine="recorded")) == "OpenAI"
    assert family_of(Model("mine", "claude-3.jsonl", engine="recorded")) is None
