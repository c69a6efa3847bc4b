"""Figures placed on a page: numbers in, coordinates and labels out; the template draws them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sami_eval.core.types import Response, Verdict
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.document import ContenderRow
from sami_eval.experiment.fold import Rule, fold
from sami_eval.experiment.passk_document import PasskContender

LOG = "training.jsonl"  # what align writes beside an adapter's weights
# Name in the log, and what a reader calls it.
CHARTS = {
    "loss": "loss",
    "information_bound": "lower bound of the mutual information, nats",
    "row_accuracy": "share of rows whose own response is the likeliest",
    "column_accuracy": "share of columns whose own constitution is the likeliest",
    "rewards/accuracies": "share of pairs whose chosen response gets the higher reward",
    "own_logps": "log-probability of own responses, nats a token",
    "kl": "KL from the reference model, nats a token",
}
KINDS = ("", "second", "third", "fourth")
LEFT, RIGHT, TOP, BOTTOM = 46, 352, 12, 160


def strip(
    row: ComparisonRow, responses: Sequence[Response], verdicts: Sequence[Verdict], rule: Rule
) -> dict[str, Any] | None:
    """Turns by outcome (rows) and length difference (x); None for training seeds.

    rule: the run's, so that its dots are the outcomes of its table.
    """
    if row["seeds"] is not None:
        return None
    points, unit = _apart(row, responses, verdicts, rule), row["length"]["unit"]
    reach = max([abs(x) for several in points.values() for x in several], default=0) or 1

    def at(value: float) -> float:
        return round(340 + 205 * value / reach, 1)

    labels = {"a": f"{row['a']} wins", "tie": "tie", "b": f"{row['b']} wins"}
    return {
        "unit": unit,
        "zero": at(0),
        "ticks": [
            (at(x), f"{x:+,.0f}" if x else "0") for x in (-reach, -reach / 2, 0, reach / 2, reach)
        ],
        "rows": [
            {
                "label": _short(labels[kind]),
                "kind": kind,
                "place": place,
                "dots": [(at(x), (i * 7) % 17 - 8) for i, x in enumerate(several)],
            }
            for place, (kind, several) in enumerate(points.items())
        ],
    }


def _apart(
    row: ComparisonRow, responses: Sequence[Response], verdicts: Sequence[Verdict], rule: Rule
) -> dict[str, list[float]]:
    """How much longer a's answer is, turn by turn, by outcome."""
    unit = row["length"]["unit"]
    sizes = {
        (response.model, response.prompt_id, turn): size
        for response in responses
        for turn, size in enumerate(_sizes(response, unit))
    }
    points: dict[str, list[float]] = {"a": [], "tie": [], "b": []}
    for outcome in fold(verdicts, rule):
        of_a, of_b = (sizes.get((row[s], outcome.prompt_id, outcome.turn)) for s in ("a", "b"))
        if of_a is not None and of_b is not None:
            kind = "a" if outcome.score > 0.5 else "b" if outcome.score < 0.5 else "tie"
            points[kind].append(of_a - of_b)
    return points


def _sizes(response: Response, unit: str) -> list[float | None]:
    if unit == "tokens":
        return list(response.n_tokens)
    return [len(text) for text in response.turns]


def _short(text: str, width: int = 20) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def trainings(contenders: Sequence[ContenderRow | PasskContender]) -> list[dict[str, Any]]:
    """The curves of each adapter whose training log still lies beside its weights."""
    found = []
    for row in contenders:
        log = _log(row["adapter"])
        charts = [chart(name, title, log) for name, title in CHARTS.items() if _points(log, name)]
        if charts:
            note = f"{log[-1].get('step', len(log))} steps, from {LOG} in {row['adapter']}"
            found.append({"name": row["name"], "note": note, "charts": charts})
    return found


def _log(adapter: str | None) -> list[Mapping[str, Any]]:
    path = Path(adapter or "") / LOG
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []  # moved or removed since: the comparison stands without its curves
    return [row for row in rows if isinstance(row, dict)]


def _points(log: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    points = [(row.get("step", place), row.get(name)) for place, row in enumerate(log, 1)]
    known = [(x, y) for x, y in points if _is_number(x) and _is_number(y)]
    return [(float(x), float(y)) for x, y in known]  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def chart(name: str, title: str, log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One measured quantity against the step."""
    points = _points(log, name)
    return line_chart(title, "step", [(title, points, [])])


Line = tuple[str, Sequence[tuple[float, float]], Sequence[tuple[float, float]]]


def line_chart(
    title: str,
    x_label: str,
    lines: Sequence[Line],
    y_text: Callable[[float], str] = "{:.3g}".format,
) -> dict[str, Any]:
    """Lines on one pair of axes: label, points, and a band of one (low, high) a point, or none."""
    xs = [x for _, points, _ in lines for x, _ in points]
    ys = [y for _, points, band in lines for y in [*(y for _, y in points), *sum(band, ())]]
    low, high = min(ys), max(ys)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)

    def at_x(x: float) -> float:
        width = (max(xs) - min(xs)) or 1
        return round(LEFT + (RIGHT - LEFT) * (x - min(xs)) / width, 1)

    def at_y(y: float) -> float:
        share: float = (y - low) / (high - low)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    placed = []
    for number, (label, points, band) in enumerate(lines):
        over = [(x, ends[1]) for (x, _), ends in zip(points, band, strict=False)]
        under = [(x, ends[0]) for (x, _), ends in zip(points, band, strict=False)]
        placed.append(
            {
                "label": label,
                "kind": KINDS[number % len(KINDS)],
                "points": " ".join(f"{at_x(x)},{at_y(y)}" for x, y in points),
                "band": " ".join(f"{at_x(x)},{at_y(y)}" for x, y in [*over, *reversed(under)]),
            }
        )
    return {
        "title": title,
        "x_label": x_label,
        "lines": placed,
        "y_ticks": [(at_y(y), y_text(y)) for y in (low, (low + high) / 2, high)],
        "x_ticks": [(at_x(x), f"{x:g}") for x in _few(sorted(set(xs)))],
    }


def _few(xs: Sequence[float], most: int = 6) -> Sequence[float]:
    return xs if len(xs) <= most else [xs[0], xs[-1]]
