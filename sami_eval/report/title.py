"""What a comparison is of, in one line that is true of every pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sami_eval.experiment.document import Document

ORDERS = {"both": "both orders", "one": "one order", "mixed": "one order or both, by pair"}


def title(document: Document) -> str:
    """Task, n, judge and orders in one line."""
    judge = document["judge"]
    if document["judge_model"]:
        judge += f" ({document['judge_model']})"
    orders = ORDERS[document["orders"]]
    if document["rule"] == "average":
        # Without the word, a rate of probabilities looks wrong beside the wins.
        orders = "orders averaged" if document["orders"] == "both" else f"{orders}, averaged"
    rows = document["comparisons"]
    counts = f"{_span(r['n_questions'] for r in rows)} questions, "
    counts += f"{_span(r['n_turns'] for r in rows)} turns"
    return f"{document['task']} · {counts} · judge {judge} · {orders}"


def _span(counts: Iterable[int]) -> str:
    """What every pair has: "80", or "72 to 80" where pairs differ."""
    several = list(counts)
    least, most = min(several), max(several)
    return str(least) if least == most else f"{least} to {most}"
