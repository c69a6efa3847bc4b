"""What `sami-eval reproduce` was asked to do: one field a setting, as in experiment/settings.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sami_eval.core.flags import (
    BaseUrl,
    Concurrency,
    Engine,
    EngineArgs,
    Flag,
    Group,
    MaxCost,
    Out,
    ReportTo,
    Rpm,
    Tpm,
)
from sami_eval.core.settings import Amount, check


@dataclass(frozen=True, slots=True)
class ReproduceSettings:
    """What `sami-eval reproduce` was asked to do."""

    scale: Annotated[
        str, Flag("embedded | laptop | paper | one-gpu, or a TOML file of your own.", Group.ASKED)
    ] = "embedded"
    seed: Annotated[Amount, Flag("Of prompts, training, sampling: all of it.", Group.ASKED)] = 0
    start: Annotated[
        str | None,
        Flag("Do this stage and those after again.", Group.ASKED, names=("--from",), value="STAGE"),
    ] = None
    only: Annotated[str | None, Flag("Do no other stage.", Group.ASKED, value="STAGE")] = None
    constitutions: Annotated[
        Path | None,
        Flag("Principles in the place of the scale's, e.g. the paper's JSON.", Group.ASKED),
    ] = None
    prompts: Annotated[
        Path | None,
        Flag("MT-Bench's questions or GSM8K's problems. Default: the hub's.", Group.ASKED),
    ] = None
    base_url: BaseUrl = None
    engine: Engine = None
    engine_args: EngineArgs = ()
    out: Out = None
    concurrency: Concurrency = 16
    max_cost: MaxCost = None
    rpm: Rpm = None
    tpm: Tpm = None
    report_to: ReportTo = ()

    def __post_init__(self) -> None:
        check(self, hint="sami-eval reproduce --help")


@dataclass(frozen=True, slots=True)
class MtbenchSettings(ReproduceSettings):
    """What `sami-eval reproduce mtbench` was asked to do."""

    judge_model: Annotated[
        str | None,
        Flag("In the place of the scale's, e.g. openai:NAME.", Group.JUDGE, value="MODEL"),
    ] = None
