"""What a training would take: steps, tokens and, roughly, memory; nothing is trained.

Imports torch and transformers for the model's shape, without its weights.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sami_eval.align.collate import Encoded, Ids, check_rows, encode_all, own_rows
from sami_eval.align.options import Options, within
from sami_eval.core.types import Contrast, Model

GIB = 2**30
# Activations a token and layer in units of the hidden size: all of them, or at checkpoints alone.
STORED, RECOMPUTED = 34, 1
# On a CPU, of a LoRA on SmolLM2-135M without checkpointing (one batch, peak of the process): TRL's
# methods, and those on SAMI's matrix, whose body is spared (align/body.py).
CPU_STORED, SPARED = 38, 20
ADAM_BYTES = 8 + 4  # two fp32 moments and an fp32 gradient for each trained weight
# How often the rows of a contrast of n hold each of its prompts and responses, by a method that
# keeps a frozen reference: n (n - 1) pairs of two rows, n pairs, n * n single rows.
PREFERENCES: dict[str, Callable[[int], int]] = {
    "dpo": lambda n: 2 * (n - 1),
    "mipo": lambda n: 2,
    "kto": lambda n: n,
}
# Python, torch, transformers, PEFT and TRL, before a weight is read: main memory, so a CPU's alone.
PROCESS_BYTES = int(0.55 * GIB)
WEIGHT_BYTES = {"fp32": 4.0, "bf16": 2.0, "nf4": 0.55}


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """Of one training.

    n: contrasts used. too_long: left out, of more than `longest` tokens. passes: over what is
        trained on; response_tokens of it are in one pass, and read_tokens in all its rows, padding
        apart. parameters, trained: weights.
    memory_gib: weights, gradients, optimiser and activations of the largest batch, roughly; on a
        CPU with the process itself.
    room_gib: of the device; None where it does not tell.
    """

    n: int
    too_long: int
    longest: int
    steps: int
    passes: float
    response_tokens: int
    read_tokens: int
    parameters: int
    trained: int
    memory_gib: float
    room_gib: float | None


def estimate(
    method: str,
    contrasts: Sequence[Contrast],
    base: Model,
    options: Options,
    gpu: bool | None = None,
) -> TrainingCost:
    """Steps, tokens and memory of a training. Raises UsageError as the training would.

    gpu: reckoned as on one, or as on none; None: as on this machine.
    """
    from sami_eval.align.start import context_of, on_gpu
    from sami_eval.generate.formats import config_of, tokenizer_of

    there = on_gpu(options)
    gpu = there if gpu is None else gpu
    tokenizer = tokenizer_of(base)
    accepted = sum(contrast.rejected is None for contrast in contrasts)
    config = config_of(base.base, base.revision)
    options = within(options, context_of(config))
    encoded = encode_all(tokenizer, contrasts, options, base.chat_template)
    n_all, n_lora = _parameters(config, options)
    trained = n_all if options.full else n_lora
    kind = "nf4" if options.qlora else "bf16" if gpu and not options.full else "fp32"
    fixed = n_all * WEIGHT_BYTES[kind] + trained * ADAM_BYTES + n_lora * 4 * (not options.full)
    if options.full and (method in PREFERENCES or (method == "sami" and options.kl > 0)):
        fixed += n_all * WEIGHT_BYTES[kind]  # the frozen reference is a second network
    fixed += PROCESS_BYTES * (not gpu)
    used = _used(encoded, options)
    rows = sorted((_rows(method, one, options) for one in used), reverse=True)
    most = sum(rows[: options.batch_size])
    return TrainingCost(
        len(encoded),
        accepted - len(encoded),
        options.max_length,
        *_steps(method, used, options),
        sum(len(response) for one in used for _, response in _own(method, one, options)),
        sum(rows),
        n_all,
        trained,
        (fixed + most * _activation_bytes(config, method, options, gpu)) / GIB,
        _room_gib(there),
    )


def _used(encoded: Sequence[Encoded], options: Options) -> Sequence[Encoded]:
    """The contrasts that are trained on."""
    if not options.held_out:
        return encoded
    from sami_eval.align.matrix import split

    return split(encoded, options)[0]


def _own(method: str, one: Encoded, options: Options) -> list[tuple[Ids, Ids]]:
    return own_rows(one, options.positives_only and method == "sft")


def _steps(method: str, used: Sequence[Encoded], options: Options) -> tuple[int, float]:
    """Optimizer steps, and how often all that is trained on is seen in them."""
    from sami_eval.align.training import n_steps, step_size, steps_a_pass

    rows = [row for one in used for row in _own(method, one, options)]
    check_rows(rows)
    n = math.ceil(len(rows) / len(used[0].prompts))  # contrasts that would have as many
    steps = n_steps(options, n)
    whole, rest = divmod(steps, steps_a_pass(options, n))
    return steps, whole + min(1.0, rest * step_size(options) / n)


def _rows(method: str, one: Encoded, options: Options) -> int:
    """Tokens that one contrast's rows hold."""
    if method == "sft":
        return sum(len(prompt) + len(response) for prompt, response in _own(method, one, options))
    n, prompts = len(one.prompts), sum(map(len, one.prompts))
    responses = sum(map(len, one.responses))
    if method in PREFERENCES:
        return PREFERENCES[method](n) * (prompts + responses)
    # One row a constitution, as in a method of the user's own; a prompt's last token stands at the
    # head of each response in place of the response's last.
    return prompts - n + n * responses


def _parameters(config: Any, options: Options) -> tuple[int, int]:
    """Weights of the network, and of a LoRA on it."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    head = network.get_output_embeddings()
    names = None
    if options.targets != "all-linear":
        names = {name.strip() for name in options.targets.split(",")}
    lora = sum(
        options.rank * sum(module.weight.shape)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
        and (module is not head if names is None else name.rpartition(".")[2] in names)
    )
    return sum(weights.numel() for weights in network.parameters()), lora


def _activation_bytes(config: Any, method: str, options: Options, gpu: bool) -> int:
    """Of one token."""
    text = config.get_text_config()
    spared = method in ("sami", "simpo", "orpo") and not options.full and not options.dropout
    stored = STORED if gpu else SPARED if spared and not options.qlora else CPU_STORED
    kept = RECOMPUTED if options.checkpointing else stored
    width = 2 if gpu else 4
    one_layer = stored * text.hidden_size * width
    return int(kept * text.hidden_size * text.num_hidden_layers * width + one_layer)


def _room_gib(gpu: bool) -> float | None:
    if gpu:
        import torch

        return float(torch.cuda.mem_get_info()[0]) / GIB
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (ValueError, OSError, AttributeError):  # not on every system
        return None


def describe(recipe: str, found: TrainingCost, n_given: int, options: Options) -> str:
    """An estimate as text."""
    a_step = options.batch_size * options.accumulation
    passes = found.passes
    what = f"LoRA rank {options.rank}, alpha {options.alpha}, on {options.targets}"
    if options.full:
        what = "all weights"
    if options.qlora:
        what += ", base quantised to 4 bits"
    lines = [
        ("recipe", f"{recipe}, seed {options.seed}"),
        ("contrasts", f"{found.n:,} of {n_given:,} used, {found.too_long:,} longer than "
         f"{found.longest:,} tokens"),
        ("steps", f"{found.steps:,} of {a_step:,} contrasts ({passes:.2g} passes), learning rate "
         f"{options.lr:g}, {options.schedule}"),
        ("tokens", f"{math.ceil(found.read_tokens * passes):,} read, "
         f"{math.ceil(found.response_tokens * passes):,} of own responses"),
        ("trains", f"{what}: {found.trained:,} of {found.parameters:,} weights"),
        *_kept(found, options),
        ("memory", f"about {found.memory_gib:.2g} GiB{_of_room(found)}"),
    ]  # fmt: skip
    return "\n".join(f"{label:<11}{text}" for label, text in lines)


def _kept(found: TrainingCost, options: Options) -> list[tuple[str, str]]:
    """Which steps are kept, and how large they are on disk; nothing where none is."""
    from sami_eval.align.checkpoints import evenly

    kept = evenly(options.keep_checkpoints, found.steps)
    megabytes = found.trained * 4 / 1e6  # a LoRA is saved in float32
    steps = ", ".join(map(str, kept))
    return [("keeps", f"steps {steps}, {megabytes:.2g} MB each")] if kept else []


def _of_room(found: TrainingCost) -> str:
    if found.room_gib is None:
        return ""
    short = ": too little" if found.memory_gib > found.room_gib else ""
    return f" of {found.room_gib:.3g} GiB{short}"


def memory_warning(found: TrainingCost) -> str | None:
    """What to say before a training that probably does not fit."""
    if found.room_gib is None or found.memory_gib <= found.room_gib:
        return None
    return (
        f"warning: this training needs about {found.memory_gib:.0f} GiB, the device has "
        f"{found.room_gib:.0f}; a LoRA needs far less than --full"
    )
