"""What a run lays on the disk: rows of the ledger, and lines of its own folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sami_eval.experiment.likely import Kind

# `python -m benchmarks.laid` measures these, in bytes. Pages of the ledger are never full.
FILL: Final = 1.2
ROW: Final = 250  # beside its text: keys, names, times, indexes
TOKEN_ID: Final = 7  # of the ids that engines in this process give
LINES: Final = {"reply": 380, "sample": 145, "answer": 60, "response": 300}  # beside their texts
WORTH_SAYING: Final = 100e6
UNITS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes that come to the ledger, and to the run's folder."""

    ledger: float = 0.0
    run: float = 0.0

    @property
    def bytes(self) -> float:
        """All of it."""
        return self.ledger + self.run


def room(kind: Kind, n_new: int, n_stored: int, text: float, ids: float = 0.0) -> Disk:
    """Of texts of so many bytes each; those stored are in the run as well.

    ids: tokens of each whose ids are kept.
    """
    row, line = FILL * (ROW + text + TOKEN_ID * ids), LINES[kind] + text
    return Disk(n_new * row, (n_new + n_stored) * line)


def total(several: Iterable[Disk]) -> Disk:
    """Added up."""
    every = list(several)
    return Disk(sum(one.ledger for one in every), sum(one.run for one in every))


def in_words(n_bytes: float) -> str:
    """An amount as text, two digits of it: 1.2 GB."""
    size, unit = next(((s, u) for s, u in UNITS if n_bytes >= s), (1.0, "bytes"))
    return f"{n_bytes / size:,.{int(n_bytes < 10 * size)}f} {unit}"
