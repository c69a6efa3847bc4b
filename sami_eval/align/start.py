"""Where a training starts: the base's weights, with a LoRA on them or all of them trained.

Imports torch, transformers and peft: import it only where something is trained.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from sami_eval.align.collate import Encoded, encode_all
from sami_eval.align.options import Options, within
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.fit import check_fit
from sami_eval.generate.formats import config_of, tokenizer_of
from sami_eval.generate.loading import load_network, quiet


@dataclass(frozen=True, slots=True)
class Start:
    """The network to train, its tokenizer, the ids that end a response, tokens it can hold."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]
    context: int | None

    def encode(
        self, contrasts: Sequence[Contrast], base: Model, options: Options, progress: Progress
    ) -> list[Encoded]:
        """The contrasts that fit, as token ids; what is left out is counted and said."""
        return encode_all(
            self.tokenizer,
            contrasts,
            within(options, self.context),
            base.chat_template,
            self.ends,
            progress.say,
        )

    def frozen(self, options: Options) -> Any:
        """A copy that training leaves alone; None for a LoRA, whose base stays as it is."""
        return deepcopy(self.model).eval().requires_grad_(False) if options.full else None

    def result(self, base: Model, options: Options, out: Path) -> Model:
        """What was trained, as a model: an adapter, or a checkpoint with its tokenizer."""
        if not options.full:
            return replace(base, adapter=str(out))
        self.tokenizer.save_pretrained(str(out))
        return replace(base, base=str(out), revision=None)


def on_gpu(options: Options) -> bool:
    """Whether this training runs on a GPU."""
    return options.device != "cpu" and torch.cuda.is_available()


def start(base: Model, options: Options) -> Start:
    """The base with a trainable LoRA, fresh or a copy of `base.adapter`'s; or bare, to be trained.

    Raises UsageError for a tokenizer without an end-of-sequence token, and for a base that cannot
    be trained this way.
    """
    tokenizer = tokenizer_of(base)
    if tokenizer.eos_token_id is None:
        raise UsageError(
            f"the tokenizer of `{base.named}` has no end-of-sequence token",
            "responses could never end; set `eos_token` in its tokenizer_config.json",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    plain = _weights(base, options)
    ends, context = _ends(plain), context_of(plain.config)
    network = plain if options.full else _with_lora(plain, base, options)
    return Start(network, tokenizer, ends, context)


def context_of(config: Any) -> int | None:
    """Tokens a base can hold; None where its configuration does not say."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def _weights(base: Model, options: Options) -> Any:
    _check(base, options)
    # A LoRA's own weights are fp32 whatever the base's are; a full fine-tune at 1e-6 needs fp32
    # master weights, or most steps are rounded away.
    dtype = torch.bfloat16 if on_gpu(options) and not options.full else torch.float32
    extra: dict[str, Any] = {}
    if options.qlora:
        extra["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    network = load_network(base, dtype=dtype, **extra)
    if options.qlora:
        _keep_gradients(network)
        network = peft.prepare_model_for_kbit_training(
            network, use_gradient_checkpointing=options.checkpointing
        )
    return network


def _keep_gradients(network: Any) -> None:
    """Hold bitsandbytes off its CPU layout for inference.

    On a CPU with AVX512-BF16 its layers (0.50, nn/modules.py, Linear4bit.forward) repack their
    weights for good at the first pass without gradients, SAMI's reference for one; from then on no
    gradient comes through them, and nothing is said.
    """
    for module in network.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _check(base: Model, options: Options) -> None:
    """Refuse what would fail later, or train nothing, in one line."""
    if options.full and base.adapter is not None:
        raise UsageError(
            f"`--full` on top of the adapter `{base.adapter}`",
            "train the earlier link with --full too, or this one on the base: `base+METHOD`",
        )
    if options.qlora and importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError("`--qlora` needs bitsandbytes", "pip install bitsandbytes")
    config = config_of(base.base, base.revision)
    quantised = getattr(config, "quantization_config", None)
    if quantised is None:
        return
    method = dict(quantised).get("quant_method", "an unnamed method")
    if options.full or options.qlora or not on_gpu(options):
        raise UsageError(
            f"base `{base.named}` is quantised ({method}): a GPU can train a LoRA on it, no more",
            "name the base it was made from, or leave --full and --qlora out on a GPU",
        )


def _ends(model: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or [])


def _with_lora(model: Any, base: Model, options: Options) -> peft.PeftModel:
    if base.adapter is not None:
        check_fit([base])
        with quiet():
            return peft.PeftModel.from_pretrained(model, base.adapter, is_trainable=True)
    names = [name.strip() for name in options.targets.split(",")]
    targets = options.targets if options.targets == "all-linear" else names
    lora = peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return peft.get_peft_model(model, lora)
    except ValueError as error:  # no module of the base has any of the names
        raise UsageError(
            f"option `targets` is `{options.targets}`: {error}", "all-linear, or q_proj,v_proj"
        ) from None
