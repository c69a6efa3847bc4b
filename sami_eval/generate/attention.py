"""Attention of grouped queries on a CPU, without a copy of the keys for each query of a group.

Behind a mask transformers repeats keys and values for every query head, since masked kernels of a
GPU want it so. A CPU's kernel does not: it gives the same numbers to the last bit, and at the sizes
of small models a step of decoding is half as long. Imports torch and transformers: import it only
where a model is run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "sdpa_grouped"


def group_queries(network: PreTrainedModel) -> None:
    """Have a network on the CPU attend so, where it has groups and uses torch's own attention."""
    config = network.config
    heads = getattr(config, "num_attention_heads", 0)
    grouped = heads != (getattr(config, "num_key_value_heads", None) or heads)
    if grouped and config._attn_implementation == "sdpa" and not config.sub_configs:
        AttentionInterface.register(NAME, _attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        network.set_attn_implementation(NAME)


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """(B, heads, T, D) and twice (B, key heads, columns, D) -> (B, T, heads, D)."""
    biased = more.get("position_bias") is not None or more.get("cache") is not None
    if attention_mask is None or biased or query.device.type != "cpu":
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **more
        )
        return found
    mixed = scaled_dot_product_attention(
        query, key, value, attention_mask, dropout, scale=scaling, enable_gqa=True
    )
    return mixed.transpose(1, 2).contiguous(), None
