"""pass@k against k in plain characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sami_eval.report.drawn import drawn
from sami_eval.report.plots import Line
from sami_eval.report.steps import over_k

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import PasskDocument


def curve(document: PasskDocument) -> str:
    """pass@k against k, k on a logarithmic axis."""
    n = document["samples"]
    lines = [
        Line(row["name"], [(k, value) for k, value in row["curve"]]) for row in over_k(document)
    ]
    marks = [2**i for i in range(n.bit_length()) if 2**i < n] + [n]
    return drawn("pass@k", lines, "k = " if n > 2 else "", marks, doubling=True)
