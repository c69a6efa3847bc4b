"""A Llama folder written as a GGUF file, as llama.cpp's converter does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.layers": "blk",
}


def write(
    path: Path,
    base: Path,
    kind: str = "F32",
    rope: Sequence[float] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """A model folder's weights and tokenizer in one file.

    kind: of the matrices; vectors stay F32. rope: factors of the wave lengths. facts: further
    metadata, an architecture among them.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter, quants
    from transformers import AutoTokenizer, LlamaForCausalLM

    network = LlamaForCausalLM.from_pretrained(base)
    config, given = network.config, dict(facts or {})
    writer = GGUFWriter(path, given.pop("general.architecture", "llama"))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, AutoTokenizer.from_pretrained(base), given)
    for name, value in given.items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(name, value)
    for name, tensor in network.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        weight = tensor.float().numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        n_heads = next((n for part, n in heads.items() if part in name), None)
        if n_heads is not None:  # each head's rows in the order of llama.cpp's rotation
            halves = weight.reshape(n_heads, 2, -1, weight.shape[1])
            weight = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        stored = GGMLQuantizationType["F32" if weight.ndim == 1 else kind]
        writer.add_tensor(name, quants.quantize(weight, stored), raw_dtype=stored)
    if rope is not None:
        writer.add_tensor("rope_freqs.weight", np.array(rope, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: Any, tokenizer: Any, given: dict[str, Any]) -> None:
    stated = json.loads(tokenizer.backend_tokenizer.to_str())
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = {one["id"] for one in stated["added_tokens"] if one["special"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(given.pop("tokenizer.ggml.pre", "gpt-2"))
    writer.add_token_list(words)
    writer.add_token_types([3 if i in special else 1 for i in range(len(words))])
    writer.add_token_merges([" ".join(pair) for pair in stated["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template is not None:
        writer.add_chat_template(tokenizer.chat_template)
