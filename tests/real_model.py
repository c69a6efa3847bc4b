"""SmolLM2-135M-Instruct, the smallest real chat model, as `make test-real` sets it up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sami_eval import cli
from tests import ROOT

MODELS = ROOT / ".models"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
HERE = (MODELS / NAME).is_file()
real = [
    pytest.mark.real,
    pytest.mark.skipif(not HERE, reason="no .models: make test-real sets it up"),
    pytest.mark.filterwarnings("ignore"),  # what the libraries warn of in a real job is theirs
]
# Flags that keep a training to seconds on one core, and large enough a step to change answers.
QUICK = ("--batch-size", "2", "--accumulation", "1", "--rank", "4", "--lr", "1e-3", "-q")


def furnish(folder: Path) -> Path:
    """A folder to work in whose base is the file, converted already."""
    (folder / NAME).symlink_to(MODELS / NAME)
    (folder / ".sami-eval").mkdir()
    (folder / ".sami-eval" / "models").symlink_to(MODELS / ".sami-eval" / "models")
    (folder / "sami-eval.toml").write_text(f'base = "{NAME}"\nengine = "hf"\n')
    return folder


def converted() -> Path:
    """The folder that the file was converted to."""
    (folder,) = (MODELS / ".sami-eval" / "models").glob("[!.]*")
    return folder


def typed(*words: str) -> None:
    """Run a command in this process; it must end well."""
    assert cli.run(list(words)) == 0, words


def save_adapter(folder: Path, seed: int) -> Path:
    """A LoRA by PEFT alone, of random weights that change what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    lora = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    peft = get_peft_model(AutoModelForCausalLM.from_pretrained(converted()), lora)
    torch.manual_seed(seed)
    for name, weight in peft.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    peft.save_pretrained(folder)
    return folder


def by_peft(
    adapter: Path | None, prompts: Sequence[Sequence[int]], n_tokens: int
) -> list[list[int]]:
    """Greedy answers by transformers' `generate`, under PEFT's adapter, each prompt alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(converted(), dtype=torch.float32)
    model = PeftModel.from_pretrained(network, adapter).eval() if adapter else network.eval()
    found = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            said = model.generate(input_ids=ids, max_new_tokens=n_tokens, do_sample=False)
        found.append(said[0, len(prompt) :].tolist())
    return found
