"""What others published, through our code: theirs beside ours.

    python benchmarks/parity.py FOLDER [--json]

FOLDER holds what you have downloaded, under the names below. What is not there is said, and is no
pass. Exits with 1 where a figure that should be the same is not, with 2 where nothing is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import published as of
from benchmarks import published_answers as answers
from benchmarks.published import Row
from sami_eval.core.errors import UsageError


class Source(NamedTuple):
    """What to download. needs: patterns of files inside FOLDER, all of them or none."""

    name: str
    needs: tuple[str, ...]
    get: str
    licence: str
    rows: Callable[[Path], Iterable[Row]]


def _nothing(folder: Path) -> Iterable[Row]:
    """FastChat's program has no rows of its own: it counts those of runs and judgments."""
    return ()


SOURCES = (
    Source("MT-Bench's votes", of.VOTES, of.VOTES_AT, "CC-BY-4.0", of.table_5),
    Source(
        "AlpacaEval's annotations and leaderboard",
        (of.BOARD, of.ANNOTATED),
        of.ALPACA_AT,
        "code Apache-2.0, data CC-BY-NC-4.0",
        of.alpaca_eval,
    ),
    Source("a finished run of yours", (of.RUNS,), of.RUNS_AT, "yours", of.exported_runs),
    Source("FastChat's judgments", (of.JUDGMENTS,), of.JUDGMENTS_AT, "none stated", of.judgments),
    Source("FastChat's program", (of.PROGRAM,), of.FASTCHAT_AT, "Apache-2.0", _nothing),
    Source("the paper's verdicts", (of.PAPER,), of.PAPER_AT, "none stated", of.paper),
    Source("GSM8K's test problems", (answers.TEST,), answers.GSM8K_AT, "MIT", answers.gold_answers),
    Source(
        "GSM8K's labelled solutions", (answers.SOLVED,), answers.GSM8K_AT, "MIT", answers.labels
    ),
    Source(
        "EvalPerf's results",
        (answers.EVALPERF,),
        answers.EVALPERF_AT,
        "none stated",
        answers.evalperf,
    ),
)


def measure(folder: Path) -> tuple[list[Row], list[Source]]:
    """All rows of what is there, and the sources that are not."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder", "--help says what goes into it")
    given = [source for source in SOURCES if all(_has(folder, one) for one in source.needs)]
    rows = [row for source in given for row in source.rows(folder)]
    if not rows:
        raise UsageError(f"nothing to compare in `{folder}`", "--help says what goes into it")
    return rows, [source for source in SOURCES if source not in given]


def _has(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def write_table(rows: Sequence[Row], absent: Sequence[Source], console: Console) -> None:
    """The table, what is to be said of its rows, and what was not given."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("figure", "theirs", "ours", ""):
        right = name in ("theirs", "ours")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    before = ""
    for row in rows:
        if row.source != before:
            table.add_row(f"[bold]{escape(row.source)}[/]")
        before, said = row.source, {True: "same", False: "DIFFERS", None: "*"}[row.same]
        table.add_row(*(escape(text) for text in (row.figure, row.theirs, row.ours, said)))
    console.print(table)
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for row in rows:
        if row.note:
            say(f"{'* ' if row.same is None else ''}{row.note}")
    for source in absent:
        say(f"not given: {source.name}{_places(source, '  put ')}\n  from {source.get}")


def _places(source: Source, before: str) -> str:
    return "".join(f"\n{before}FOLDER/{need}" for need in source.needs)


def main(arguments: Sequence[str] | None = None) -> int:
    where = (f"{_places(one, '  ')}\n      {one.get} ({one.licence})" for one in SOURCES)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}{''.join(where)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="the same rows as JSON")
    given = parser.parse_args(arguments)
    try:
        rows, absent = measure(given.folder)
    except UsageError as error:
        place = f"\n  --> {error.where}" if error.where else ""
        print(f"error: {error.message}{place}\n\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    if given.json:
        names = [source.name for source in absent]
        print(json.dumps({"rows": [asdict(row) for row in rows], "not_given": names}, indent=2))
    else:
        write_table(rows, absent, Console())
    return 1 if any(row.same is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
