"""Adapters as other tools leave them, made on the spot for a tiny Llama."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def made(folder: Path, base: Path, config: Any = None, noise: float = 0.3, **lora: Any) -> Path:
    """An adapter with random weights, as PEFT saves it; without a config a LoRA of `lora`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    usual = {"r": 4, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's advice on settings that are chosen on purpose
        network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        torch.manual_seed(0)
        peft = get_peft_model(network, config or LoraConfig(**{**usual, **lora}))
        random = torch.Generator().manual_seed(1)
        for weight in peft.parameters():
            if weight.requires_grad:
                weight.data.add_(torch.randn(weight.shape, generator=random) * noise)
        peft.save_pretrained(folder)
    return folder


def changed(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """The adapter with its tensors changed."""
    from safetensors.torch import load_file, save_file

    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
    return folder


def stated(folder: Path, name: str = CONFIG, **facts: object) -> Path:
    """The adapter with other settings."""
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**config, **facts}))
    return folder


def peft_says(base: Path, adapter: Path, ids: list[int], n: int = 8) -> tuple[int, ...]:
    """What PEFT itself generates, greedily."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        peft = PeftModel.from_pretrained(network, adapter).eval()
        asked = torch.tensor([ids])
        said = peft.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=n,
            do_sample=False,
        )
    return tuple(said[0, len(ids) :].tolist())
