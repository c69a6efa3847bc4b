"""Figures placed on a page: numbers in, coordinates and labels out; the template draws them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    """Turns by outcome (rows) and length difference (x); None for training seeds and no turns.

    rule: the run's, so that its dots are the outcomes of its table.
    """
    if row["seeds"] is not None:
        return None
    points, unit = _apart(row, responses, verdicts, rule), row["length"]["unit"]
    if not any(points.values()):
        return None
    reach = max(abs(x) for several in points.values() for x in several) or 1
    ticks = round_ticks(-reach, reach)

    def at(value: float) -> float:
        return round(340 + 205 * value / ticks[-1], 1)

    labels = {"a": f"{row['a']} wins", "tie": "tie", "b": f"{row['b']} wins"}
    return {
        "unit": unit,
        "zero": at(0),
        "ticks": [(at(x), f"{x:+,g}" if x else "0") for x in ticks],
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
    for name, folder in _folders(contenders).items():
        log = _log(folder)
        charts = [chart(name, title, log) for name, title in CHARTS.items() if _points(log, name)]
        if charts:
            note = f"{log[-1].get('step', len(log))} steps, from {LOG} in {folder}"
            found.append({"name": name, "note": note, "charts": charts})
    return found


def _folders(contenders: Sequence[ContenderRow | PasskContender]) -> dict[str, str]:
    """The folder of each training by its name; that of its checkpoints once."""
    found: dict[str, str] = {}
    for row in contenders:
        step, adapter = row.get("step"), row["adapter"]
        if adapter is not None and step is None:
            found[row["name"]] = adapter
        elif adapter is not None:
            found[row["name"].removesuffix(f":{step}")] = str(Path(adapter).parent)
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
    return line_chart(title, "step", [Line(title, _points(log, name))])


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right. band: x, low and high ends, where an interval is known.

    marked: the x at which a point is drawn; by default those of the band.
    level: one figure that has no x.
    """

    label: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    marked: Sequence[float] | None = None
    level: bool = False


def line_chart(
    title: str,
    x_label: str,
    lines: Sequence[Line],
    y_text: Callable[[float], str] = "{:g}".format,
    doubling: bool = False,
) -> dict[str, Any]:
    """Lines on one pair of axes. doubling: x on a logarithmic axis, marked at powers of two."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    ends = [y for line in lines for _, *both in line.band for y in both]
    y_ticks = round_ticks(min(ys + ends), max(ys + ends))
    x_ticks = _doubled(min(xs), max(xs)) if doubling else _within(min(xs), max(xs))
    place: Callable[[float], float] = math.log if doubling else float

    def at_x(x: float) -> float:
        width = (place(max(xs)) - place(min(xs))) or 1
        return round(LEFT + (RIGHT - LEFT) * (place(x) - place(min(xs))) / width, 1)

    def at_y(y: float) -> float:
        share: float = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    placed = []
    for number, line in enumerate(lines):
        value = dict(line.points)
        over = [(x, high) for x, _, high in line.band]
        under = [(x, low) for x, low, _ in line.band]
        outline = [*over, *reversed(under)]
        marked = [x for x, _ in over] if line.marked is None else line.marked
        placed.append(
            {
                "label": line.label,
                "kind": KINDS[number % len(KINDS)],
                "points": " ".join(f"{at_x(x)},{at_y(y)}" for x, y in line.points),
                "marks": [(at_x(x), at_y(value[x])) for x in marked if x in value],
                "band": " ".join(f"{at_x(x)},{at_y(y)}" for x, y in outline),
            }
        )
    return {
        "title": title,
        "x_label": x_label,
        "lines": placed,
        "y_ticks": [(at_y(y), y_text(y)) for y in y_ticks],
        "x_ticks": [(at_x(x), f"{x:,g}") for x in x_ticks],
    }


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Numbers that people count in (steps of 1, 2 or 5), from below the low end to above the high.

    most: about so many; where both ends are one number, one step to either side of it.
    """
    if low == high:
        low, high = low - abs(low) / 10 or -1.0, high + abs(high) / 10 or 1.0
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _within(low: float, high: float) -> list[float]:
    return [x for x in round_ticks(low, high) if low <= x <= high] or [low]


def _doubled(low: float, high: float) -> list[float]:
    """Powers of two up to the last, which is named itself; its near neighbour is not."""
    powers = [2.0**n for n in range(math.ceil(math.log2(low)), math.ceil(math.log2(high)))]
    return [*(x for x in powers if x < 0.75 * high or low == high), high]
