"""Finished pass@k figures on the terminal, right at 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sami_eval.data import unanswered
from sami_eval.data.unanswered import answers_of
from sami_eval.report.console import EMBEDDED, facts, plain_table, stage_table, trained_on_facts
from sami_eval.report.figures import interval_text, p_text, percent, short_p, shorten
from sami_eval.report.unanswered import facts as answer_facts
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from sami_eval.experiment.passk_document import (
        DifferenceRow,
        EstimateRow,
        PasskContender,
        PasskDocument,
    )

NAME_WIDTH = 14
PLOT_WIDTH, PLOT_HEIGHT = 62, 12
MARKS = "●○▲△■□◆◇"
SAME_SAMPLES = 0.5  # share of problems with identical samples from which a warning is due


def render_passk(document: PasskDocument, verbose: bool = False) -> RenderableType:
    """The whole result: title, tables, curve, and what they mean in words."""
    parts: list[RenderableType] = [Text(title(document), style="bold"), Text(settings(document))]
    parts += [Text(line, style="bold red") for line in warnings(document)]
    parts += [Text(), _passk_table(document), Text(), _answers_table(document)]
    if document["differences"]:
        parts += [Text(), _differences_table(document)]
    parts += [Text(), Text(curve(document), no_wrap=True), Text()]
    parts += [Text(line, style="bold") for line in verdicts(document)]
    parts += [Text(line) for line in notes(document)]
    if document["settings"]["protocol"] == "paper":
        parts += [Text(), *paper_parts(document)]
    parts += [Text(), facts(list(fact_rows(document)))]
    if document["embedded"]:
        parts += [Text(), Text(EMBEDDED, style="italic")]
    if verbose:
        parts += [Text(), stage_table(document["seconds"], document["memory_mb"])]
    return Group(*parts)


def title(document: PasskDocument) -> str:
    """What was asked, how often."""
    n, samples = document["n_problems"], document["samples"]
    source = document["settings"]["source"]
    split = document["settings"]["split"]
    of = f" of {'embedded word problems' if source == 'embedded' else source}"
    if split is None:  # the task is named after the file
        of = ""
    return (
        f"{document['task']} · {n:,} problems{of}{f', split {split}' if split else ''} · "
        f"{samples} sample{'s' if samples > 1 else ''} each"
    )


def settings(document: PasskDocument) -> str:
    """What every figure depends on, in one line; it stands on every table and export."""
    row = document["settings"]
    return (
        f"T {row['temperature']:g} · top_p {row['top_p']:g} · n {document['samples']} · "
        f"{row['shots']}-shot · split {row['split'] or 'of a file'} · {row['prompt']} · "
        f"extractor {str(row['extractor']).partition(':')[0]}"
    )


def warnings(document: PasskDocument) -> list[str]:
    """What spoils the figures: samples without text, or all of a problem one and the same."""
    found = unanswered.warnings(answers_of(document["contenders"]))
    if document["samples"] < 2:
        return found
    n = document["n_problems"]
    return found + [
        f"warning: {row['name']}: all samples are identical on {row['n_identical']} of {n} "
        "problems, so pass@k says no more than pass@1. The usual cause is one seed for every "
        "sample, a server that ignores seeds and temperature, or a very low temperature."
        for row in document["contenders"]
        if row["n_identical"] > SAME_SAMPLES * n
    ]


def cells(row: EstimateRow) -> list[str]:
    """A figure and its interval as texts."""
    return [percent(row["value"]), interval_text(row["interval"])]


def _passk_table(document: PasskDocument) -> Table:
    table = plain_table("contender", "k", "pass@k", "95% CI", "maj@k", "95% CI")
    for row in document["contenders"]:
        for i, k in enumerate(map(str, document["ks"])):
            name = shorten(row["name"], NAME_WIDTH) if i == 0 else ""
            table.add_row(name, k, *cells(row["pass_at_k"][k]), *cells(row["maj_at_k"][k]))
    return table


def _answers_table(document: PasskDocument) -> Table:
    table = plain_table("contender", "T 0, once", "95% CI", "no answer", "95% CI", "tokens")
    for row in document["contenders"]:
        shares = [*cells(row["greedy"]), *cells(row["no_answer"])]
        table.add_row(shorten(row["name"], NAME_WIDTH), *shares, tokens(row))
    return table


def tokens(row: PasskContender) -> str:
    """Mean tokens of a sample with half the width of their interval: "41.2 ± 1.3"."""
    value, interval = row["mean_tokens"]["value"], row["mean_tokens"]["interval"]
    if value is None:
        return "-"
    return f"{value:.1f}" + (f" ± {(interval[1] - interval[0]) / 2:.1f}" if interval else "")


def points(share: float) -> str:
    """A difference of shares in percentage points: "+5.2"."""
    return f"{100 * share:+.1f}"


def points_interval(interval: list[float]) -> str:
    """Its interval: "-1.0 to +11.4"."""
    return f"{points(interval[0])} to {points(interval[1])}"


def _differences_table(document: PasskDocument) -> Table:
    table = plain_table("pair", "k", "points", "95% CI", "p (Holm)", "problems needed")
    for row in document["differences"]:
        pair = f"{shorten(row['a'], 11)} − {shorten(row['b'], 11)}"
        needed = "-" if row["problems_needed"] is None else f"{row['problems_needed']:,}"
        cells = [points(row["value"]), points_interval(row["interval"])]
        style = "bold" if row["significant"] else None
        table.add_row(
            pair if row["k"] == document["ks"][0] else "",
            *(str(row["k"]), *cells, short_p(row["p_adjusted"]), needed),
            style=style,
        )
    return table


def curve(document: PasskDocument) -> str:
    """pass@k against k, k on a logarithmic axis, in plain characters."""
    rows = document["contenders"]
    n = document["samples"]
    values = [value for row in rows for _, value in row["curve"]]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    high = min(1.0, max(high, low + 0.1))
    low = min(low, high - 0.1)
    grid = [[" "] * PLOT_WIDTH for _ in range(PLOT_HEIGHT + 1)]
    for i, row in enumerate(rows):
        for k, value in row["curve"]:
            x = round(math.log(k) / math.log(n) * (PLOT_WIDTH - 1)) if n > 1 else 0
            y = round((high - value) / (high - low) * PLOT_HEIGHT)
            mark = MARKS[i % len(MARKS)]
            grid[y][x] = mark if grid[y][x] in (" ", mark) else "◎"
    lines = [f"pass@k  {legend(document)}"]
    for y, cells in enumerate(grid):
        share = high - (high - low) * y / PLOT_HEIGHT
        label = f"{100 * share:>5.0f}%" if y % 3 == 0 else " " * 6
        lines.append(f"{label} {'┤' if y % 3 == 0 else '│'}{''.join(cells)}".rstrip())
    lines.append(f"{' ' * 7}└{'─' * PLOT_WIDTH}")
    lines.append(f"{' ' * 8}{_axis(n)}")
    return "\n".join(lines)


def legend(document: PasskDocument) -> str:
    """Which mark is whose, within the width of the plot."""
    rows = document["contenders"]
    width = max(6, 60 // len(rows) - 4)
    marks = [f"{MARKS[i % len(MARKS)]} {shorten(r['name'], width)}" for i, r in enumerate(rows)]
    return "  ".join([*marks, *(["◎ several"] if len(rows) > 1 and len(rows) < 5 else [])])


def _axis(n: int) -> str:
    cells = [" "] * (PLOT_WIDTH + 3)
    for k in [k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if k < n] + [n]:
        at = round(math.log(k) / math.log(n) * (PLOT_WIDTH - 1)) if n > 1 else 0
        for j, character in enumerate(f"{'k = ' if k == 1 and n > 2 else ''}{k}"):
            if at + j < len(cells):
                cells[at + j] = character
    return "".join(cells).rstrip()


def verdicts(document: PasskDocument) -> list[str]:
    """For every pair who solves more, at which k, or how many problems would tell."""
    pairs: dict[tuple[str, str], list[DifferenceRow]] = {}
    for row in document["differences"]:
        pairs.setdefault((row["a"], row["b"]), []).append(row)
    return [_verdict(rows) for rows in pairs.values()]


def _verdict(rows: list[DifferenceRow]) -> str:
    a, b = rows[0]["a"], rows[0]["b"]
    told = []
    for verb, sign in (("solves more", 1), ("solves fewer", -1)):
        found = [_clause(row) for row in rows if row["significant"] and sign * row["value"] > 0]
        told += [f"{verb} at {', '.join(found)}"] if found else []
    open_ones = [row for row in rows if not row["significant"]]
    if open_ones:
        ks = ", ".join(str(row["k"]) for row in open_ones)
        first = open_ones[0]
        text = f"no difference found at k = {ks}"
        if first["problems_needed"] is not None:
            text += (
                f" (pass@{first['k']}: {points(first['value'])} points would need about "
                f"{first['problems_needed']:,} problems)"
            )
        told.append(text)
    return f"{a} against {b}: {'; '.join(told)}"


def _clause(row: DifferenceRow) -> str:
    return f"k = {row['k']} ({points(row['value'])} points, {p_text(row['p_adjusted'])})"


def notes(document: PasskDocument) -> Iterator[str]:
    """What the figures cover, line by line."""
    clusters = document["settings"].get("n_clusters")
    flips = "sign flips"
    if clusters:
        unit = document["settings"]["cluster"]
        flips += f" of each `{unit}`"
        yield (
            f"intervals cover the choice of {clusters:,} groups of problems by `{unit}` and of "
            "samples, not training seeds"
        )
    else:
        yield "intervals cover the choice of problems and samples, not training seeds"
    if document["differences"]:
        yield (
            f"differences are paired by problem; p by {flips}, Holm over all rows; problems "
            "needed: for 80% power at 5%, before Holm, were the difference true"
        )
    yield "T 0, once: one greedy attempt a problem, a figure of its own and not pass@1"


def paper_parts(document: PasskDocument) -> Iterator[RenderableType]:
    """The figures as the paper counted them, and what is wrong with each choice."""
    yield Text("as in the paper: any of the first k samples, answer = last run of digits")
    table = plain_table("contender", "k", "any of k", "pass@k", "95% CI")
    for row in document["contenders"]:
        for i, k in enumerate(map(str, document["ks"])):
            name = shorten(row["name"], NAME_WIDTH) if i == 0 else ""
            table.add_row(name, k, percent(row["any_of_k"][k]), *cells(row["pass_at_k"][k]))
    yield table
    yield Text()
    for flaw in paper_flaws(document):
        yield Text(f"· {flaw}")


def paper_flaws(document: PasskDocument) -> list[str]:
    """What is wrong with each of the paper's choices that this run took over."""
    row = document["settings"]
    flaws = [
        "any of k with n = k draws throws the other samples away: the same truth on average, with "
        "more noise, and the paper gave no interval for it",
        "the last run of digits reads -10 as 10 and 4.32 as 32: wrong answers count as right, and "
        "right ones as wrong; pass@k above reads numbers by value",
    ]
    if row["split"] == "train":
        flaws.append(
            "the train split may have been seen in pretraining or tuning: a score on it says "
            "little of new problems (--split test)"
        )
    if row["temperature"] == 1.0 and row["top_p"] < 1:
        flaws.append(
            f"T 1 with top_p {row['top_p']:g} is one point of a curve: pass@1 falls and pass@k "
            "rises with temperature, so figures at other settings cannot be set beside these"
        )
    flaws.append("a bare Q/A prompt leaves it to chance whether a chat model shows its reasoning")
    return flaws


def fact_rows(document: PasskDocument) -> Iterator[tuple[str, str]]:
    """What to know beside the figures, as labels and texts."""
    row = document["settings"]
    cut = {one["name"]: one["n_cut"] for one in document["contenders"] if one["n_cut"]}
    if cut:
        yield (
            "cut at token limit",
            ", ".join(f"{name} {n:,}" for name, n in cut.items())
            + f" ({row['max_tokens']} tokens)",
        )
    yield from answer_facts(document["contenders"])
    yield from trained_on_facts(document["contenders"])
    calls = document["calls"]
    total = calls["made"] + calls["from_ledger"]
    yield (
        "answers",
        f"{calls['made']:,} drawn, {calls['from_ledger']:,} of {total:,} from the ledger",
    )
    if document["cost_usd"] != 0:
        cost = document["cost_usd"]
        unseen = document["cost_unseen_usd"]
        more = (
            f", up to {dollars(unseen)} more for calls whose usage was not seen" if unseen else ""
        )
        yield "cost", ("not known" if cost is None else dollars(cost)) + more
    yield "engine", f"{row['engine']}, seed {row['seed']}"
    yield "saved", f"{document['run']}  (sami-eval show)"
