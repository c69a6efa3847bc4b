"""Printing a document: tables for a person, JSON for a program."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sami_eval.report.document import Document

PLAIN_WIDTH = 80


def stdout_console() -> Console:
    """rich on stdout; 80 columns and no colour when piped."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def print_document(document: Document, as_json: bool, verbose: bool) -> None:
    """The result to stdout."""
    from sami_eval.report.console import render
    from sami_eval.report.document import dump

    if as_json:
        sys.stdout.write(dump(document))
    else:
        stdout_console().print(render(document, verbose))


def print_table(title: str, rows: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    """A plain listing, the last column folded to the width."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title=title or None)
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    stdout_console().print(table)


def print_json(data: Mapping[str, object]) -> None:
    """A mapping as JSON to stdout."""
    from sami_eval.report.document import dump

    sys.stdout.write(dump(data))
