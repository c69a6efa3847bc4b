"""Texts of a page, each stored once, compressed in pieces that a browser opens one by one.

A piece is base64 of zlib of JSON: a text as it was written, or a pair of it and its HTML.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sami_eval.core.terminal import visible
from sami_eval.report.prose import prose

PIECE = 400_000  # characters of texts in a piece: a few milliseconds to open
MOST = 10_500_000  # characters of base64: with all else on it a page stays below 12 MB


class Texts:
    """Texts by number, in the order in which they are to be kept."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Its number, a new one where it was not seen before."""
        return self._numbers.setdefault(text, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)


@dataclass(frozen=True, slots=True)
class Packed:
    """Pieces, the number of the first text of each, and how many texts there was room for."""

    pieces: Sequence[str]
    starts: Sequence[int]
    kept: int


def packed(texts: Iterable[str], most: int = MOST) -> Packed:
    """The first texts, as many as there is room for. most: characters that all pieces may have."""
    pieces: list[str] = []
    starts: list[int] = []
    kept = 0
    for rows in _rows(texts):
        piece = pack(rows)
        most -= len(piece)
        if most < 0:
            break
        pieces.append(piece)
        starts.append(kept)
        kept += len(rows)
    return Packed(pieces, starts, kept)


def _rows(texts: Iterable[str]) -> Iterator[list[str | tuple[str, str]]]:
    rows: list[str | tuple[str, str]] = []
    size = 0
    for text in map(visible, texts):
        found = prose(text)
        rows.append(text if found is None else (text, found))
        size += len(text)
        if size >= PIECE:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def pack(data: object) -> str:
    """Any JSON as letters that mean nothing to a page."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(piece: str) -> Any:
    """What was packed."""
    return json.loads(zlib.decompress(base64.b64decode(piece)))
