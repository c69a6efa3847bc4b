"""How an adapter is trained: every knob, and presets per kind of base and method."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sami_eval.errors import UsageError
from sami_eval.types import Model

HELP = "sami-eval align --help"
PRESETS = Path(__file__).with_name("presets.toml")


@dataclass(frozen=True, slots=True)
class Options:
    """Knobs of one training; a method ignores what it has no use for.

    lr: peak learning rate of AdamW. schedule: a name `transformers.get_scheduler` knows.
    epochs: passes over the contrasts; steps, where given, overrides it.
    batch_size: contrasts (not rows) a forward pass. accumulation: forward passes a step.
    clip: largest gradient norm. warmup: share of the steps spent rising to lr.
    rank, alpha, dropout, targets: the LoRA; targets is "all-linear" or module names with commas.
    beta: DPO's weight of the reference. kl: SAMI's weight of the KL divergence from the
        reference, per response token.
    length_normalize: SAMI compares mean (not summed) token log-probabilities.
    train_eos: the end of a response is trained too, so that the model learns to stop.
    max_length: tokens of prompt and response; longer contrasts, and those longer than the base's
        context, are left out and counted.
    max_fall: SAMI stops once the log-probability of own responses has fallen by this many nats a
        token below the reference: the sign of collapse.
    prefix_sharing: SAMI reads a prompt once for all responses under it. "auto" does so where it is
        exact and says where it is not, "on" refuses to train there.
    held_out: contrasts SAMI never trains on and scores about ten times as it goes.
    full: train all weights instead of a LoRA. qlora: a LoRA on a base quantised to 4 bits;
        on a CPU too, where it saves memory and no time.
    positives_only: SFT leaves out responses whose constitution holds an antithesis.
    report_to: where transformers logs to besides training.jsonl, e.g. "tensorboard"; no weight
        depends on it.
    checkpointing: recompute activations instead of storing them.
    device: "cpu", or "auto" for the GPU where there is one. threads: of the CPU, 0 leaves them
        alone; a fixed number makes the weights independent of the machine's core count.
    """

    lr: float = 2e-4
    schedule: str = "linear"
    epochs: float = 1.0
    steps: int | None = None
    batch_size: int = 4
    accumulation: int = 1
    clip: float = 1.0
    warmup: float = 0.1
    weight_decay: float = 0.0
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str = "all-linear"
    beta: float = 0.1
    kl: float = 0.1
    length_normalize: bool = True
    train_eos: bool = True
    max_length: int = 2048
    max_fall: float = 0.5
    prefix_sharing: Literal["auto", "on", "off"] = "auto"
    held_out: int = 0
    full: bool = False
    qlora: bool = False
    positives_only: bool = False
    report_to: str = "none"
    checkpointing: bool = True
    device: Literal["auto", "cpu"] = "auto"
    threads: int = 0
    seed: int = 0


def preset_name(base: Model) -> str:
    """The preset made for a base: "embedded" for the one in this package, else "default"."""
    from sami_eval.embedded import BASE_DIR

    return "embedded" if Path(base.base) == BASE_DIR else "default"


def preset(name: str, method: str, seed: int = 0) -> Options:
    """A preset's options for a method; one it does not name gets the preset's common part.

    Raises UsageError for an unknown preset.
    """
    presets = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    if name not in presets:
        known = ", ".join(f"`{known}`" for known in sorted(presets))
        raise UsageError(f"no preset `{name}`", f"presets are {known}")
    common = {key: value for key, value in presets[name].items() if not isinstance(value, dict)}
    return check(Options(**{**common, **presets[name].get(method, {}), "seed": seed}))


def change(options: Options, **changes: object) -> Options:
    """Options with the values a user gave; None means "as it was"."""
    given = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(given.keys() - {field.name for field in dataclasses.fields(Options)})
    if unknown:
        raise UsageError(f"no option `{unknown[0]}`", HELP)
    return check(dataclasses.replace(options, **given))  # type: ignore[arg-type]


def within(options: Options, context: int | None) -> Options:
    """With `max_length` no larger than what the base can hold."""
    longest = min(options.max_length, context or options.max_length)
    return dataclasses.replace(options, max_length=longest)


def check(options: Options) -> Options:
    """The options themselves. Raises UsageError for a value no training can have."""
    positive = ("lr", "epochs", "batch_size", "accumulation", "clip", "rank", "alpha", "max_length")
    for name in positive:
        if not 0 < getattr(options, name) < math.inf:
            raise UsageError(
                f"option `{name}` is `{getattr(options, name)}`; it must be above 0", HELP
            )
    for name in ("kl", "beta", "weight_decay", "held_out", "threads"):
        if not 0 <= getattr(options, name) < math.inf:
            raise UsageError(
                f"option `{name}` is `{getattr(options, name)}`; it is never negative", HELP
            )
    for name in ("dropout", "warmup"):
        if not 0 <= getattr(options, name) < 1:
            raise UsageError(
                f"option `{name}` is `{getattr(options, name)}`; it is in [0, 1)", HELP
            )
    if options.prefix_sharing not in ("auto", "on", "off"):
        raise UsageError(
            f"option `prefix_sharing` is `{options.prefix_sharing}`; it is auto, on or off", HELP
        )
    if not all(name.strip() for name in options.targets.split(",")):
        raise UsageError(f"option `targets` is `{options.targets}`", "all-linear, or q_proj,v_proj")
    if options.full and options.qlora:
        raise UsageError("`--full` and `--qlora` exclude each other", HELP)
    if options.steps is not None and options.steps < 1:
        raise UsageError(f"option `steps` is `{options.steps}`; it must be at least 1", HELP)
    return options
