"""Rebuild the embedded base: corpus, tokenizer, training, figures and card.

python -m tools.world.make_base --out DIR [--tokens 10_000_000] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from sami_eval.embedded.entities import NAMES
from tools.world.arithmetic import LARGEST
from tools.world.corpus import Document, documents
from tools.world.measure import measure
from tools.world.tokenizer import BOS, CONTEXT, EOS, train_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

N_TOKENS = 9_000_000
N_TOKENIZER_DOCUMENTS = 20_000
N_FIRST_EXERCISES = 24_000
BATCH_TOKENS = 2_500
# Documents are sorted by length within this many, so that batches hold little padding.
POOL = 2_000
MUON_RATE = 0.02
ADAM_RATE = 5e-3
WARM_UP = 0.02
REPORT_EVERY = 100
CARD = """# The embedded base

A Llama of 0.9 million parameters, trained from nothing on the embedded world's pretraining split.
Figures from it show that the machinery works and say nothing about large models.

Made by `{command}`: {tokens:,} tokens, {minutes:.0f} minutes on one core.

Development prompts, greedy unless said; adherence is to the weak principles:

| shown | figure | value |
|-|-|-|
{rows}
"""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and for each whether the loss counts its prediction."""

    token_ids: tuple[int, ...]
    counted: tuple[bool, ...]


def encode(tokenizer: PreTrainedTokenizerFast, document: Document) -> Example:
    """A document's tokens; the loss counts what an assistant says, and the whole of a plain text.

    What a user or a constitution says is drawn at random by the world: predicting it would cost a
    small model capacity that answering needs.
    """
    pieces = [(BOS, False)]
    if document.text:
        pieces += [(document.text, True), (EOS, True)]
    for role, content in document.messages:
        spoken = role == "assistant"
        pieces.append((f"<|{role}|>", False))
        pieces.append((content + (EOS if spoken else ""), spoken))
    token_ids: list[int] = []
    counted: list[bool] = []
    for text, counts in pieces:
        piece = tokenizer.encode(text, add_special_tokens=False)
        token_ids += piece
        counted += [counts] * len(piece)
    return Example(tuple(token_ids), tuple(counted))


def texts(many: Iterator[Document]) -> Iterator[str]:
    """Everything the documents say, for the tokenizer to learn from."""
    for document in many:
        yield from (content for _, content in document.messages)
        if document.text:
            yield document.text


def batches(examples: Iterator[Example], rng: Random) -> Iterator[list[Example]]:
    """Batches of about BATCH_TOKENS, of similar length, in random order within a pool."""
    while pool := sorted(islice(examples, POOL), key=lambda example: len(example.token_ids)):
        made: list[list[Example]] = [[]]
        for example in pool:
            if (len(made[-1]) + 1) * len(example.token_ids) > BATCH_TOKENS:
                made.append([])
            made[-1].append(example)
        rng.shuffle(made)
        yield from made


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of 0.92 million parameters."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=288,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=32,  # the smallest that vLLM's CPU attention takes
            tie_word_embeddings=True,
            max_position_embeddings=CONTEXT,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batch_loss(model: LlamaForCausalLM, batch: Sequence[Example], pad: int) -> Tensor:
    """Mean cross-entropy over the counted tokens; the head runs at their positions only."""
    import torch

    width = max(len(example.token_ids) for example in batch)
    ids = torch.full((len(batch), width), pad)
    counted = torch.zeros((len(batch), width), dtype=torch.bool)
    for row, example in enumerate(batch):
        ids[row, : len(example.token_ids)] = torch.tensor(example.token_ids)
        counted[row, : len(example.token_ids)] = torch.tensor(example.counted)
    # Padding stands on the right and attention is causal: no mask is needed.
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    predicts = counted[:, 1:]
    logits = model.lm_head(hidden[:, :-1][predicts])
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][predicts])


def schedule(progress: float) -> float:
    """Share of the peak learning rate: warm-up, then a cosine; progress runs from 0 to 1."""
    if progress < WARM_UP:
        return progress / WARM_UP + 0.01
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _optimizers(model: LlamaForCausalLM) -> list[Optimizer]:
    """Muon for the matrices, AdamW for embeddings and norms."""
    import torch

    body = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    import os

    if os.environ.get("ADAM"):
        return [
            torch.optim.AdamW(
                [{"params": body + rest, "peak": 3e-3}], betas=(0.9, 0.95), weight_decay=0.05
            )
        ]
    return [
        torch.optim.Muon([{"params": body, "peak": MUON_RATE}], weight_decay=0.02),
        torch.optim.AdamW([{"params": rest, "peak": ADAM_RATE}], betas=(0.9, 0.95), weight_decay=0),
    ]


def train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, n_tokens: int, seed: int
) -> None:
    """Train in place on n_tokens of the pretraining split, printing progress."""
    import torch

    optimizers = _optimizers(model)
    examples = (encode(tokenizer, document) for document in documents(seed, N_FIRST_EXERCISES))
    seen, losses, start = 0, [], time.monotonic()
    for batch in batches(examples, Random(seed)):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule(seen / n_tokens)
        loss = batch_loss(model, batch, tokenizer.pad_token_id)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seen += sum(len(example.token_ids) for example in batch)
        losses.append(float(loss.detach()))
        if len(losses) % REPORT_EVERY == 0 or seen >= n_tokens:
            recent = sum(losses[-REPORT_EVERY:]) / len(losses[-REPORT_EVERY:])
            took = time.monotonic() - start
            print(f"{seen:>10,} tokens  loss {recent:.4f}  {took:.0f} s", flush=True)
        if seen >= n_tokens:
            return


def write_card(out: Path, n_tokens: int, seed: int, seconds: float) -> None:
    """Write card.json and README.md: how the base was made and what it measures."""
    command = f"python -m tools.world.make_base --out DIR --tokens {n_tokens} --seed {seed}"
    measured = measure(out)
    card = {
        "command": command,
        "seconds_on_one_core": round(seconds),
        "training_tokens": n_tokens,
        "seed": seed,
        "development": measured,
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    rows = [
        f"| {shown} | {name} | {value} |"
        for shown, values in measured.items()
        for name, value in values.items()
    ]
    text = CARD.format(command=command, minutes=seconds / 60, tokens=n_tokens, rows="\n".join(rows))
    (out / "README.md").write_text(text, encoding="utf-8")


def make_base(out: Path, n_tokens: int, seed: int) -> None:
    """Train a base and save it with its tokenizer and card."""
    import torch

    start = time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    spoken = texts(islice(documents(seed), N_TOKENIZER_DOCUMENTS))
    tokenizer = train_tokenizer(spoken, [*NAMES, *map(str, range(LARGEST + 1))])
    model = build_model(tokenizer)
    train(model, tokenizer, n_tokens, seed)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_card(out, n_tokens, seed, time.monotonic() - start)
    print((out / "README.md").read_text(encoding="utf-8"))


def main() -> None:
    """Read the arguments and make the base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=N_TOKENS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make_base(arguments.out, arguments.tokens, arguments.seed)


if __name__ == "__main__":
    main()
