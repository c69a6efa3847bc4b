"""`sami-eval reproduce`: the paper's experiments, and what its published artifacts support."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sami_eval.cli.options import (
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
    Tpm,
    Verbose,
)
from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.core.config import Config
    from sami_eval.experiment.reproduce.audit import Audit
    from sami_eval.experiment.reproduce.work import Asked

app = typer.Typer(
    help="The paper's experiments again, and an audit of what it published.",
    rich_markup_mode=None,
)

ScaleName = Annotated[
    str, typer.Option(help="embedded | paper | one-gpu, or a TOML file of your own.")
]
RunSeed = Annotated[int, typer.Option(min=0, help="Of prompts, training, sampling: all of it.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="STAGE", help="Do this stage and those after again.")
]
Only = Annotated[str | None, typer.Option(metavar="STAGE", help="Do no other stage.")]
Constitutions = Annotated[
    Path | None, typer.Option(help="Principles in the place of the scale's, e.g. the paper's JSON.")
]


@app.callback()
def _reproduce() -> None:
    """The paper's experiments again, and an audit of what it published."""


@app.command()
def mtbench(
    scale: ScaleName = "embedded",
    seed: RunSeed = 0,
    start: From = None,
    only: Only = None,
    constitutions: Constitutions = None,
    prompts: Annotated[
        Path | None, typer.Option(help="MT-Bench's questions as a file. Default: the hub's.")
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="In the place of the scale's, e.g. openai:NAME.")
    ] = None,
    base_url: BaseUrl = None,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    out: Out = None,
    concurrency: Concurrency = 16,
    max_cost: MaxCost = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """SFT, then DPO and SAMI on top of it, compared on MT-Bench."""
    given = {
        "constitutions": constitutions,
        "questions": prompts,
        "judge_model": judge_model,
        "base_url": base_url,
        "engine": engine,
        "engine_args": tuple(engine_arg or ()),
        "concurrency": concurrency,
        "max_cost": max_cost,
        "rpm": rpm,
        "tpm": tpm,
    }
    asked = _asked("mtbench", scale, seed, out, given)
    _run("mtbench", asked, start, only, dry_run, as_json, quiet, verbose)


@app.command()
def gsm8k(
    scale: ScaleName = "embedded",
    seed: RunSeed = 0,
    start: From = None,
    only: Only = None,
    constitutions: Constitutions = None,
    prompts: Annotated[
        Path | None, typer.Option(help="GSM8K's problems as a file. Default: the hub's.")
    ] = None,
    base_url: BaseUrl = None,
    engine: Engine = None,
    engine_arg: EngineArg = None,
    out: Out = None,
    concurrency: Concurrency = 16,
    max_cost: MaxCost = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """SFT, SAMI and SFT+SAMI on GSM8K with 1, 10 and 32 attempts."""
    given = {
        "constitutions": constitutions,
        "questions": prompts,
        "base_url": base_url,
        "engine": engine,
        "engine_args": tuple(engine_arg or ()),
        "concurrency": concurrency,
        "max_cost": max_cost,
        "rpm": rpm,
        "tpm": tpm,
    }
    asked = _asked("gsm8k", scale, seed, out, given)
    _run("gsm8k", asked, start, only, dry_run, as_json, quiet, verbose)


def _asked(
    experiment: str, scale: str, seed: int, out: Path | None, given: dict[str, Any]
) -> Asked:
    from sami_eval.core.config import find_config
    from sami_eval.experiment.reproduce.experiment import folder_of
    from sami_eval.experiment.reproduce.scale import read_scale
    from sami_eval.experiment.reproduce.work import Asked

    config, found = _below_scale(find_config(Path.cwd())), read_scale(scale)
    given["engine"] = given["engine"] or config.defaults.get("engine")
    judges = {how.judge for how in found.mtbench.judging}
    if given.get("judge_model") and judges == {"rules"}:
        raise UsageError(
            f"`--judge-model {given['judge_model']}`: a program judges at scale `{found.name}`",
            'leave it out, or name a scale of your own with judge = "principles": --scale FILE',
        )
    folder = out or folder_of(experiment, found, seed, config)
    return Asked(found, config, folder, seed, **given)


def _below_scale(config: Config) -> Config:
    """The configuration without what the scale decides: base, judge and task."""
    decided = ("base", "judge", "task")
    rest = {name: value for name, value in config.defaults.items() if name not in decided}
    return replace(config, defaults=rest)


def _run(
    experiment: str,
    asked: Asked,
    start: str | None,
    only: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from sami_eval.align import launch
    from sami_eval.cli.output import print_document
    from sami_eval.core import progress
    from sami_eval.experiment.reproduce.experiment import reproduce
    from sami_eval.server import endpoint

    if dry_run:
        _forecast(experiment, asked, as_json)
        return
    shown = progress.terminal(quiet or not launch.is_main())
    command = endpoint.masked(shlex.join(["sami-eval", *sys.argv[1:]]))
    document = reproduce(experiment, asked, shown, start=start, only=only, command=command)
    if document is not None and launch.is_main():
        print_document(document, as_json, verbose)


def _forecast(experiment: str, asked: Asked, as_json: bool) -> None:
    from sami_eval.cli.output import print_json, print_rich
    from sami_eval.experiment.reproduce.document import FORECAST
    from sami_eval.experiment.reproduce.expect import asks, needs, to_row
    from sami_eval.report.formats.console import render
    from sami_eval.report.reproduction import forecast

    scale = asked.scale
    found = needs(experiment, scale, asked.config, asked.judge_model)
    of = asks(experiment, scale, asked.config, asked.questions, asked.judge_model)
    if as_json:
        print_json(
            {
                "schema": FORECAST,
                "experiment": experiment,
                "scale": scale.name,
                "base": of.base,
                "questions": of.questions,
                "judges": list(of.judges),
                "device": scale.expected.device,
                "stages": [to_row(need) for need in found],
            }
        )
    else:
        print_rich(render(forecast(experiment, scale, found, of)))


@app.command()
def audit(
    folder: Annotated[
        Path, typer.Argument(help="Holds A_vs_B_verdicts.json and NAME_responses.json.")
    ],
    as_json: Json = False,
) -> None:
    """Say what published verdicts and responses support, beside the paper's own figures."""
    from sami_eval.cli.output import print_json
    from sami_eval.experiment.reproduce.audit import audit as find

    found = find(folder)
    if as_json:
        print_json(_document(found))
    else:
        _print(found)


def _print(found: Audit) -> None:
    from rich.text import Text

    from sami_eval.cli.output import print_rich, print_table
    from sami_eval.experiment.reproduce.audit import SOURCE, rate_text, words
    from sami_eval.report.figures import interval_text, percent, short_p

    if found.findings:
        rows = [
            (
                f"{row['a']} : {row['b']}",
                f"{row['wins']} / {row['ties']} / {row['losses']}",
                percent(row["win_rate"]),
                interval_text(row["interval"]),
                short_p(row["p_value"]),
                rate_text(finding.published, finding.digits),
            )
            for finding in found.findings
            for row in [finding.row]
        ]
        columns = ("pair", "win / tie / loss", "win rate", "95% CI", "p", f"in {SOURCE}")
        print_table("", rows, columns)
        print()
    remarks = [f"{about}: {text}" for about, text in found.remarks]
    lines = [*words(found), "", f"remarks on {SOURCE} and its published code:", *remarks]
    print_rich(Text("\n".join(lines)))


def _document(found: Audit) -> dict[str, Any]:
    from dataclasses import asdict

    from sami_eval.experiment.reproduce.audit import words

    return {
        "schema": "sami-eval/audit/1",
        "folder": found.folder,
        "findings": [
            {**asdict(one), "explains": one.explains, "attainable": one.attainable}
            for one in found.findings
        ],
        "lengths": [asdict(one) for one in found.lengths],
        "words": list(words(found)),
        "remarks": [{"about": about, "text": text} for about, text in found.remarks],
    }
