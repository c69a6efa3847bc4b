"""What `sami-eval train` is asked to do: contrasts, several trainings, one comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sami_eval.core.flags import (
    Base,
    BaseUrl,
    Concurrency,
    Engine,
    EngineArgs,
    Flag,
    Group,
    MaxCost,
    Out,
    Rpm,
    Tpm,
)
from sami_eval.core.settings import Amount, Count, check


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What `sami-eval train` was asked to do."""

    methods: Annotated[
        str,
        Flag("Methods or recipes; each is trained and compared.", Group.TRAINED, value="NAME,..."),
    ] = "sami,dpo"
    base: Base = None
    constitutions: Annotated[
        str | None,
        Flag(
            "Principles to write and compare under: TOML, the paper's JSON, or a name.",
            Group.PRINCIPLES,
            names=("--constitutions", "--constitution"),
            value="FILE|NAME",
        ),
    ] = None
    prompts: Annotated[
        str | None,
        Flag("Prompts to train on. Default: the embedded world's.", Group.TRAINED, value="FILE|ID"),
    ] = None
    writer: Annotated[
        str, Flag("Who writes the contrasts: any model.", Group.TRAINED, value="MODEL")
    ] = "base"
    preset: Annotated[
        str | None, Flag("default | embedded | laptop: how it is trained.", Group.TRAINED)
    ] = None
    questions: Annotated[
        Path | None,
        Flag("What is asked then. Default: MT-Bench's, or the embedded world's.", Group.COMPARED),
    ] = None
    limit: Annotated[
        Count | None, Flag("Use so many of the questions. Default: 80 or 240.", Group.COMPARED)
    ] = None
    judge: Annotated[
        str | None, Flag("Judge name or file; see `sami-eval ls judges`.", Group.JUDGE)
    ] = None
    judge_model: Annotated[
        str | None, Flag("The model that judges.", Group.JUDGE, value="MODEL")
    ] = None
    seed: Annotated[Amount, Flag("Of prompts, training, answers: all of it.", Group.MODEL)] = 0
    engine: Engine = None
    engine_args: EngineArgs = ()
    base_url: BaseUrl = None
    concurrency: Concurrency = 16
    max_cost: MaxCost = None
    rpm: Rpm = None
    tpm: Tpm = None
    start: Annotated[
        str | None,
        Flag("Do this stage and those after again.", Group.OUTPUT, ("--from",), value="STAGE"),
    ] = None
    out: Out = None

    def __post_init__(self) -> None:
        check(self, hint="sami-eval train --help")
