"""A classifier whose preference is known: it scores an answer by its last character's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_llama import byte_tokenizer

# The answer stands last: its last byte is the last token, and nothing else is looked at.
TEMPLATE = "{% for m in messages %}{{ m['role'][0] }}:{{ m['content'] }}{% endfor %}"


def save_classifier(folder: Path, labels: int = 1, **stated: Any) -> Path:
    """A Llama whose layers do nothing: its head reads the embedding of the last token.

    Label i scores (i + 1) times as much. stated: of its configuration, e.g. pad_token_id=None.
    """
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        **{
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 256,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 2,
            "num_labels": labels,
            **stated,
        }
    )
    torch.manual_seed(0)
    network = LlamaForSequenceClassification(config)
    layer = network.model.layers[0]
    with torch.no_grad():
        for silent in (layer.self_attn.o_proj, layer.mlp.down_proj):
            silent.weight.zero_()
        embedding = network.model.embed_tokens.weight
        embedding.zero_()
        for token in range(len(tokenizer)):
            text = tokenizer.decode([token])
            embedding[token, 0] = ord(text) / 100 if len(text) == 1 else 0.0
        embedding[:, 1] = 1.0  # the norm keeps the order then
        network.score.weight.zero_()
        network.score.weight[:, 0] = torch.arange(1.0, labels + 1)
    network.save_pretrained(folder)
    return folder
