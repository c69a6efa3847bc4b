"""`sami-eval push`: an adapter with its card, or a run with its page, to the hub."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sami_eval.cli.flags import DryRun
from sami_eval.core.flags import Flag, Group

if TYPE_CHECKING:
    from sami_eval.report.hub_push import Push


def push(
    what: Annotated[
        str,
        Flag(
            "An adapter's or model's folder, or a run.",
            Group.ASKED,
            positional=True,
            value="ADAPTER|RUN",
        ),
    ],
    repo: Annotated[
        str, Flag("NAME or OWNER/NAME at the hub.", Group.ASKED, positional=True, value="REPO_ID")
    ],
    run: Annotated[
        str | None,
        Flag("A run that measured the adapter, which goes with it.", Group.ASKED, value="RUN"),
    ] = None,
    public: Annotated[
        bool, Flag("Make a new repository for everybody; else it is private.", Group.OUTPUT)
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Upload an adapter with its card, or a run with its page, to the Hugging Face Hub."""
    from sami_eval.report.hub_push import upload

    _check_name(repo)
    found = _asked(what, run)
    for note in found.notes:
        print(note, file=sys.stderr)
    if dry_run:
        _print(found, repo, public)
    else:
        print(upload(found, repo, public))


def _asked(what: str, run: str | None) -> Push:
    """A folder with weights is a model; anything else is a run, as `show` takes it."""
    from sami_eval.core.config import find_config
    from sami_eval.core.errors import UsageError
    from sami_eval.report import kept
    from sami_eval.report.hub_push import is_model, of_model, of_run

    root, folder = find_config(Path.cwd()).root, Path(what)
    if is_model(folder):
        return of_model(folder, None if run is None else kept.find(run, root))
    if run is not None:
        raise UsageError(f"`{what}` holds no adapter for `--run {run}` to go with", "leave it out")
    return of_run(*kept.find(what, root))


def _check_name(repo: str) -> None:
    """Before anything is looked for: a name that the hub would refuse."""
    from sami_eval.core.errors import UsageError

    if not re.fullmatch(r"(?:[\w.-]+/)?[\w.-]+", repo):
        hint = "NAME or OWNER/NAME, of letters, digits, `-`, `_` and `.`"
        raise UsageError(f"`{repo}` is no name of a repository", hint)


def _print(found: Push, repo: str, public: bool) -> None:
    """What would go, and what stays here."""
    kind = "data set" if found.kind == "dataset" else "model"
    seen = "public" if public else "private, without --public,"
    print(f"to the {kind} `{repo}`, {seen} where it is new:")
    for item in found.items:
        print(f"  {item.size:>13,}  {item.place}")
    for name, why in found.left:
        print(f"  {'stays here':>13}  {name}: {why}")
