"""Figures of a pass@k run as rows: at every k, and problem by problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sami_eval.report.table import Table, Value, plain
from sami_eval.stats.passk import best_of_k, pass_at_k

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import PasskContender, PasskDocument

Sample = Mapping[str, Any]  # a line of samples.jsonl
# By their names in a document, as they are drawn against k.
EVERY_K = {
    "pass_at_k": "pass@k",
    "maj_at_k": "maj@k",
    "pass_hat_k": "pass^k",
    "best_of_k": "best of k",
}


def every_k(
    row: PasskContender, name: str
) -> list[tuple[float, float, float | None, float | None]]:
    """One figure of a contender at every k: k, value and both ends; none in earlier versions."""
    points = row["at_every_k"].get(name, [])
    return [(k, x, low, high) for k, x, low, high in points if k is not None and x is not None]


def at_every_k(document: PasskDocument) -> Table:
    """A line a contender, figure and k."""
    lines = [
        (row["name"], title, int(k), *rest)
        for row in document["contenders"]
        for name, title in EVERY_K.items()
        for k, *rest in every_k(row, name)
    ]
    return plain(("contender", "figure", "k", "value", "low", "high"), lines)


def scores(document: PasskDocument, samples: Iterable[Sample]) -> Table:
    """A line a contender and problem: samples, right ones, without an answer, and its pass@k.

    Where a reward model chose, its best of k too: nothing where a sample has no score.
    """
    of: dict[tuple[str, str], list[Sample]] = {}
    greedy: dict[tuple[str, str], int] = {}
    for row in samples:
        place = (str(row["model"]), str(row["problem_id"]))
        if row["sample"] is None:
            greedy[place] = int(row["right"])
        else:
            of.setdefault(place, []).append(row)
    chose, ks = document["best_of"] is not None, document["ks"]
    names = ["contender", "problem_id", "n", "right", "no_answer", "greedy_right"]
    names += [f"pass@{k}" for k in ks] + [f"best_of_{k}" for k in ks if chose and k > 1]
    lines = [
        (*place, *_counts(rows), greedy.get(place, ""), *_at_each(rows, ks, chose))
        for place, rows in of.items()
    ]
    return plain(names, lines)


def _counts(rows: Sequence[Sample]) -> tuple[int, int, int]:
    right = sum(bool(row["right"]) for row in rows)
    return len(rows), right, sum(row["answer"] is None for row in rows)


def _at_each(rows: Sequence[Sample], ks: Sequence[int], chose: bool) -> Iterator[Value]:
    n, right, _ = _counts(rows)
    yield from (pass_at_k(n, right, k) for k in ks)
    if chose:
        rewards = [row["reward"] for row in rows if row.get("reward") is not None]
        every = [bool(row["right"]) for row in rows]
        known = len(rewards) == n
        yield from (best_of_k(rewards, every, k) if known else None for k in ks if k > 1)
