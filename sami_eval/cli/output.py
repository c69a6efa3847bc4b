"""Printing a document: tables for a person, JSON for a program."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.core import address
from sami_eval.core.terminal import console, is_utf, plain_text, trusted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sami_eval.experiment.forecast import Forecast
    from sami_eval.report.finished import Finished

_ADDRESS = re.compile(r"(?:--base-url=)?https?://\S+\Z")


def print_rich(shown: RenderableType) -> None:
    """A rich renderable to stdout; 80 columns, no colour and no trailing blanks when piped.

    Names are shown as they are: [brackets] and :colons: of a model's mean nothing.
    """
    if sys.stdout.isatty() and is_utf(sys.stdout):
        console(trusted(sys.stdout)).print(shown)
        return
    print(plain_text(shown))


def typed_command() -> str:
    """What was typed, without the keys and what may be a secret in an address."""
    from sami_eval.server import endpoint

    typed = [address.shown(one) if _ADDRESS.match(one) else one for one in sys.argv[1:]]
    return endpoint.masked(shlex.join(["sami-eval", *typed]))


def print_document(document: Finished, as_json: bool, verbose: bool = False) -> None:
    """A finished result of any kind to stdout."""
    from sami_eval.report.finished import report_of
    from sami_eval.report.formats.console import render

    if as_json:
        print_json(document)
    else:
        print_rich(render(report_of(document, verbose)))


def write_page(document: Finished, place: Path, opened: bool = False) -> None:
    """Its page beside the result. opened: in a browser too, where there is a screen for one."""
    import webbrowser

    from sami_eval.report import kept

    path = place / "report.html" if place.is_dir() else place.with_suffix(".html")
    write(path, kept.page(document, place))
    if not opened:
        return
    screen = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    # Without one, a browser in characters would take the terminal.
    if not (screen and webbrowser.open(path.resolve().as_uri())):
        print("no browser could be opened here: open the file by hand", file=sys.stderr)


def print_forecast(found: Forecast, as_json: bool) -> None:
    """What a command would do to stdout, what is to be said besides to stderr."""
    from sami_eval.experiment.forecast import describe, to_row

    if as_json:
        print_json(to_row(found))
        return
    print(describe(found))
    for note in found.notes:
        print(note, file=sys.stderr)


def print_table(title: str, rows: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    """A plain listing, the last column folded to the width."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title=title or None)
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    print_rich(table)


def print_json(data: Mapping[str, object]) -> None:
    """A mapping as JSON to stdout."""
    from sami_eval.experiment.envelope import dump

    sys.stdout.write(dump(data))


def write(path: Path, text: str) -> None:
    """Write a file, and say where."""
    from sami_eval.ledger.store import atomic_write, disk_error

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path.parent, error) from None
    atomic_write(path, text)
    print(path, file=sys.stderr)
