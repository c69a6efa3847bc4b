"""`sami-eval contrast`: constitutions x prompts -> contrasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sami_eval.cli.options import Base, BaseUrl, Engine, EngineArg, Limit, PromptsFile, Quiet, Seed
from sami_eval.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.align.contrast import Summary
    from sami_eval.types import Principle, Prompt


def contrast(
    model: Annotated[
        str, typer.Option(help="Who writes the responses: any model `compare` takes.")
    ] = "base",
    constitutions: Annotated[
        Path | None,
        typer.Option(
            help="Principles: our TOML or the paper's JSON. Default: the embedded world's."
        ),
    ] = None,
    prompts: PromptsFile = None,
    base: Base = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: contrasts.jsonl beside the base's adapters.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=2, help="Constitutions a prompt.")] = 2,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.4,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 0.9,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest response.")] = None,
    limit: Limit = None,
    seed: Seed = 0,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    base_url: BaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Write contrasts: each prompt answered under several constitutions."""
    from sami_eval import adapters, models, progress
    from sami_eval.align.contrast import SAMPLING, contrasts_to_jsonl, summarize
    from sami_eval.calls import Sampling
    from sami_eval.client import ClientSettings
    from sami_eval.config import find_config
    from sami_eval.generate import EngineChoice, parse_arguments
    from sami_eval.store import Ledger, atomic_write

    config = find_config(Path.cwd())
    base = base or config.defaults.get("base")
    writer = models.resolve_all([model], base, config=config, base_url=base_url)[0]
    asked, principles = _world(prompts, constitutions)
    usual = adapters.EMBEDDED_SAMPLING if prompts is None else SAMPLING
    settings = adapters.ContrastSettings(
        n=n,
        limit=limit,
        sampling=Sampling(temperature, top_p, max_tokens or usual.max_tokens),
        seed=seed,
        engine=EngineChoice(
            engine or "auto", parse_arguments(engine_arg or ()), ClientSettings(base_url)
        ),
    )
    shown = progress.terminal(quiet)
    with Ledger(config.ledger_path) as ledger:
        written = adapters.contrasts_of(writer, asked, principles, settings, ledger, shown)
    path = out or adapters.contrasts_path(writer, config.root)
    atomic_write(path, contrasts_to_jsonl(written))
    _print_summary(summarize(written), path)


def _world(
    prompts: Path | None, constitutions: Path | None
) -> tuple[list[Prompt], tuple[Principle, ...]]:
    from sami_eval import embedded
    from sami_eval.constitutions import read_constitution
    from sami_eval.prompts import read_prompts

    if (prompts is None) != (constitutions is None):
        given, missing = ("prompts", "constitutions") if prompts else ("constitutions", "prompts")
        raise UsageError(f"`--{given}` without `--{missing}`", "give both, or none of them")
    if prompts is None or constitutions is None:
        return embedded.prompts("alignment"), read_constitution(embedded.CONSTITUTION)
    return read_prompts(prompts), read_constitution(constitutions)


def _print_summary(summary: Summary, path: Path) -> None:
    from sami_eval.cli.output import print_table

    rows = [
        (category, str(written), str(accepted), f"{accepted / written:.0%}")
        for category, (accepted, written) in summary.by_category.items()
    ]
    print_table("", rows, ("category", "written", "accepted", "share"))
    print(f"\n{summary.accepted} of {summary.n} contrasts accepted")
    for reason, count in summary.rejected.items():
        print(f"  {count} rejected: {reason}")
    if summary.mean_tokens is not None:
        print(f"mean response length {summary.mean_tokens:.0f} tokens")
    print(f"saved {path}")
