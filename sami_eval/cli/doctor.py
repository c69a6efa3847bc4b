"""`sami-eval doctor`: what works on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import typer

from sami_eval.cli.flags import Json


def doctor(as_json: Json = False) -> None:
    """Say what works on this machine, and what to type where it does not."""
    from sami_eval.cli.checks import examine
    from sami_eval.cli.output import print_json, print_table
    from sami_eval.core.config import find_config

    checks = list(examine(find_config(Path.cwd())))
    broken = [check for check in checks if check.state == "no"]
    if as_json:
        rows = [dataclasses.asdict(check) for check in checks]
        print_json({"schema": "sami-eval/doctor/1", "checks": rows, "works": not broken})
    else:
        rows_text = [
            (
                check.name,
                check.state,
                check.found + (f"  ({check.hint})" if check.hint and check.state != "ok" else ""),
            )
            for check in checks
        ]
        print_table("", rows_text, ("what", "", "found"))
        print(f"\n{len(broken)} to mend" if broken else "\nthe main job works here")
    if broken:
        raise typer.Exit(1)
