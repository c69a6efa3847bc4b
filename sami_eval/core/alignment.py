"""What `sami-eval contrast` and `align` are asked to do, and every knob of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from sami_eval.core.flags import (
    Base,
    BaseUrl,
    BatchFile,
    ByBatch,
    Concurrency,
    Engine,
    EngineArgs,
    Flag,
    Group,
    Limit,
    MaxCost,
    Out,
    Rpm,
    Seed,
    Tpm,
)
from sami_eval.core.settings import (
    Amount,
    Count,
    NotNegative,
    PartOfOne,
    Positive,
    Temperature,
    TopP,
    check,
)
from sami_eval.core.shape import Within


@dataclass(frozen=True, slots=True)
class ContrastSettings:
    """What `sami-eval contrast` was asked to do."""

    model: Annotated[
        str,
        Flag("Who writes the responses: any model `compare` takes.", Group.MODEL, value="MODEL"),
    ] = "base"
    constitutions: Annotated[
        Path | None,
        Flag(
            "TOML, the paper's JSON, or a name of ours. Default: the embedded.",
            Group.PRINCIPLES,
            value="FILE|NAME",
        ),
    ] = None
    prompts: Annotated[
        str | None, Flag("Questions, or any data set.", Group.ASKED, value="FILE|HUB-ID")
    ] = None
    from_pairs: Annotated[
        str | None,
        Flag(
            "Your own pairs: `prompt`, `chosen`, `rejected`. No model writes.",
            Group.ASKED,
            value="FILE|HUB-ID",
        ),
    ] = None
    prompt_column: Annotated[
        str | None,
        Flag("Of a data set, e.g. `problem` or `info.post`.", Group.ASKED, value="COLUMN"),
    ] = None
    split: Annotated[str, Flag("Of a data set.", Group.ASKED)] = "train"
    subset: Annotated[str | None, Flag("Of a data set: its configuration.", Group.ASKED)] = None
    category: Annotated[str | None, Flag("Of every prompt of a data set.", Group.ASKED)] = None
    category_column: Annotated[str | None, Flag("Of a data set.", Group.ASKED, value="COLUMN")] = (
        None
    )
    base: Base = None
    out: Annotated[
        Path | None,
        Flag("Default: contrasts.jsonl beside the base's adapters.", Group.OUTPUT),
    ] = None
    n: Annotated[int, Within(least=2), Flag("Constitutions a prompt.", Group.PRINCIPLES)] = 2
    temperature: Annotated[Temperature, Flag("Of the responses.", Group.SAMPLES)] = 0.4
    top_p: Annotated[TopP, Flag("Of the responses.", Group.SAMPLES)] = 0.9
    max_tokens: Annotated[Count | None, Flag("Longest response.", Group.SAMPLES)] = None
    stop: Annotated[
        tuple[str, ...],
        Flag("End a response at this text; may be given again.", Group.SAMPLES, value="TEXT"),
    ] = ()
    filters: Annotated[
        str | None,
        Flag("A preset: `paper-math`. The flags below win over it.", Group.FILTERS, value="PRESET"),
    ] = None
    finished: Annotated[
        bool,
        Flag(
            "Reject what did not end by itself.", Group.FILTERS, names=("--finished/--unfinished",)
        ),
    ] = True
    ban: Annotated[
        tuple[str, ...],
        Flag("Reject responses with this; may be given again.", Group.FILTERS, value="TEXT"),
    ] = ()
    min_characters: Annotated[int | None, Flag("Of the shortest response.", Group.FILTERS)] = None
    min_ratio: Annotated[
        float | None,
        Flag("Longest over shortest response, characters, at least.", Group.FILTERS, value="RATIO"),
    ] = None
    max_ratio: Annotated[float | None, Flag("The same, at most.", Group.FILTERS, value="RATIO")] = (
        None
    )
    opening_distance: Annotated[
        float | None,
        Flag(
            "Edit distance of openings above this share of the shorter response.",
            Group.FILTERS,
            value="SHARE",
        ),
    ] = None
    near_duplicates: Annotated[
        float | None,
        Flag("Reject prompts and responses alike to this share.", Group.FILTERS, value="SHARE"),
    ] = None
    min_heeded: Annotated[
        float | None,
        Flag(
            "Share of its principles each response heeds, by their checks.",
            Group.FILTERS,
            value="SHARE",
        ),
    ] = None
    write_principles: Annotated[
        Annotated[int, Within(least=1, most=50)] | None,
        Flag("Have a model draft so many principles.", Group.DRAFTS),
    ] = None
    principle_writer: Annotated[
        str | None,
        Flag("Who drafts them: any model, e.g. openai:gpt-4o.", Group.DRAFTS, value="MODEL"),
    ] = None
    task_description: Annotated[
        str | None,
        Flag("The prompts they are for, in words.", Group.DRAFTS, value="TEXT|FILE"),
    ] = None
    principle_categories: Annotated[
        str | None,
        Flag("e.g. writing,math. Default: for every prompt.", Group.DRAFTS, value="NAME,..."),
    ] = None
    limit: Limit = None
    seed: Seed = 0
    engine: Engine = None
    engine_args: EngineArgs = ()
    base_url: BaseUrl = None
    concurrency: Concurrency = 16
    batch: ByBatch = False
    batch_file: BatchFile = False
    max_cost: MaxCost = None
    rpm: Rpm = None
    tpm: Tpm = None

    def __post_init__(self) -> None:
        check(self, hint="sami-eval contrast --help")


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """What `sami-eval align` was asked to do, besides the knobs.

    adapters, changes: from Python alone: the folder of adapters, and the knobs that were given.
    """

    recipe: Annotated[
        str,
        Flag("sami | kto | dpo.ipo | base+sami | sft+sami+dpo ...", Group.TRAINED, positional=True),
    ]
    contrasts: Annotated[
        Path | None,
        Flag("Contrasts JSONL. Default: the file beside the base's adapters.", Group.TRAINED),
    ] = None
    constitutions: Annotated[
        Path | None,
        Flag("With --iterations and --prompts: principles.", Group.TRAINED, value="FILE|NAME"),
    ] = None
    prompts: Annotated[
        str | None,
        Flag("With --iterations: prompts, dealt out to them.", Group.TRAINED, value="FILE|HUB-ID"),
    ] = None
    base: Base = None
    out: Out = None
    iterations: Annotated[
        Count | None,
        Flag(
            "Train the last method K times, each on contrasts the model then writes anew.",
            Group.TRAINED,
            value="K",
        ),
    ] = None
    seed: Annotated[Amount, Flag("Where the recipe names none.", Group.TRAINING)] = 0
    preset: Annotated[
        str | None,
        Flag(
            "default | embedded | laptop | paper-mtbench | paper-math",
            Group.TRAINING,
            value="PRESET",
        ),
    ] = None
    resume: Annotated[
        bool,
        Flag(
            "Go on from the last checkpoint where this training was killed.",
            Group.TRAINING,
            names=("--resume/--no-resume",),
        ),
    ] = True
    engine: Engine = None
    engine_args: EngineArgs = ()
    adapters: Path = Path("adapters")
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, hint="sami-eval align --help")


@dataclass(frozen=True, slots=True)
class Options:
    """Knobs of one training; a method ignores what it has no use for.

    A preset says what is not given: on the command line a knob has no default of its own.
    schedule: a name `transformers.get_scheduler` knows. batch_size: contrasts, not rows, a forward
        pass. clip: largest gradient norm. warmup: share of the steps spent rising to lr.
    length_normalize: SAMI compares mean (not summed) token log-probabilities.
    train_eos: the end of a response is trained too, so that the model learns to stop.
    max_length: longer contrasts, and those longer than the base's context, are left out, counted.
    loss: of a method that has several (generate/losses.py); part of the recipe's name.
    max_fall: nats a token by which own responses may fall below the reference, the sign of
        collapse: SAMI, SimPO and ORPO stop there, DPO, MIPO and KTO warn.
    prefix_sharing: SAMI reads a prompt once for all responses under it; "on" refuses to train where
        that is not exact.
    keep_checkpoints: at most so many adapters stay, the last included; the weights are the same.
    checkpointing: recompute activations instead of storing them.
    device: "cpu", or "auto" for the GPU where there is one. threads: of the CPU, 0 leaves them
        alone; a fixed number makes the weights independent of the machine's core count.
    """

    lr: Annotated[Positive, Flag("Peak learning rate of AdamW.", Group.TRAINING)] = 2e-4
    schedule: str = "linear"
    epochs: Annotated[Positive, Flag("Passes over the contrasts.", Group.TRAINING)] = 1.0
    steps: Annotated[
        Count | None, Flag("Optimiser steps, in the place of epochs.", Group.TRAINING)
    ] = None
    batch_size: Annotated[Count, Flag("Contrasts a batch.", Group.TRAINING)] = 4
    accumulation: Annotated[Count, Flag("Batches a step.", Group.TRAINING)] = 1
    clip: Positive = 1.0
    warmup: PartOfOne = 0.1
    weight_decay: NotNegative = 0.0
    rank: Annotated[Count, Flag("LoRA rank.", Group.LORA)] = 16
    alpha: Annotated[Count, Flag("LoRA alpha.", Group.LORA)] = 32
    dropout: PartOfOne = 0.0
    targets: Annotated[
        str, Flag("all-linear, or module names with commas.", Group.LORA, value="NAMES")
    ] = "all-linear"
    beta: Annotated[
        NotNegative,
        Flag("DPO's, KTO's, MIPO's weight of the reference; SimPO's, ORPO's own.", Group.METHOD),
    ] = 0.1
    kl: Annotated[
        NotNegative,
        Flag("SAMI's weight of the KL divergence, per response token.", Group.METHOD),
    ] = 0.1
    loss: Annotated[
        str | None,
        Flag("As `dpo.ipo` says it; `sigmoid,sft=0.2` adds several.", Group.METHOD, value="NAME"),
    ] = None
    length_normalize: bool = True
    train_eos: bool = True
    max_length: Annotated[Count, Flag("Tokens of a row.", Group.TRAINING)] = 2048
    max_fall: float = 0.5
    prefix_sharing: Annotated[
        Literal["auto", "on", "off"],
        Flag("SAMI: auto shares where it is exact, and says where not.", Group.METHOD),
    ] = "auto"
    held_out: Annotated[
        Amount, Flag("Contrasts SAMI scores and never trains on.", Group.METHOD)
    ] = 0
    full: Annotated[
        bool,
        Flag("Train all weights: a checkpoint.", Group.LORA, names=("--full/--lora",)),
    ] = False
    qlora: Annotated[bool, Flag("LoRA on a 4-bit base; needs bitsandbytes.", Group.LORA)] = False
    positives_only: Annotated[
        bool,
        Flag(
            "SFT: under no antithesis, or under all.",
            Group.METHOD,
            names=("--positives-only/--all-responses",),
        ),
    ] = False
    keep_checkpoints: Annotated[
        Amount,
        Flag(
            "Adapters kept on the way, at most N, evenly: NAME:STEP, or NAME:all.",
            Group.TRAINING,
            value="N",
        ),
    ] = 0
    report_to: Annotated[str, Flag("Of transformers: tensorboard, wandb, ...", Group.TRAINING)] = (
        "none"
    )
    checkpointing: bool = True
    device: Literal["auto", "cpu"] = "auto"
    threads: Amount = 0
    seed: Amount = 0
