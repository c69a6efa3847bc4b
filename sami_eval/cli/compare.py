"""`sami-eval compare`: which of these models is better, or is it noise?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sami_eval.cli.options import (
    As,
    Base,
    BaseUrl,
    Concurrency,
    DryRun,
    Engine,
    EngineArg,
    Json,
    Limit,
    MaxCost,
    Out,
    PromptsFile,
    Quiet,
    Rpm,
    Seed,
    Tpm,
    Verbose,
    Votes,
)

if TYPE_CHECKING:
    from sami_eval.core.config import Config
    from sami_eval.experiment.settings import CompareSettings


def compare(
    contenders: Annotated[
        list[str],
        typer.Argument(help="Two or more: recipes, names, adapters, files, openai:NAME, hub ids."),
    ],
    task: Annotated[str | None, typer.Option(help="What they answer.")] = None,
    prompts: PromptsFile = None,
    references: Annotated[
        Path | None, typer.Option(help="Reference answers in MT-Bench's format.")
    ] = None,
    fix_references: Annotated[
        Path | None, typer.Option(help="References in the same format that replace wrong ones.")
    ] = None,
    constitutions: Annotated[
        str | None,
        typer.Option(help="Principles for the prompts, TOML or the paper's JSON; or `none`."),
    ] = None,
    generate_with_principles: Annotated[
        bool | None,
        typer.Option(
            "--generate-with-principles/--generate-without-principles",
            help="Show the principles to the contenders. Default: where the prompts carry them.",
        ),
    ] = None,
    base: Base = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train missing adapters of a base of your own.")
    ] = False,
    judge: Annotated[
        str | None, typer.Option(help="Judge name or file; see `sami-eval ls judges`.")
    ] = None,
    judge_model: Annotated[
        list[str] | None,
        typer.Option(
            help="The model that judges: openai:NAME, azure:DEPLOYMENT, vllm:ID, hf:ID, or a name "
            "under [models]; given again: an ensemble."
        ),
    ] = None,
    judge_prompts: Annotated[
        Path | None,
        typer.Option(
            help="FastChat's judge_prompts.jsonl: pair-v2, or single-v1 by --judge single."
        ),
    ] = None,
    base_url: BaseUrl = None,
    orders: Annotated[
        Literal["both", "one"], typer.Option(help="Judge in both orders, or in one.")
    ] = "both",
    rule: Annotated[
        Literal["conservative", "average"],
        typer.Option(help="Orders that disagree: a tie, or the mean of both."),
    ] = "conservative",
    repeats: Annotated[int, typer.Option(min=1, help="Ask each judgment so many times.")] = 1,
    max_unparsed: Annotated[
        float, typer.Option(min=0, max=1, help="Exit 1 above this share without a verdict.")
    ] = 0.02,
    retry_unparsed: Annotated[
        bool, typer.Option("--retry-unparsed", help="Ask again where there is no verdict.")
    ] = False,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer a turn.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="Overrides the categories' temperatures.")
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    out: Out = None,
    concurrency: Concurrency = 16,
    timeout: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="For one attempt at a call.")
    ] = 300.0,
    max_cost: MaxCost = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    votes: Votes = None,
    names: As = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Judge contenders pairwise and say whether the difference is real."""
    from sami_eval.cli.output import print_document
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.experiment.run import run_comparison
    from sami_eval.experiment.settings import CompareSettings
    from sami_eval.report.unanswered import check_unparsed
    from sami_eval.server import endpoint

    settings = CompareSettings(
        contenders=tuple(contenders),
        task=task,
        prompts=prompts,
        references=references,
        fix_references=fix_references,
        constitutions=constitutions,
        generate_with_principles=generate_with_principles,
        base=base,
        train=train,
        judge=judge,
        judge_model=_one_or_several(judge_model),
        judge_prompts=judge_prompts,
        base_url=base_url,
        orders=orders,
        rule=rule,
        repeats=repeats,
        retry_unparsed=retry_unparsed,
        engine=engine,
        engine_args=tuple(engine_arg or ()),
        max_tokens=max_tokens,
        temperature=temperature,
        limit=limit,
        seed=seed,
        out=out,
        concurrency=concurrency,
        timeout=timeout,
        max_cost=max_cost,
        rpm=rpm,
        tpm=tpm,
        votes=votes,
        vote_names=tuple(names or ()),
    )
    config = find_config(Path.cwd())
    if dry_run:
        _print_forecast(settings, config, as_json)
        return
    command = endpoint.masked(shlex.join(["sami-eval", *sys.argv[1:]]))
    document = run_comparison(settings, config, progress.terminal(quiet), command)
    print_document(document, as_json, verbose)
    check_unparsed(document, max_unparsed)


def _one_or_several(given: list[str] | None) -> str | tuple[str, ...] | None:
    return given[0] if given and len(given) == 1 else tuple(given or ()) or None


def _print_forecast(settings: CompareSettings, config: Config, as_json: bool) -> None:
    from sami_eval.cli.output import print_json
    from sami_eval.experiment.forecast import describe, forecast, to_row

    found = forecast(settings, config)
    if as_json:
        print_json(to_row(found))
    else:
        print(describe(found))
        for note in found.plan.notes:
            print(note, file=sys.stderr)
