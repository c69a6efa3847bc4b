"""The words of many verdicts, put aside until they are written: they take most of the memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import SpooledTemporaryFile

from sami_eval.core.types import Verdict
from sami_eval.ledger.store import disk_error

IN_MEMORY = 32_000_000  # bytes; beyond, they lie in a file that has no name
_SHORT = 80  # characters: a shorter text takes no more than its mark
_MARK = "\0"


class Words:
    """Texts put aside, each for a short mark that stands in its place."""

    def __init__(self, folder: Path) -> None:
        """folder: where a file may lie that goes when this does."""
        self._folder = folder
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115
            IN_MEMORY, "w+b", dir=str(folder)
        )
        weakref.finalize(self, self._file.close)
        self._end = 0

    def put(self, text: str) -> str:
        """The mark of a text, or the text itself where it is short."""
        if len(text) < _SHORT and not text.startswith(_MARK):
            return text
        written = text.encode("utf-8", "surrogatepass")
        try:
            self._file.seek(self._end)
            self._file.write(written)
        except OSError as error:
            raise disk_error(self._folder, error) from None
        start, self._end = self._end, self._end + len(written)
        return f"{_MARK}{start}:{len(written)}"

    def get(self, mark: str) -> str:
        """The text of a mark."""
        if not mark.startswith(_MARK):
            return mark
        start, _, size = mark[1:].partition(":")
        self._file.seek(int(start))
        return self._file.read(int(size)).decode("utf-8", "surrogatepass")

    def back(self, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        """The verdicts with their own words."""
        for one in verdicts:
            yield replace(one, text=self.get(one.text), thoughts=self.get(one.thoughts))
