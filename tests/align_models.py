"""A tiny random model with a byte-level tokenizer, and contrasts for it: nothing is downloaded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Any

from sami_eval.align import find_methods, load_method
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress, silent
from sami_eval.core.types import Contrast, Model, Prompt, Response

CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
QUICK = Options(
    lr=5e-3,
    steps=4,
    batch_size=2,
    rank=4,
    alpha=8,
    checkpointing=False,
    device="cpu",
    threads=1,
    max_fall=10.0,
)


def there(folder: Path, pattern: str) -> set[str]:
    """Paths below a folder in which another process writes and deletes.

    pathlib raises where a folder goes away while it is searched; glob passes over it.
    """
    return set(glob(pattern, root_dir=folder, recursive=True, include_hidden=True))


def tokenizer(template: str | None = CHAT, pad: str | None = "<pad>"):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: i for i, text in enumerate(["<pad>", "<bos>", "<eos>", *symbols])}
    # "ab" merges, so that tokenising across a border differs from joining ids.
    vocabulary["ab"] = len(vocabulary)
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b")]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<bos>", eos_token="<eos>", pad_token=pad
    )
    fast.chat_template = template
    return fast


def save_base(folder: Path, pad: str | None = "<pad>", width: int = 32) -> Model:
    """A random Llama of 30 thousand weights, at its usual width, with its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer(pad=pad)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=width * 3 // 2,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,  # 0.02 leaves all logits near 0: nothing could be learnt
        pad_token_id=None,  # a padding token's row of the tied head would be all zeros
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return Model("base", str(folder), fingerprint="tiny")


def contrast(number: int, *texts: str, rejected: str | None = None) -> Contrast:
    """A contrast between "say aaa" and "say bbb" (and "say ccc")."""
    texts = texts or ("aaa", "bbb")
    prompt = Prompt(f"p{number}", "writing", (f"question {number}?", "again"))
    return Contrast(
        prompt,
        tuple(f"1. say {text}" for text in texts),
        tuple(
            Response(prompt.id, "base", (f"{text}{number}",), finished=(True,)) for text in texts
        ),
        rejected=rejected,
    )


CONTRASTS = [contrast(number) for number in range(6)]


def few(**changes: object) -> dict[str, object]:
    """What a person would ask for to have the least of a training."""
    return {"steps": 2, "batch_size": 2, "max_fall": 10.0} | changes


def fit(
    method: str,
    base: Model,
    out: Path,
    contrasts: Iterable[Contrast] = CONTRASTS,
    progress: Progress | None = None,
    **changes: Any,
) -> Model:
    """A quick training into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    train = load_method(find_methods(Path("none"))[method]).train
    return train(contrasts, base, replace(QUICK, **changes), out, progress or silent())


def log(trained: Model | Path) -> list[dict[str, Any]]:
    """The rows of a training's log."""
    folder = Path(trained.adapter or "") if isinstance(trained, Model) else trained
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def losses(model: Model) -> list[float]:
    """The loss of each step that was logged."""
    return [row["loss"] for row in log(model)]


class Said:
    """A progress that remembers what it was told."""

    def __init__(self):
        self.lines = []
        self.track = silent().track

    def say(self, text):
        self.lines.append(text)


class Interrupting(Said):
    """A user who presses Ctrl-C when so many steps are done."""

    def __init__(self, after):
        super().__init__()
        self.left, self.track = after, self._track

    @contextlib.contextmanager
    def _track(self, description, total, note=None):
        yield self._advance

    def _advance(self, n):
        self.left -= n
        if not self.left:
            raise KeyboardInterrupt


def same(a, b):
    """Whether two adapters have the same weights to the bit."""
    import torch

    return all(torch.equal(weights(a)[name], weights(b)[name]) for name in weights(a))


def weights(model):
    from safetensors.torch import load_file

    return load_file(Path(model.adapter) / "adapter_model.safetensors")
