"""Finished pass@k figures in other formats: CSV of every problem, Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sami_eval.experiment.passk_document import EstimateRow, PasskDocument
from sami_eval.report.escape import csv_lines, in_markdown, one_line
from sami_eval.report.export import latex_table, markdown_table
from sami_eval.report.figures import interval_text, percent, short_p
from sami_eval.report.passk_console import points, points_interval, settings, title, tokens
from sami_eval.stats.passk import pass_at_k

Table = tuple[list[str], list[list[str]]]


def csv_text(document: PasskDocument, samples: Iterable[Mapping[str, Any]]) -> str:
    """A line a contender and problem: samples, right ones, without an answer, and its pass@k."""
    counts: dict[tuple[str, str], list[int]] = {}
    greedy: dict[tuple[str, str], int] = {}
    for row in samples:
        place = (str(row["model"]), str(row["problem_id"]))
        if row["sample"] is None:
            greedy[place] = int(row["right"])
            continue
        count = counts.setdefault(place, [0, 0, 0])
        count[0] += 1
        count[1] += bool(row["right"])
        count[2] += row["answer"] is None
    ks = document["ks"]
    names = ("contender", "problem_id", "n", "right", "no_answer", "greedy_right")
    lines: list[Sequence[object]] = [(*names, *(f"pass@{k}" for k in ks))]
    for place, (n, right, without) in counts.items():
        scores = [pass_at_k(n, right, k) for k in ks]
        lines.append((*place, n, right, without, greedy.get(place, ""), *scores))
    return csv_lines(lines)


def _cells(row: EstimateRow) -> list[str]:
    return [percent(row["value"]), interval_text(row["interval"])]


def figures_table(document: PasskDocument) -> Table:
    """Every contender at every k, full names."""
    header = ["contender", "k", "pass@k", "95% CI", "maj@k", "95% CI"]
    header += ["T 0, once", "95% CI", "no answer", "95% CI", "tokens"]
    rows = [
        [
            *(row["name"], k, *_cells(row["pass_at_k"][k]), *_cells(row["maj_at_k"][k])),
            *(*_cells(row["greedy"]), *_cells(row["no_answer"]), tokens(row)),
        ]
        for row in document["contenders"]
        for k in map(str, document["ks"])
    ]
    return header, rows


def differences_table(document: PasskDocument) -> Table:
    """Every pair at every k, full names."""
    header = ["pair", "k", "points", "95% CI", "p (Holm)", "problems needed"]
    rows = [
        [
            f"{row['a']} − {row['b']}",
            str(row["k"]),
            points(row["value"]),
            points_interval(row["interval"]),
            short_p(row["p_adjusted"]),
            "-" if row["problems_needed"] is None else f"{row['problems_needed']:,}",
        ]
        for row in document["differences"]
    ]
    return header, rows


def _tables(document: PasskDocument) -> list[Table]:
    return [
        figures_table(document),
        *([differences_table(document)] * bool(document["differences"])),
    ]


def markdown(document: PasskDocument) -> str:
    """The tables in Markdown, the settings above them."""
    tables = [markdown_table(*table) for table in _tables(document)]
    return "\n".join(
        [f"{in_markdown(title(document))}  ", f"{in_markdown(settings(document))}\n", *tables]
    )


def latex(document: PasskDocument) -> str:
    """The tables in LaTeX, the settings as comments; needs booktabs."""
    tables = [latex_table(*table) for table in _tables(document)]
    return "\n".join(
        [f"% {one_line(title(document))}", f"% {one_line(settings(document))}", *tables]
    )
