"""What each command of an experiment was asked to do: one class a command, one field a setting.

A field is all that is said of a setting anywhere: its flag, type, bounds, default and help.
None leaves a choice to `sami-eval.toml` and the defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sami_eval.core.errors import UsageError
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
    MaxCost,
    Out,
    ReportTo,
    Rpm,
    Seed,
    Tpm,
    Train,
    UntilDecided,
    VoteNames,
    Votes,
)
from sami_eval.core.settings import Amount, Count, Share, Temperature, Timeout, check
from sami_eval.core.shape import Within

KS = (1, 10, 32)
Repeats = Annotated[int, Within(least=1, most=1000)]


def parse_ks(text: str) -> tuple[int, ...]:
    """`1,10,32` in rising order, each once."""
    parts = [part.strip() for part in text.split(",")]
    bad = [p for p in parts if not (p.isascii() and p.isdigit() and len(p) < 7 and int(p) > 0)]
    if bad:
        raise UsageError(
            f"`--k {text}`: `{bad[0]}` is no whole number from 1 to 999999", "--k 1,10,32"
        )
    return tuple(sorted({int(part) for part in parts}))


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """What `sami-eval compare` was asked to do."""

    contenders: Annotated[
        tuple[str, ...],
        Flag(
            "Two or more, or one against its task's baseline: recipes, names, adapters, their "
            "checkpoints (NAME:all), files, openai:NAME, hub ids.",
            Group.COMPARED,
            positional=True,
        ),
    ]
    against: Annotated[
        str | None,
        Flag(
            "Compare each with this one alone; `none`: with each other, though the task "
            "has a baseline.",
            Group.COMPARED,
            value="NAME",
        ),
    ] = None
    task: Annotated[
        str | None,
        Flag("What they answer: a name of `sami-eval ls tasks`, or a file.", Group.COMPARED),
    ] = None
    prompts: Annotated[
        Path | None, Flag("Questions: FastChat question.jsonl or our JSONL.", Group.COMPARED)
    ] = None
    references: Annotated[
        Path | None, Flag("Reference answers in MT-Bench's format.", Group.COMPARED)
    ] = None
    fix_references: Annotated[
        Path | None, Flag("References in the same format that replace wrong ones.", Group.COMPARED)
    ] = None
    constitutions: Annotated[
        str | None,
        Flag(
            "Principles for the prompts: TOML, the paper's JSON, or a name (`sami-eval ls "
            "constitutions`); `none` takes their own away.",
            Group.PRINCIPLES,
            value="FILE|NAME",
        ),
    ] = None
    generate_with_principles: Annotated[
        bool | None,
        Flag(
            "Show the principles to the contenders. Default: where the prompts carry them.",
            Group.PRINCIPLES,
            names=("--generate-with-principles/--generate-without-principles",),
        ),
    ] = None
    base: Base = None
    train: Train = False
    judge: Annotated[
        str | None, Flag("Judge name or file; see `sami-eval ls judges`.", Group.JUDGE)
    ] = None
    judge_model: Annotated[
        str | Sequence[str] | None,
        Flag(
            "The model that judges: openai:NAME, so azure:, anthropic:, gemini:, openrouter: and "
            "any of [servers], vllm:ID, hf:ID, or a name under [models]; again: an ensemble.",
            Group.JUDGE,
            value="MODEL",
        ),
    ] = None
    judge_prompts: Annotated[
        Path | None,
        Flag(
            "Judge prompts as their authors publish them, in the place of a judge file: FastChat's "
            "judge_prompts.jsonl, Arena-Hard's or AlpacaEval's YAML, WildBench's template.",
            Group.JUDGE,
        ),
    ] = None
    base_url: BaseUrl = None
    orders: Annotated[
        Literal["both", "one"], Flag("Judge in both orders, or in one.", Group.JUDGE)
    ] = "both"
    rule: Annotated[
        Literal["conservative", "average"] | None,
        Flag(
            "Orders that disagree: a tie (conservative, the default where the task says none), or "
            "the mean of both.",
            Group.COUNTING,
        ),
    ] = None
    control: Annotated[
        Literal["length", "length,style"] | None,
        Flag(
            "The win rate at equal length (the default where the task says none), or at equal "
            "length and style too.",
            Group.COUNTING,
        ),
    ] = None
    repeats: Annotated[Repeats, Flag("Ask each judgment so many times.", Group.JUDGE)] = 1
    engine: Engine = None
    engine_args: EngineArgs = ()
    max_tokens: Annotated[Count | None, Flag("Longest answer a turn.", Group.MODEL)] = None
    temperature: Annotated[
        Temperature | None, Flag("Overrides the categories' temperatures.", Group.MODEL)
    ] = None
    limit: Annotated[Count | None, Flag("Use only so many prompts.", Group.COMPARED)] = None
    seed: Seed = 0
    out: Out = None
    concurrency: Concurrency = 16
    timeout: Annotated[
        Timeout, Flag("For one attempt at a call.", Group.SERVERS, value="SECONDS")
    ] = 300.0
    retry_unparsed: Annotated[bool, Flag("Ask again where there is no verdict.", Group.JUDGE)] = (
        False
    )
    until_decided: UntilDecided = False
    votes: Votes = None
    vote_names: VoteNames = ()
    batch: ByBatch = False
    batch_file: BatchFile = False
    max_cost: MaxCost = None
    rpm: Rpm = None
    tpm: Tpm = None
    max_unparsed: Annotated[
        Share, Flag("Exit 1 above this share without a verdict.", Group.COUNTING)
    ] = 0.02
    report_to: ReportTo = ()

    def __post_init__(self) -> None:
        check(self, hint="sami-eval compare --help")


@dataclass(frozen=True, slots=True)
class AgreementSettings:
    """What `sami-eval agreement` was asked to do."""

    judged: Annotated[
        str | None,
        Flag(
            "What the judge said: run, file of verdicts, or votes of its own (file, hub id:split); "
            "default: latest run.",
            Group.COMPARED,
            positional=True,
        ),
    ] = None
    beside: Annotated[
        tuple[str, ...],
        Flag(
            "Another judge at hand, as a run, file or votes; may be given again.",
            Group.COMPARED,
            value="RUN|FILE",
        ),
    ] = ()
    votes: Votes = None
    vote_names: VoteNames = ()
    report_to: ReportTo = ()

    def __post_init__(self) -> None:
        check(self, hint="sami-eval agreement --help")


@dataclass(frozen=True, slots=True)
class PasskSettings:
    """What `sami-eval passk` was asked to do."""

    contenders: Annotated[
        tuple[str, ...],
        Flag(
            "Recipes, names, adapters, NAME:all, openai:NAME, hub ids.",
            Group.ASKED,
            positional=True,
        ),
    ]
    ks: Annotated[
        tuple[Count, ...],
        Flag(
            "Which k, separated by commas.",
            Group.SAMPLES,
            names=("--k",),
            value="K,K,...",
            read=parse_ks,
        ),
    ] = KS
    samples: Annotated[
        int | None,
        Flag("Samples a problem; at least the largest k. Default: 32.", Group.SAMPLES),
    ] = None
    temperature: Annotated[
        float | None, Flag("Of the samples. Default: 0.7 (paper: 1).", Group.SAMPLES)
    ] = None
    top_p: Annotated[float | None, Flag("Default: 1 (paper: 0.9).", Group.SAMPLES)] = None
    max_tokens: Annotated[Count | None, Flag("Longest answer.", Group.SAMPLES)] = None
    limit: Annotated[Count | None, Flag("Use the first so many problems.", Group.ASKED)] = None
    task: Annotated[
        str | None,
        Flag("What they solve: a name of `sami-eval ls tasks`, or a file.", Group.ASKED),
    ] = None
    prompts: Annotated[
        Path | None, Flag("Problems: GSM8K's JSONL or ours, instead of the task's.", Group.ASKED)
    ] = None
    cluster: Annotated[
        str | None,
        Flag(
            "Field of the problem file that groups them, e.g. by template.",
            Group.ASKED,
            value="FIELD",
        ),
    ] = None
    marker: Annotated[
        str | None,
        Flag(
            "What reads the answers: number (default), math, choice, or a file of your own; see "
            "`sami-eval ls markers`.",
            Group.ASKED,
            value="NAME|FILE",
        ),
    ] = None
    split: Annotated[
        str | None, Flag("Another split than the task's; embedded: evaluation.", Group.ASKED)
    ] = None
    num_fewshot: Annotated[Amount, Flag("Worked examples before each.", Group.ASKED)] = 0
    fewshot: Annotated[
        Path | None, Flag("Where examples are from. Default: as the task says.", Group.ASKED)
    ] = None
    greedy: Annotated[
        bool,
        Flag(
            "Also one attempt a problem at temperature 0.",
            Group.SAMPLES,
            names=("--greedy/--no-greedy",),
        ),
    ] = True
    best_of: Annotated[
        str | None,
        Flag(
            "Also the best of k samples by a reward model: reward:FOLDER, reward:ID or a judge "
            "file of that kind.",
            Group.SAMPLES,
            value="REWARD",
        ),
    ] = None
    protocol: Annotated[
        Literal["default", "paper"],
        Flag("paper: its prompt, temperature, top_p and split, and their flaws.", Group.ASKED),
    ] = "default"
    base: Base = None
    train: Train = False
    base_url: BaseUrl = None
    engine: Engine = None
    engine_args: EngineArgs = ()
    seed: Seed = 0
    out: Out = None
    concurrency: Concurrency = 16
    batch: ByBatch = False
    batch_file: BatchFile = False
    max_cost: MaxCost = None
    rpm: Rpm = None
    tpm: Tpm = None
    until_decided: UntilDecided = False
    max_unparsed: Annotated[
        Share, Flag("Exit 1 above this share of samples without text.", Group.SAMPLES)
    ] = 0.02
    report_to: ReportTo = ()

    def __post_init__(self) -> None:
        check(self, hint="sami-eval passk --help")
        object.__setattr__(self, "ks", tuple(sorted(set(self.ks))))
