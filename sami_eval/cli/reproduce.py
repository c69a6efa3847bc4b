"""`sami-eval reproduce`: the paper's experiments, and what its published artifacts support."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sami_eval.cli.options import Json

if TYPE_CHECKING:
    from sami_eval.reproduce.audit import Audit

app = typer.Typer(
    help="The paper's experiments again, and an audit of what it published.",
    rich_markup_mode=None,
)


@app.callback()
def _reproduce() -> None:
    """The paper's experiments again, and an audit of what it published."""


@app.command()
def audit(
    folder: Annotated[
        Path, typer.Argument(help="Holds A_vs_B_verdicts.json and NAME_responses.json.")
    ],
    as_json: Json = False,
) -> None:
    """Say what published verdicts and responses support, beside the paper's own figures."""
    from sami_eval.cli.output import print_json
    from sami_eval.reproduce.audit import audit as find

    found = find(folder)
    if as_json:
        print_json(_document(found))
    else:
        _print(found)


def _print(found: Audit) -> None:
    from rich.text import Text

    from sami_eval.cli.output import print_rich, print_table
    from sami_eval.report.figures import interval_text, p_text, percent
    from sami_eval.reproduce.audit import SOURCE, words

    if found.findings:
        rows = [
            (
                f"{row['a']} : {row['b']}",
                f"{row['wins']} / {row['ties']} / {row['losses']}",
                percent(row["win_rate"]),
                interval_text(row["interval"]),
                p_text(row["p_value"]).removeprefix("p = "),
                "-" if finding.published is None else f"{finding.published:.2%}",
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

    from sami_eval.reproduce.audit import words

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
