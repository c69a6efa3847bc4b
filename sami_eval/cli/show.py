"""`sami-eval show`: a finished run again, without calling a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sami_eval.cli.flags import Html, Json, Open, Verbose
from sami_eval.core.flags import Flag, Group, ReportTo, VoteNames, Votes

if TYPE_CHECKING:
    from sami_eval.experiment.document import Document
    from sami_eval.report.finished import Finished


def show(
    runs: Annotated[
        tuple[str, ...],
        Flag(
            "Run, reproduction, file of verdicts or --json; default: latest run. Or logs of "
            "Inspect, .eval or .json, which are compared sample by sample.",
            Group.ASKED,
            value="RUN",
            positional=True,
        ),
    ] = (),
    against: Annotated[
        str | None,
        Flag("Of several logs: compare each with this one alone.", Group.ASKED, value="LOG"),
    ] = None,
    as_json: Json = False,
    unparsed: Annotated[bool, Flag("List the judgments without a verdict.", Group.OUTPUT)] = False,
    markdown: Annotated[bool, Flag("The tables in Markdown.", Group.OUTPUT)] = False,
    latex: Annotated[bool, Flag("The tables in LaTeX (booktabs).", Group.OUTPUT)] = False,
    csv: Annotated[
        Path | None, Flag("Write each question's scores, or the tables.", Group.OUTPUT)
    ] = None,
    every_k: Annotated[
        Path | None, Flag("Write pass@k and its kin at every k, as CSV.", Group.OUTPUT)
    ] = None,
    verdicts: Annotated[Path | None, Flag("Write every verdict, JSON lines.", Group.OUTPUT)] = None,
    fastchat: Annotated[
        Path | None,
        Flag("Write FastChat's model_judgment/ into this folder.", Group.OUTPUT, value="FOLDER"),
    ] = None,
    lm_eval: Annotated[Path | None, Flag("Write lm-eval's results JSON.", Group.OUTPUT)] = None,
    eee: Annotated[
        Path | None,
        Flag("Write records for Every Eval Ever into this folder.", Group.OUTPUT, value="FOLDER"),
    ] = None,
    hub_results: Annotated[
        Path | None,
        Flag("Write the hub's .eval_results/ into this folder.", Group.OUTPUT, value="FOLDER"),
    ] = None,
    html: Html = False,
    opened: Open = False,
    votes: Votes = None,
    names: VoteNames = (),
    report_to: ReportTo = (),
    verbose: Verbose = False,
) -> None:
    """Print or export a finished result, or verdicts judged elsewhere; calls no model."""
    from sami_eval.cli.output import print_document, write, write_page
    from sami_eval.core.config import find_config
    from sami_eval.experiment.judged import check_votes
    from sami_eval.report import kept, trackers
    from sami_eval.report.finished import about, report_of
    from sami_eval.report.formats.csv import csv as as_csv
    from sami_eval.report.formats.latex import latex as in_latex
    from sami_eval.report.formats.markdown import markdown as in_markdown

    html |= opened
    _refuse_two(
        {"--json": as_json, "--unparsed": unparsed, "--markdown": markdown, "--latex": latex}
    )
    check_votes(names, votes)
    chosen = trackers.chosen(report_to)
    document, place = kept.found(runs, against, find_config(Path.cwd()).root)
    written = csv, every_k, verdicts, fastchat, lm_eval, eee, hub_results, html
    curves = None if every_k is None else kept.curves(document, place)
    of_verdicts = [unparsed, verdicts, fastchat, lm_eval, votes]
    _refuse(document, place, of_verdicts, [unparsed, csv, verdicts, fastchat, html])
    if document["schema"] == "sami-eval/comparison/1":
        if votes is not None:
            document = kept.with_votes(document, place, votes, names)
        if verdicts or fastchat or lm_eval:
            _export(document, place, verdicts, fastchat, lm_eval)
    if csv is not None:
        write(csv, as_csv(kept.scores(document, place)))
    if every_k is not None and curves is not None:
        write(every_k, as_csv(curves))
    _export_scores(document, eee, hub_results)
    if html:
        write_page(document, place, opened)
    if unparsed:
        _print_unparsed(place)
    elif markdown or latex:
        report = report_of(document, verbose)
        said = in_markdown(report) if markdown else in_latex(report, *about(document))
        sys.stdout.write(said)
    elif as_json or not any(written):
        print_document(document, as_json, verbose)
    trackers.send(chosen, document, place)
    if not place.is_dir():
        _check_judged(document)


def _check_judged(document: Finished) -> None:
    """Fail where a file of verdicts, shown as what it holds, holds none that says who won."""
    from sami_eval.core.errors import SamiEvalError

    rows = document["comparisons"] if document["schema"] == "sami-eval/comparison/1" else ()
    if rows and all(row["win_rate"] is None for row in rows):
        n = sum(row["n_verdicts"] for row in rows)
        hint = "judge again: sami-eval compare A B --judge-model MODEL"
        raise SamiEvalError(f"none of {n} judgments has a verdict", hint)


def _refuse_two(printed: dict[str, bool]) -> None:
    """Only one thing goes to stdout; files may be written beside it."""
    from sami_eval.core.errors import UsageError

    asked = [flag for flag, given in printed.items() if given]
    if len(asked) > 1:
        raise UsageError(
            f"`{asked[0]}` and `{asked[1]}` both print: which of them?", "give one, then the other"
        )


def _refuse(
    document: Finished, place: Path, of_verdicts: Sequence[object], of_files: Sequence[object]
) -> None:
    """What this kind of result lacks. of_verdicts, of_files: what needs them."""
    from sami_eval.core.errors import UsageError
    from sami_eval.report.kept import check_folder

    if document["schema"] != "sami-eval/comparison/1":
        if any(of_verdicts):
            raise UsageError(
                f"`{place}` holds other figures: nothing was judged in it",
                "--json, --csv FILE, --markdown, --latex and --html work for it",
            )
    elif any(of_files):
        check_folder(place)


def _export(
    document: Document,
    place: Path,
    verdicts: Path | None,
    fastchat: Path | None,
    lm_eval: Path | None,
) -> None:
    """What other tools read of verdicts."""
    from sami_eval.cli.output import write
    from sami_eval.data.answers import read_answers
    from sami_eval.data.prompts import read_prompts
    from sami_eval.experiment import runs
    from sami_eval.experiment.envelope import dump
    from sami_eval.report import comparison_exports as exports
    from sami_eval.report import fastchat as of_fastchat

    if lm_eval is not None:
        write(lm_eval, dump(exports.lm_eval(document)))
    if verdicts is not None:
        write(verdicts, exports.verdict_lines(runs.read_verdicts(place)))
    if fastchat is not None:
        judged, prompts = runs.read_verdicts(place), read_prompts(place / "prompts.jsonl")
        responses = read_answers(place / "responses.jsonl")
        asked = of_fastchat.asked_with(document, prompts, responses)
        for name, rows in of_fastchat.files(document, judged, asked).items():
            write(fastchat / "model_judgment" / name, exports.json_lines(rows))


def _export_scores(document: Finished, eee: Path | None, hub_results: Path | None) -> None:
    """What collections of scores read."""
    import time

    from sami_eval.cli.output import write
    from sami_eval.experiment.envelope import dump
    from sami_eval.report import eee as of_eee
    from sami_eval.report.hub_results import hub_results as of_hub

    if eee is not None:
        for name, record in of_eee.records(document, time.time()).items():
            write(eee / name, dump(record))
        print(f"not known, and left to you: {', '.join(of_eee.LEFT)}", file=sys.stderr)
    if hub_results is not None:
        for name, text in of_hub(document).items():
            write(hub_results / name, text)


def _print_unparsed(folder: Path) -> None:
    from sami_eval.experiment import runs

    judged = runs.read_verdicts(folder)
    several = len({verdict.judge for verdict in judged}) > 1
    missing = [verdict for verdict in judged if verdict.winner is None]
    for v in missing:
        pair = f"{v.b} : {v.a}" if v.first == "b" else f"{v.a} : {v.b}"
        place = f"question {v.prompt_id}, turn {v.turn + 1}" + (f", {v.judge}" if several else "")
        print(f"{place}, {pair} shown in this order: {v.reason}")
        said = v.text.strip() or (f"thoughts alone: {v.thoughts}" if v.thoughts else "")
        print("  " + said.replace("\n", "\n  ") + "\n")
    print(f"{len(missing)} judgments without a verdict")
