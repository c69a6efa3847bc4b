"""`sami-eval show`: a finished run again, without calling a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sami_eval.cli.options import Json, Verbose


def show(
    run: Annotated[str | None, typer.Argument(help="Run folder or name; default: latest.")] = None,
    as_json: Json = False,
    unparsed: Annotated[
        bool, typer.Option("--unparsed", help="List the judgments without a verdict.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Print a finished run again; calls no model."""
    from sami_eval import runs
    from sami_eval.cli.output import print_document
    from sami_eval.config import find_config
    from sami_eval.report.document import read_document

    folder = runs.find_run(run, find_config(Path.cwd()).root)
    if unparsed:
        _print_unparsed(folder)
        return
    print_document(read_document(folder / runs.DOCUMENT), as_json, verbose)


def _print_unparsed(folder: Path) -> None:
    from sami_eval import runs

    missing = [verdict for verdict in runs.read_verdicts(folder) if verdict.winner is None]
    for v in missing:
        pair = f"{v.a} : {v.b}" if v.first == "a" else f"{v.b} : {v.a}"
        print(f"question {v.prompt_id}, turn {v.turn + 1}, {pair} shown in this order: {v.reason}")
        print("  " + v.text.strip().replace("\n", "\n  ") + "\n")
    print(f"{len(missing)} judgments without a verdict")
