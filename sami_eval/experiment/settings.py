"""What each command of an experiment was asked to do: one class a command, one field a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sami_eval.core.settings import Amount, Count, Temperature, Timeout, check

KS = (1, 10, 32)


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """What `sami-eval compare` was asked to do; None leaves a choice to config and defaults.

    constitutions: file of principles for the prompts, or "none" to take their own away.
    judge_prompts: FastChat's judge_prompts.jsonl, to judge by instead of a judge file.
    references, fix_references: files of reference answers; what the second holds wins.
    judge_model: what judges; several are an ensemble.
    train: make missing adapters of a base of the user's own too.
    timeout: seconds for one attempt at a call.
    max_cost: USD that no call may pass. rpm, tpm: requests and tokens a minute.
    votes: people's, file or hub id; vote_names: CONTENDER=NAME, what they call a contender.
    """

    contenders: tuple[str, ...]
    task: str | None = None
    prompts: Path | None = None
    references: Path | None = None
    fix_references: Path | None = None
    constitutions: str | None = None
    generate_with_principles: bool | None = None
    base: str | None = None
    train: bool = False
    judge: str | None = None
    judge_model: str | Sequence[str] | None = None
    judge_prompts: Path | None = None
    base_url: str | None = None
    orders: Literal["both", "one"] = "both"
    rule: Literal["conservative", "average"] = "conservative"
    repeats: Count = 1
    engine: str | None = None
    engine_args: tuple[str, ...] = ()
    max_tokens: Count | None = None
    temperature: Temperature | None = None
    limit: Count | None = None
    seed: Amount = 0
    out: Path | None = None
    concurrency: Count = 16
    timeout: Timeout = 300.0
    retry_unparsed: bool = False
    votes: str | None = None
    vote_names: tuple[str, ...] = ()
    max_cost: float | None = None
    rpm: float | None = None
    tpm: float | None = None

    def __post_init__(self) -> None:
        check(self, hint="sami-eval compare --help")


@dataclass(frozen=True, slots=True)
class PasskSettings:
    """What `sami-eval passk` was asked to do; None leaves a choice to config and defaults.

    prompts: problems as a file. cluster: its field that groups them. fewshot: file of worked
    examples. greedy: also one attempt at temperature 0. protocol "paper": the paper's prompt,
    temperature, top_p and split.
    """

    contenders: tuple[str, ...]
    ks: tuple[Count, ...] = KS
    samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Count | None = None
    limit: Count | None = None
    prompts: Path | None = None
    cluster: str | None = None
    split: str | None = None
    num_fewshot: Amount = 0
    fewshot: Path | None = None
    greedy: bool = True
    protocol: Literal["default", "paper"] = "default"
    base: str | None = None
    train: bool = False
    base_url: str | None = None
    engine: str | None = None
    engine_args: tuple[str, ...] = ()
    seed: Amount = 0
    out: Path | None = None
    concurrency: Count = 16
    max_cost: float | None = None
    rpm: float | None = None
    tpm: float | None = None

    def __post_init__(self) -> None:
        check(self, hint="sami-eval passk --help")
