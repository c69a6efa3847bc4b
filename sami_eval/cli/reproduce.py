"""`sami-eval reproduce`: the paper's experiments, and what its published artifacts support."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sami_eval.cli.flags import Command, DryRun, Json, Quiet, Verbose
from sami_eval.cli.help import Grouped, Listing
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group
from sami_eval.experiment.reproduce.settings import MtbenchSettings, ReproduceSettings

if TYPE_CHECKING:
    from sami_eval.core.config import Config
    from sami_eval.experiment.reproduce.audit import Audit
    from sami_eval.experiment.reproduce.work import Asked

app = typer.Typer(
    help="The paper's experiments again, and an audit of what it published.",
    cls=Listing,
    rich_markup_mode=None,
)


@app.callback()
def _reproduce() -> None:
    """The paper's experiments again, and an audit of what it published."""


@app.command(cls=Grouped)
@Command
def mtbench(
    settings: MtbenchSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """SFT, then DPO and SAMI on top of it, compared on MT-Bench."""
    _run("mtbench", settings, dry_run, as_json, quiet, verbose)


@app.command(cls=Grouped)
@Command
def gsm8k(
    settings: ReproduceSettings,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """SFT, SAMI and SFT+SAMI on GSM8K with 1, 10 and 32 attempts."""
    _run("gsm8k", settings, dry_run, as_json, quiet, verbose)


def _asked(experiment: str, settings: ReproduceSettings) -> Asked:
    from sami_eval.core.config import find_config
    from sami_eval.experiment.reproduce.experiment import folder_of
    from sami_eval.experiment.reproduce.scale import read_scale
    from sami_eval.experiment.reproduce.trial import by_program
    from sami_eval.experiment.reproduce.work import Asked

    config, scale = _below_scale(find_config(Path.cwd())), read_scale(settings.scale)
    settings = replace(settings, engine=config.choice("engine", settings.engine))
    folder = settings.out or folder_of(experiment, scale, settings.seed, config)
    asked = Asked(scale, experiment, config, folder, settings)
    if asked.judge_model and all(by_program(one.settings) for one in asked.course.trials):
        raise UsageError(
            f"`--judge-model {asked.judge_model}`: a program judges at scale `{scale.name}`",
            'leave it out, or name a scale of your own with judge = "principles": --scale FILE',
        )
    return asked


def _below_scale(config: Config) -> Config:
    """The configuration without what the scale decides: base, judge and task."""
    decided = ("base", "judge", "task")
    rest = {name: value for name, value in config.defaults.items() if name not in decided}
    return replace(config, defaults=rest)


def _run(
    experiment: str,
    settings: ReproduceSettings,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from sami_eval.align import launch
    from sami_eval.cli.output import print_document, typed_command
    from sami_eval.core import progress
    from sami_eval.experiment.reproduce.experiment import reproduce
    from sami_eval.report import trackers

    asked, chosen = _asked(experiment, settings), trackers.chosen(settings.report_to)
    if dry_run:
        print_forecast(asked, as_json)
        return
    shown = progress.terminal(quiet or not launch.is_main())
    start, only = settings.start, settings.only
    document = reproduce(asked, shown, start=start, only=only, command=typed_command())
    if document is not None and launch.is_main():
        print_document(document, as_json, verbose)
        trackers.send(chosen, document, asked.folder)


def print_forecast(asked: Asked, as_json: bool, title: str = "") -> None:
    """What the stages would take; title: in the place of the experiment's and the scale's."""
    from sami_eval.cli.output import print_json, print_rich
    from sami_eval.experiment.reproduce.document import FORECAST
    from sami_eval.experiment.reproduce.expect import asks, needs, to_row
    from sami_eval.report.formats.console import render
    from sami_eval.report.reproduction import forecast

    scale, experiment = asked.scale, asked.experiment
    found = needs(experiment, scale, asked.config, asked.judge_model)
    of = asks(experiment, scale, asked.config, asked.settings.prompts, asked.judge_model)
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
        print_rich(render(forecast(experiment, scale, found, of, title)))


@app.command(cls=Grouped)
@Command
def audit(
    folder: Annotated[
        Path,
        Flag("Holds A_vs_B_verdicts.json and NAME_responses.json.", Group.ASKED, positional=True),
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
