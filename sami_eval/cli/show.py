"""`sami-eval show`: a finished run again, without calling a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sami_eval.cli.flags import Json, Verbose
from sami_eval.cli.passk import show_passk
from sami_eval.core.flags import Flag, Group, VoteNames, Votes

if TYPE_CHECKING:
    from sami_eval.core.types import Verdict
    from sami_eval.experiment.document import Document


def show(
    run: Annotated[
        str | None,
        Flag(
            "Run folder or name, or a file of verdicts; default: latest run.",
            Group.ASKED,
            positional=True,
        ),
    ] = None,
    as_json: Json = False,
    unparsed: Annotated[bool, Flag("List the judgments without a verdict.", Group.OUTPUT)] = False,
    markdown: Annotated[bool, Flag("The table in Markdown.", Group.OUTPUT)] = False,
    latex: Annotated[bool, Flag("The table in LaTeX (booktabs).", Group.OUTPUT)] = False,
    csv: Annotated[Path | None, Flag("Write the scores of each question.", Group.OUTPUT)] = None,
    verdicts: Annotated[Path | None, Flag("Write every verdict, JSON lines.", Group.OUTPUT)] = None,
    fastchat: Annotated[
        Path | None,
        Flag("Write FastChat's model_judgment/ into this folder.", Group.OUTPUT, value="FOLDER"),
    ] = None,
    lm_eval: Annotated[Path | None, Flag("Write lm-eval's results JSON.", Group.OUTPUT)] = None,
    html: Annotated[
        bool, Flag("Write the run's report.html, and say where.", Group.OUTPUT)
    ] = False,
    votes: Votes = None,
    names: VoteNames = (),
    verbose: Verbose = False,
) -> None:
    """Print or export a finished run, or verdicts judged elsewhere; calls no model."""
    from sami_eval.cli.output import print_document, write
    from sami_eval.core.config import find_config
    from sami_eval.experiment import runs
    from sami_eval.experiment.document import read_document
    from sami_eval.experiment.envelope import dump
    from sami_eval.report import comparison_exports as exports
    from sami_eval.report.comparison import report
    from sami_eval.report.formats.latex import latex as in_latex
    from sami_eval.report.formats.markdown import markdown as in_markdown

    _refuse_two(
        {"--json": as_json, "--unparsed": unparsed, "--markdown": markdown, "--latex": latex}
    )
    if run is not None and Path(run).is_file():
        _refuse_exports(run, [unparsed, csv, verdicts, fastchat, html])
        folder, document = None, _read_file(Path(run))
    else:
        folder = runs.find_run(run, find_config(Path.cwd()).root)
        if runs.is_passk(folder):
            _refuse_of_passk(folder, [unparsed, verdicts, fastchat, lm_eval, votes])
            show_passk(folder, as_json, markdown, latex, csv, html, verbose)
            return
        document = read_document(folder / runs.DOCUMENT)
    if votes is not None:
        document = _with_votes(document, folder or Path(run or ""), votes, names)
    if lm_eval is not None:
        write(lm_eval, dump(exports.lm_eval(document)))
    if folder is not None and (csv or verdicts or fastchat):
        _export(document, folder, csv, verdicts, fastchat)
    if folder is not None and html:
        _write_report(document, folder)
    if unparsed and folder is not None:
        _print_unparsed(folder)
    elif markdown or latex:
        sys.stdout.write((in_markdown if markdown else in_latex)(report(document)))
    elif as_json or not (csv or verdicts or fastchat or lm_eval or html):
        print_document(document, as_json, verbose)


def _refuse_two(printed: dict[str, bool]) -> None:
    """Only one thing goes to stdout; files may be written beside it."""
    from sami_eval.core.errors import UsageError

    asked = [flag for flag, given in printed.items() if given]
    if len(asked) > 1:
        raise UsageError(
            f"`{asked[0]}` and `{asked[1]}` both print: which of them?", "give one, then the other"
        )


def _refuse_exports(file: str, asked: list[object]) -> None:
    from sami_eval.core.errors import UsageError

    if any(asked):
        raise UsageError(
            f"`{file}` is a file of verdicts, not a run: it cannot be exported again",
            "--json, --markdown, --latex and --lm-eval work for it too",
        )


def _refuse_of_passk(folder: Path, asked: list[object]) -> None:
    from sami_eval.core.errors import UsageError

    if any(asked):
        raise UsageError(
            f"`{folder}` holds pass@k figures: nothing was judged in it",
            "--json, --csv FILE, --markdown, --latex and --html work for it",
        )


def _read_file(path: Path) -> Document:
    """A run's own comparison.json, or verdicts that were judged elsewhere."""
    from sami_eval.experiment import runs
    from sami_eval.experiment.document import read_document
    from sami_eval.experiment.imports import read_verdict_file

    return read_document(path) if path.name == runs.DOCUMENT else read_verdict_file(path)


def _with_votes(document: Document, source: Path, votes: str, names: Sequence[str]) -> Document:
    """With the win rate corrected by people's votes; source: run folder or file of verdicts."""
    from sami_eval.data.answers import read_answers
    from sami_eval.experiment import runs
    from sami_eval.experiment.corrected import read_people, with_votes
    from sami_eval.experiment.imports import verdicts_in

    folder = source.parent if source.name == runs.DOCUMENT else source
    judged = runs.read_verdicts(folder) if folder.is_dir() else verdicts_in(folder)
    pairs = [(row["a"], row["b"]) for row in document["comparisons"]]
    people = read_people(votes, names, pairs, [verdict.prompt_id for verdict in judged])
    file = folder / "responses.jsonl"
    return with_votes(document, judged, people, read_answers(file) if file.is_file() else ())


def _export(
    document: Document,
    folder: Path,
    csv: Path | None,
    verdicts: Path | None,
    fastchat: Path | None,
) -> None:
    from sami_eval.cli.output import write
    from sami_eval.data.answers import read_answers
    from sami_eval.data.prompts import read_prompts
    from sami_eval.experiment import runs
    from sami_eval.report import comparison_exports as exports
    from sami_eval.report import fastchat as of_fastchat
    from sami_eval.report.formats.csv import csv as as_csv

    judged: list[Verdict] = runs.read_verdicts(folder)
    prompts = read_prompts(folder / "prompts.jsonl")
    if csv is not None:
        category = {prompt.id: prompt.category for prompt in prompts}
        write(csv, as_csv([[exports.scores(document, judged, category)]]))
    if verdicts is not None:
        write(verdicts, exports.verdict_lines(judged))
    if fastchat is not None:
        responses = read_answers(folder / "responses.jsonl")
        asked = of_fastchat.asked_with(document, prompts, responses)
        for name, rows in of_fastchat.files(document, judged, asked).items():
            write(fastchat / "model_judgment" / name, exports.json_lines(rows))


def _write_report(document: Document, folder: Path) -> None:
    from sami_eval.cli.output import write
    from sami_eval.data.answers import read_answers
    from sami_eval.data.prompts import read_prompts
    from sami_eval.experiment import runs
    from sami_eval.report.comparison_page import Run, comparison_page

    prompts = read_prompts(folder / "prompts.jsonl")
    responses = read_answers(folder / "responses.jsonl")
    run = Run(document, prompts, responses, runs.read_verdicts(folder))
    write(folder / runs.REPORT, comparison_page(run))


def _print_unparsed(folder: Path) -> None:
    from sami_eval.experiment import runs

    judged = runs.read_verdicts(folder)
    several = len({verdict.judge for verdict in judged}) > 1
    missing = [verdict for verdict in judged if verdict.winner is None]
    for v in missing:
        pair = f"{v.b} : {v.a}" if v.first == "b" else f"{v.a} : {v.b}"
        place = f"question {v.prompt_id}, turn {v.turn + 1}" + (f", {v.judge}" if several else "")
        print(f"{place}, {pair} shown in this order: {v.reason}")
        print("  " + v.text.strip().replace("\n", "\n  ") + "\n")
    print(f"{len(missing)} judgments without a verdict")
