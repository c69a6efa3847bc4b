"""What a face returns: the document that `--json` prints, which can show, save and open itself."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sami_eval.core.errors import UsageError
from sami_eval.experiment.envelope import dump
from sami_eval.ledger.store import atomic_write
from sami_eval.report.finished import Finished, glance_of, report_of
from sami_eval.report.glance import Glance
from sami_eval.report.table import Block, Facts, Lines, Report

if TYPE_CHECKING:
    import pandas

D = TypeVar("D", bound=Mapping[str, Any])


class Result(dict[str, Any], Generic[D]):
    """A finished result: a mapping with the keys of docs/formats.md.

    A notebook shows it as tables with their intervals drawn, a terminal as text.
    place: the folder of its run, or the file that holds it; None where it is kept nowhere.
    """

    def __init__(self, document: D, place: Path | None = None) -> None:
        super().__init__(json.loads(dump(document)))  # to the letter what a saved one holds
        self.place = place

    @property
    def document(self) -> D:
        """The same with the types of its keys, for an editor and a type checker."""
        return cast(D, self)

    @property
    def glance(self) -> Glance | None:
        """The verdict with its state, its figure and what it rests on; None where there is none."""
        return glance_of(cast(Finished, self))

    @property
    def verdict(self) -> str | None:
        """One sentence: better, no difference found, or undecided."""
        return self.glance.verdict if self.glance else None

    def _report(self, verbose: bool = False) -> Report:
        return report_of(cast(Finished, self), verbose)

    def __repr__(self) -> str:
        """The opening, the tables and what they mean."""
        return _text(_short(self._report()))

    def _repr_html_(self) -> str:
        from sami_eval.report.formats.fragment import fragment

        return fragment(self._report())

    def text(self, verbose: bool = False) -> str:
        """All that the command prints. verbose: what each stage took, too."""
        return _text(self._report(verbose))

    def markdown(self) -> str:
        """The tables in Markdown."""
        from sami_eval.report.formats.markdown import markdown

        return markdown(self._report())

    def latex(self) -> str:
        """The tables in LaTeX; needs booktabs."""
        from sami_eval.report.formats.latex import latex

        return latex(self._report())

    def to_pandas(self, rows: str | None = None) -> pandas.DataFrame:
        """Figures as a data frame, shares from 0 to 1, each interval as its two ends.

        rows: which; by default the main figures. "questions": one row a question or problem.
        Raises UsageError where there are none of the kind, and where pandas is not installed.
        """
        from sami_eval.faces.frames import rows_of

        try:
            import pandas
        except ImportError:
            raise UsageError("pandas is not installed", "pip install pandas") from None
        return pandas.DataFrame(rows_of(cast(Finished, self), self.place, rows))

    def save(self, path: Path | str) -> Path:
        """Write the document as JSON, which `sami_eval.show(path)` reads; returns the path."""
        return _written(Path(path), dump(self))

    def html(self, path: Path | str | None = None) -> Path:
        """Write the page, which has every answer and verdict of a run; returns its path.

        path: by default report.html in the run's folder.
        """
        from sami_eval.report import kept

        found = cast(Finished, self)
        return _written(Path(path or self._page_path()), kept.page(found, self.place or Path()))

    def _page_path(self) -> Path:
        from sami_eval.experiment.runs import REPORT

        if self.place is None:
            raise UsageError("this result lies in no folder", 'say where: result.html("page.html")')
        return self.place / REPORT if self.place.is_dir() else self.place.with_suffix(".html")

    def open(self) -> Path:
        """Write the page and open it in a browser; returns its path."""
        path = self.html()
        webbrowser.open(path.resolve().as_uri())
        return path


def _short(report: Report) -> Report:
    """Without drawings and facts, save those that warn."""
    paragraphs = [[short for block in one for short in _shortened(block)] for one in report]
    return [one for one in paragraphs if one]


def _shortened(block: Block) -> list[Block]:
    if isinstance(block, Facts):
        warned = tuple(row for row in block.rows if row[0] == "warning")
        return [Facts(warned)] if warned else []
    return [] if isinstance(block, Lines) and block.drawn else [block]


def _text(report: Report) -> str:
    from sami_eval.core.terminal import plain_text
    from sami_eval.report.formats.console import render

    return plain_text(render(report))


def _written(path: Path, text: str) -> Path:
    atomic_write(path, text)
    return path
