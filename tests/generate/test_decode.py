"""The decoding loop keeps its batch full, and is exact in any company."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)

from sami_eval.generate.attention import group_queries
from sami_eval.generate.decode import Size, decode, refills
from sami_eval.generate.decoding import Decoding
from sami_eval.generate.padded import decode_padded

ROOMY = Size(rows=64, tokens=100_000, prefill=512)
SHAPE: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "max_position_embeddings": 128,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, head_dim=16),
    "gpt2": GPT2Config(
        vocab_size=300, n_positions=128, n_embd=64, n_layer=2, n_head=4, initializer_range=0.3
    ),
    "opt": OPTConfig(**SHAPE, ffn_dim=96, word_embed_proj_dim=64, init_std=0.3),
    "windows": MistralConfig(**SHAPE, sliding_window=8),
}


@cache
def network(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[name]).eval()


def rows(n: int = 24, longest: int = 40) -> list[Decoding]:
    """Ragged prompts and answers, half of them greedy, with the exact log-probabilities noted."""
    draw = random.Random(0)
    return [
        Decoding(
            prompt=[draw.randrange(3, 300) for _ in range(draw.randint(1, longest))],
            max_tokens=draw.randint(1, 20),
            temperature=[0.0, 0.8][i % 2],
            top_p=[1.0, 0.9][i // 2 % 2],
            seed=i,
            has_ended=lambda ids: ids[-1] == 7,
            n_likeliest=1,
        )
        for i in range(n)
    ]


def said(asked: list[Decoding], loop: Iterator[list[Decoding]]) -> list[tuple[object, object]]:
    handed_over = [row for ended in loop for row in ended]
    assert sorted(map(id, handed_over)) == sorted(map(id, asked))
    return [(row.generated, row.likeliest) for row in asked]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_nothing_of_a_row_depends_on_its_company_to_the_last_bit() -> None:
    model, asked = network("llama"), rows()
    together = said(asked, decode(model, asked, ROOMY, 2))
    for size in (
        Size(rows=1, tokens=100_000, prefill=512),
        Size(rows=5, tokens=100_000, prefill=16),
        Size(rows=64, tokens=150, prefill=512),
        Size(rows=64, tokens=100_000, prefill=512, first=4),
    ):
        asked = rows()
        assert said(asked, decode(model, asked[::-1], size, 2)) == together
    alone = rows()
    assert [said([row], decode(model, [row], ROOMY, 2))[0] for row in alone] == together


def test_queries_of_a_group_share_their_keys_and_not_a_bit_changes() -> None:
    model, asked = network("llama"), rows()
    plain_answers = said(asked, decode(model, asked, ROOMY, 2))
    shared = copy.deepcopy(model)
    group_queries(shared)
    asked = rows()
    assert said(asked, decode(shared, asked, ROOMY, 2)) == plain_answers
    with profile(activities=[ProfilerActivity.CPU]) as before:
        said(asked := rows(), decode(model, asked, ROOMY, 2))
    with profile(activities=[ProfilerActivity.CPU]) as after:
        said(asked := rows(), decode(shared, asked, ROOMY, 2))
    assert copied(after) < copied(before)


def copied(profiled: profile) -> int:
    return sum(event.count for event in profiled.key_averages() if event.key == "aten::copy_")


@pytest.mark.parametrize("name", ["gpt2", "windows", "llama"])
def test_only_groups_change_how_a_model_attends(name: str) -> None:
    model = copy.deepcopy(network(name))
    group_queries(model)
    assert model.config._attn_implementation == ("sdpa" if name == "gpt2" else "sdpa_grouped")


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_rows_say_what_transformers_own_loop_says(name: str) -> None:
    model, asked = network(name), [row for row in rows() if not row.temperature]
    loop = decode if refills(model) else decode_padded
    said(asked, loop(model, asked, Size(rows=3, tokens=100_000, prefill=64), 2))
    for row in asked:
        ids = torch.tensor([row.prompt])
        expected = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=row.max_tokens,
            do_sample=False,
            eos_token_id=7,
            pad_token_id=2,
        )
        assert row.generated == expected[0, ids.shape[1] :].tolist()


def test_rows_of_a_sliding_window_are_not_put_in_place_of_others() -> None:
    assert {name: refills(network(name)) for name in CONFIGS} == {
        "llama": True,
        "qwen3": True,
        "gpt2": True,
        "opt": True,
        "windows": False,
    }


def plain(prompt: list[int], max_tokens: int) -> Decoding:
    return Decoding(prompt, max_tokens, 0.0, 1.0, 0, lambda ids: False)


def test_an_ended_rows_place_is_taken_at_once() -> None:
    asked = [plain([5, 6, 7], 20), *(plain([5, 6], 5) for _ in range(4))]
    # Two rows at once: 20 steps beside 4 x 5; batch after batch it is 20 + 5 + 5.
    size = Size(rows=2, tokens=100_000, prefill=512)
    steps = [len(ended) for ended in decode(network("llama"), asked, size, 2)]
    assert len(steps) == 20
    assert [i + 1 for i, n in enumerate(steps) if n] == [5, 10, 15, 20]


def test_rows_begun_at_once_hold_no_more_tokens_than_allowed() -> None:
    asked = [plain([5] * 10, 10) for _ in range(6)]
    size = Size(rows=64, tokens=40, prefill=512)  # 2 rows of 20
    assert len(list(decode(network("llama"), asked, size, 2))) == 3 * 10


def test_equal_prompts_are_read_once() -> None:
    model, read = network("llama"), []

    def note(_: object, __: object, given: dict[str, torch.Tensor]) -> None:
        if given["input_ids"].shape[1] > 1:
            read.append(tuple(given["input_ids"].shape))

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    asked = [plain([9] * 33, 4) for _ in range(10)] + [plain([8] * 33, 4)]
    list(decode(model, asked, Size(rows=3, tokens=100_000, prefill=512), 2))
    hook.remove()
    assert read == [(2, 32)]  # all tokens but the last, which the first step reads


def test_what_is_not_wanted_when_its_turn_comes_is_left_out() -> None:
    asked = [plain([5, 6], n) for n in (3, 4, 5)]
    size = Size(rows=1, tokens=100_000, prefill=512)
    ended = decode(network("llama"), asked, size, 2, lambda row: row is not asked[1])
    assert [row.max_tokens for rows in ended for row in rows] == [3, 5]
    assert asked[1].generated == []
