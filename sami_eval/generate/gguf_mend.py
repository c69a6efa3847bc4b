"""What transformers 5.19 leaves out of a GGUF file, put back: cuts, ends and rotary scaling.

Each is silent there: text cut into other tokens than in training, an answer that does not end, a
Llama 3.1 with the wave lengths of Llama 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# How text is cut before it is merged to tokens (llama.cpp, src/llama-vocab.cpp). These let each
# digit stand alone, then cut as GPT-2 does; transformers cuts them as GPT-2 from the start, and a
# blank line before a number is then two tokens instead of one.
DIGITS_ALONE = ("codeshell", "command-r", "exaone", "minerva-7b", "refact", "smollm", "starcoder")
AS_GPT2 = ("default", "gpt-2", "jais", "mpt", "olmo", "phi-2", "trillion")
# Special tokens that end an answer, by llama.cpp's names: of a sequence, a turn, a message.
ENDS = ("eos", "eot", "eom")
LLAMA3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def mend(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    facts: Mapping[str, Any],
    rope: Sequence[float] | None,
) -> Iterator[str]:
    """Put back what can be; yields what cannot, a sentence each.

    facts: the file's metadata. rope: factors of its wave lengths.
    """
    _end(network, facts)
    yield from _cut(tokenizer, facts)
    yield from _scale(network, facts, rope)


def _end(network: PreTrainedModel, facts: Mapping[str, Any]) -> None:
    ends = [facts.get(f"tokenizer.ggml.{name}_token_id") for name in ENDS]
    known = network.generation_config.eos_token_id
    several = [*(known if isinstance(known, list) else [known]), *ends]
    ids = list(dict.fromkeys(int(one) for one in several if one is not None))
    if ids:
        network.generation_config.eos_token_id = ids if len(ids) > 1 else ids[0]


def _cut(tokenizer: PreTrainedTokenizerBase, facts: Mapping[str, Any]) -> Iterator[str]:
    from tokenizers import pre_tokenizers
    from transformers.integrations.gguf import gguf_tokenizer_mapping as known

    name = facts.get("tokenizer.ggml.pre", AS_GPT2[0])
    if facts.get("tokenizer.ggml.model") != "gpt2" or name in AS_GPT2:
        return
    if name in DIGITS_ALONE:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    elif name not in known.GGUF_PRE_TOKENIZER_SPLITS:
        yield f"its way to cut text, `{name}`, is not known here: GPT-2's stands in for it"


def _scale(
    network: PreTrainedModel, facts: Mapping[str, Any], rope: Sequence[float] | None
) -> Iterator[str]:
    plain = getattr(network.config, "rope_parameters", None) or {}
    scaling = facts.get(f"{facts['general.architecture']}.rope.scaling.type", "none")
    if rope is None:
        if scaling != "none" and plain.get("rope_type", "default") == "default":
            yield f"its rotary scaling, `{scaling}`, is left out"
        return
    from torch import allclose, tensor
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    theta = plain["rope_theta"]
    network.config.rope_parameters = {**LLAMA3, "rope_theta": theta, "factor": max(rope)}
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](network.config, "cpu")
    exponents = tensor(range(len(rope))) / len(rope)
    if len(scaled) != len(rope) or not allclose(
        1 / theta**exponents / scaled, tensor(rope), rtol=1e-3
    ):
        network.config.rope_parameters = plain
        yield "its rotary scaling is none that is known here, and is left out"
