"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Base = Annotated[
    str | None,
    typer.Option(help="Base of recipes: hub id or folder. Default: the embedded tiny base."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only so many prompts.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of sampling and resampling.")]
Out = Annotated[Path | None, typer.Option(help="Where the result goes.")]
Engine = Annotated[
    str | None, typer.Option(help="auto | vllm | hf: what generates locally. Default: auto.")
]
EngineArg = Annotated[
    list[str] | None, typer.Option(help="k=v passed to the engine; may be given again.")
]
PromptsFile = Annotated[
    Path | None, typer.Option(help="Questions: FastChat question.jsonl or our JSONL.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(help="OpenAI-compatible server.", envvar="OPENAI_BASE_URL", show_envvar=True),
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests in flight at once.")]
MaxCost = Annotated[
    float | None, typer.Option(metavar="USD", help="Stop before a call that could pass this cost.")
]
Rpm = Annotated[float | None, typer.Option(metavar="N", help="Requests a minute at most.")]
Tpm = Annotated[float | None, typer.Option(metavar="N", help="Tokens a minute at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, then stop.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="More: stage times, memory, tracebacks.")
]
Votes = Annotated[
    str | None,
    typer.Option(help="People's votes: file or hub id, as lmsys/mt_bench_human_judgments."),
]
As = Annotated[
    list[str] | None,
    typer.Option("--as", help="CONTENDER=NAME: its name in the votes; may be given again."),
]
