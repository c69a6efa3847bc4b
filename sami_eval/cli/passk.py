"""`sami-eval passk`: how often is one of k samples right, and which model is ahead?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sami_eval.cli.options import (
    Base,
    BaseUrl,
    Concurrency,
    DryRun,
    Engine,
    EngineArg,
    Json,
    MaxCost,
    Out,
    Quiet,
    Rpm,
    Seed,
    Tpm,
    Verbose,
)

if TYPE_CHECKING:
    from sami_eval.core.config import Config
    from sami_eval.experiment.passk_document import PasskDocument
    from sami_eval.experiment.settings import PasskSettings


def passk(
    contenders: Annotated[
        list[str], typer.Argument(help="Recipes, names, adapters, openai:NAME, hub ids.")
    ],
    k: Annotated[str, typer.Option(help="Which k, separated by commas.")] = "1,10,32",
    samples: Annotated[
        int | None, typer.Option(help="Samples a problem; at least the largest k. Default: 32.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the samples. Default: 0.7 (paper: 1).")
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="Default: 1 (paper: 0.9).")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use the first so many problems.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Problems: GSM8K's JSONL or ours, instead of GSM8K.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="GSM8K: test (default) or train; embedded: evaluation.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Field of the problem file that groups them, e.g. by template."),
    ] = None,
    num_fewshot: Annotated[int, typer.Option(min=0, help="Worked examples before each.")] = 0,
    fewshot: Annotated[
        Path | None, typer.Option(help="Where examples are from. Default: the train split.")
    ] = None,
    greedy: Annotated[
        bool,
        typer.Option("--greedy/--no-greedy", help="Also one attempt a problem at temperature 0."),
    ] = True,
    protocol: Annotated[
        Literal["default", "paper"],
        typer.Option(help="paper: its prompt, temperature, top_p and split, and their flaws."),
    ] = "default",
    base: Base = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train missing adapters of a base of your own.")
    ] = False,
    base_url: BaseUrl = None,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    seed: Seed = 0,
    out: Out = None,
    concurrency: Concurrency = 16,
    max_unparsed: Annotated[
        float, typer.Option(min=0, max=1, help="Exit 1 above this share of samples without text.")
    ] = 0.02,
    max_cost: MaxCost = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Sample answers to math problems; pass@k and paired differences with intervals."""
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.data.unanswered import answers_of, check_empty
    from sami_eval.experiment.passk import run_passk
    from sami_eval.experiment.passk_plan import parse_ks
    from sami_eval.experiment.settings import PasskSettings
    from sami_eval.server import endpoint

    settings = PasskSettings(
        contenders=tuple(contenders),
        ks=parse_ks(k),
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        limit=limit,
        prompts=prompts,
        cluster=cluster,
        split=split,
        num_fewshot=num_fewshot,
        fewshot=fewshot,
        greedy=greedy,
        protocol=protocol,
        base=base,
        train=train,
        base_url=base_url,
        engine=engine,
        engine_args=tuple(engine_arg or ()),
        seed=seed,
        out=out,
        concurrency=concurrency,
        max_cost=max_cost,
        rpm=rpm,
        tpm=tpm,
    )
    config = find_config(Path.cwd())
    if dry_run:
        _print_forecast(settings, config, as_json)
        return
    command = endpoint.masked(shlex.join(["sami-eval", *sys.argv[1:]]))
    document = run_passk(settings, config, progress.terminal(quiet), command)
    warn(document)
    print_passk(document, as_json, verbose)
    check_empty(answers_of(document["contenders"]), max_unparsed)


def _print_forecast(settings: PasskSettings, config: Config, as_json: bool) -> None:
    from sami_eval.cli.output import print_json
    from sami_eval.experiment.passk_forecast import describe, forecast, to_row

    found = forecast(settings, config)
    if as_json:
        print_json(to_row(found))
        return
    print(describe(found))
    for note in found.plan.notes:
        print(note, file=sys.stderr)


def warn(document: PasskDocument) -> None:
    """What spoils the figures, to stderr too, where it is seen beside JSON."""
    from sami_eval.report.passk_console import warnings

    for line in warnings(document):
        print(line, file=sys.stderr)


def print_passk(document: PasskDocument, as_json: bool, verbose: bool) -> None:
    """The result to stdout."""
    from sami_eval.cli.output import print_json, print_rich
    from sami_eval.report.passk_console import render_passk

    if as_json:
        print_json(document)
    else:
        print_rich(render_passk(document, verbose))


def show_passk(
    folder: Path,
    as_json: bool,
    markdown: bool,
    latex: bool,
    csv: Path | None,
    html: bool,
    verbose: bool,
) -> None:
    """A finished run again, or exported."""
    from sami_eval.cli.output import write
    from sami_eval.data.prompts import read_lines, read_prompts
    from sami_eval.experiment import runs
    from sami_eval.experiment.passk_document import DOCUMENT, read_passk
    from sami_eval.report import passk_export, passk_html

    document = read_passk(folder / DOCUMENT)
    samples = folder / "samples.jsonl"
    rows = [row for _, row in read_lines(samples, "sami-eval ls runs")] if csv or html else []
    if csv is not None:
        write(csv, passk_export.csv_text(document, rows))
    if html:
        problems = read_prompts(folder / "problems.jsonl")
        run = passk_html.PasskRun(document, problems, rows)
        write(folder / runs.REPORT, passk_html.page(run))
    if markdown or latex:
        export = passk_export.markdown if markdown else passk_export.latex
        sys.stdout.write(export(document))
    elif as_json or not (csv or html):
        print_passk(document, as_json, verbose)
