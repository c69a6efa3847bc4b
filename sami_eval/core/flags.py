"""What a setting is on the command line: said once, on the field of its command's settings class.

limit: Annotated[Count | None, Flag("Use only so many prompts.", Group.COMPARED)] = None

is the flag `--limit N` with its bound, its help and its place in `--help`; a key of `--config` and
of a run's settings.toml; and an argument of the Python face. Flags of several commands stand below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from sami_eval.core.settings import Amount, Count, alternatives


class Group(StrEnum):
    """The headings of `--help`, in their order."""

    COMPARED = "What is compared"
    ASKED = "What is asked"
    TRAINED = "What is trained"
    PRINCIPLES = "Principles"
    SAMPLES = "Samples"
    FILTERS = "Filters"
    DRAFTS = "Principles to draft"
    TRAINING = "Training"
    LORA = "Weights"
    METHOD = "Methods"
    MODEL = "Base and engine"
    JUDGE = "Judge"
    COUNTING = "Counting"
    SERVERS = "Money and servers"
    OUTPUT = "Output"


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting as it is typed, in the Annotated type of a field.

    names: how; by default `--` and the field's name. "--a/--b" are the two of a switch.
    value: what the help shows for the value; by default the type says it.
    positional: without a name. envvar: the variable that is read where it is not typed.
    read: makes the value of what is typed, where that is more than a conversion.
    """

    help: str
    group: Group
    names: tuple[str, ...] = ()
    value: str | None = None
    positional: bool = False
    envvar: str | None = None
    read: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One flag, and what it sets: a field of the parameter `owner`, or the parameter itself.

    usual: what holds where nothing is said, though it may be said elsewhere, as by a preset.
    """

    owner: str
    name: str
    kind: Any
    flag: Flag
    default: object
    usual: object = None

    @property
    def names(self) -> tuple[str, ...]:
        """As it is typed; what switches on has a name that switches off what a file says."""
        names = self.flag.names or (f"--{self.name.replace('_', '-')}",)
        if bool not in alternatives(self.kind) or any("/" in name for name in names):
            return names
        return tuple(f"{one}/--no-{one[2:]}" if one.startswith("--") else one for one in names)

    @property
    def typed_name(self) -> str:
        """How an error calls it."""
        longest = max(self.names, key=len).partition("/")[0]
        return self.name if self.flag.positional else longest


def flags_of(owner: str, settings: Any, whole: bool = True) -> Iterator[Setting]:
    """The settings of a class. whole: a field that is not given has its default."""
    hints = get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        kind = hints[field.name]
        if (flag := flag_of(kind)) is not None:
            default = field.default if whole else None
            yield Setting(owner, field.name, kind, flag, default, field.default)


def flag_of(kind: Any) -> Flag | None:
    """The flag that a type is annotated with."""
    found = (one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Flag))
    return next(found, None)


Limit = Annotated[Count | None, Flag("Use only so many prompts.", Group.ASKED)]
Base = Annotated[
    str | None,
    Flag(
        "Base of recipes: hub id, folder or .gguf file. Default: the embedded one.",
        Group.MODEL,
        value="MODEL",
    ),
]
Train = Annotated[bool, Flag("Train missing adapters of a base of your own.", Group.MODEL)]
Engine = Annotated[
    str | None,
    Flag(
        "auto | vllm | serve | hf: what generates locally. Default: auto.",
        Group.MODEL,
        value="NAME",
    ),
]
EngineArgs = Annotated[
    tuple[str, ...],
    Flag(
        "Passed to the engine; may be given again.",
        Group.MODEL,
        names=("--engine-arg",),
        value="KEY=VALUE",
    ),
]
UntilDecided = Annotated[
    bool,
    Flag(
        "Ask block by block, and stop when it is clear who is ahead, or that it will not be.",
        Group.COUNTING,
    ),
]
Seed = Annotated[Amount, Flag("Seed of sampling and resampling.", Group.MODEL)]
BaseUrl = Annotated[
    str | None,
    Flag("OpenAI-compatible server.", Group.SERVERS, value="URL", envvar="OPENAI_BASE_URL"),
]
Concurrency = Annotated[Count, Flag("Requests in flight at once.", Group.SERVERS)]
MaxCost = Annotated[
    float | None,
    Flag("Stop before a call that could pass this cost.", Group.SERVERS, value="DOLLARS"),
]
ByBatch = Annotated[
    bool, Flag("Ask servers by batch jobs: half the price, within a day.", Group.SERVERS)
]
BatchFile = Annotated[
    bool,
    Flag("Write files for `vllm run-batch`; run again, read its answers.", Group.SERVERS),
]
Rpm = Annotated[float | None, Flag("Requests a minute at most.", Group.SERVERS)]
Tpm = Annotated[float | None, Flag("Tokens a minute at most.", Group.SERVERS)]
Votes = Annotated[
    str | None,
    Flag(
        "People's votes: file or hub id, as lmsys/mt_bench_human_judgments.",
        Group.COUNTING,
        value="FILE|HUB-ID",
    ),
]
VoteNames = Annotated[
    tuple[str, ...],
    Flag(
        "A contender's name in the votes; may be given again.",
        Group.COUNTING,
        names=("--as",),
        value="CONTENDER=NAME",
    ),
]
ReportTo = Annotated[
    tuple[str, ...],
    Flag(
        "wandb | mlflow | trackio: keep the result there too; may be given again.",
        Group.OUTPUT,
        value="NAME,...",
    ),
]
Out = Annotated[Path | None, Flag("Where the result goes.", Group.OUTPUT, value="FOLDER")]
