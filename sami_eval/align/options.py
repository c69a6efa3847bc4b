"""How an adapter is trained: every knob, and presets per kind of base and method."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sami_eval.core import settings
from sami_eval.core.errors import UsageError
from sami_eval.core.settings import Amount, Count, NotNegative, PartOfOne, Positive
from sami_eval.core.types import Model

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

    lr: Positive = 2e-4
    schedule: str = "linear"
    epochs: Positive = 1.0
    steps: Count | None = None
    batch_size: Count = 4
    accumulation: Count = 1
    clip: Positive = 1.0
    warmup: PartOfOne = 0.1
    weight_decay: NotNegative = 0.0
    rank: Count = 16
    alpha: Count = 32
    dropout: PartOfOne = 0.0
    targets: str = "all-linear"
    beta: NotNegative = 0.1
    kl: NotNegative = 0.1
    length_normalize: bool = True
    train_eos: bool = True
    max_length: Count = 2048
    max_fall: float = 0.5
    prefix_sharing: Literal["auto", "on", "off"] = "auto"
    held_out: Amount = 0
    full: bool = False
    qlora: bool = False
    positives_only: bool = False
    report_to: str = "none"
    checkpointing: bool = True
    device: Literal["auto", "cpu"] = "auto"
    threads: Amount = 0
    seed: Amount = 0


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
    settings.check(options, "option", HELP)
    if not all(name.strip() for name in options.targets.split(",")):
        raise UsageError(f"option `targets` is `{options.targets}`", "all-linear, or q_proj,v_proj")
    if options.full and options.qlora:
        raise UsageError("`--full` and `--qlora` exclude each other", HELP)
    return options
