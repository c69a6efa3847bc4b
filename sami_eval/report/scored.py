"""Logs side by side: the verdict by the first scorer, means, differences, and what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from sami_eval.report import cell, figures
from sami_eval.report.glance import Glance, State, blocks, listed, overall, state_of
from sami_eval.report.table import (
    Bar,
    Block,
    Cell,
    Column,
    Facts,
    Lines,
    Plot,
    Report,
    Row,
    Table,
    columns,
    said,
)

if TYPE_CHECKING:
    from sami_eval.experiment.scored_document import (
        GainRow,
        LogRow,
        PairRow,
        ScoredDocument,
        ScorerRow,
    )

NARROW = 0.02  # of the range of the scores: two points either way are close to none
NAME_WIDTH, PAIR_WIDTH, SCORER_WIDTH, MOST_IDS = 18, 9, 16, 8
SCORER = Column("scorer", left=True, once=True)


def report(document: ScoredDocument) -> Report:
    """Verdict, means, paired differences, and what only one of two logs has."""
    head = Lines((title(document),), "bold", exported=True)
    paragraphs: list[list[Block]] = [blocks(glance(document)), [head], [means(document)]]
    if document["differences"]:
        paragraphs += [[differences(document)]]
    return [*paragraphs, [said(*notes(document))], [Facts(tuple(facts(document)))]]


def title(document: ScoredDocument) -> str:
    """Which tasks, how many samples."""
    tasks = list(dict.fromkeys(row["task"] for row in document["logs"]))
    counts = [row["n_samples"] for row in document["logs"]]
    least, most = min(counts), max(counts)
    n = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    every = sorted({row["epochs"] for row in document["logs"]})
    times = "" if every == [1] else f", {' or '.join(map(str, every))} epochs"
    return f"{listed(tasks)} · {len(counts)} log{'s' * (len(counts) > 1)} · {n} samples{times}"


def command(document: ScoredDocument) -> str:
    """What says it again."""
    files = [row["file"] for row in document["logs"]]
    beside = [row["file"] for row in document["logs"] if row["name"] == document["against"]]
    flag = ["--against", *beside] if beside else []
    return shlex.join(["sami-eval", "show", *files, *flag])


def glance(document: ScoredDocument) -> Glance:
    """By the first scorer that the logs share, whatever the others say."""
    logs, rows = document["logs"], document["differences"]
    if len(logs) == 1:
        return _of_one(logs[0])
    if not rows:
        return Glance("unknown", "unknown: no sample has a score in both logs", "n 0")
    first = [row for row in rows if row["k"] is None and row["scorer"] == rows[0]["scorer"]]
    return _of_pair(document, first[0]) if len(logs) == 2 else _of_several(document, first)


def _of_one(log: LogRow) -> Glance:
    known = [row for row in log["scores"] if row["value"] is not None]
    if not known:
        return Glance("unknown", f"unknown: no sample of {log['name']} has a score", "n 0")
    row = known[0]
    figure = f"{_told(row)}, {row['n_samples']:,} samples, {row['n_scores']:,} scores"
    verdict = f"{log['name']} scores {_value(row).text} by {row['scorer']}"
    return Glance("measured", verdict, figure, (), _bars([log], row["scorer"]))


def _told(row: ScorerRow) -> str:
    ends = _ends(row)
    return f"{_value(row).text} [{ends.text}]"


def _bars(logs: list[LogRow], scorer: str) -> tuple[Bar, ...]:
    """The mean of each log by one scorer; none where a mean is no share."""
    found = []
    for log in logs:
        row = next((one for one in log["scores"] if one["scorer"] == scorer), None)
        if row is None or row["value"] is None or not row["is_share"]:
            return ()
        share, told = row["value"], _told(row)
        found.append(Bar(log["name"], (share, 0, 1 - share), told, f"{log['name']}: {told}"))
    return tuple(found)


def _of_pair(document: ScoredDocument, row: GainRow) -> Glance:
    state, sides, by = _state(row), f"{row['a']} and {row['b']}", f"by {row['scorer']}"
    if state == "better":
        higher = "higher" if row["value"] > 0 else "lower"
        verdict = f"{row['a']} scores {higher} than {row['b']} {by}"
    elif state == "no difference found":
        verdict = f"no difference found between {sides} {by}"
    else:
        verdict = f"undecided between {sides} {by}: {_needs(row)}"
    unit = " points" if row["is_share"] else ""
    gain, ends = _gain(row)
    figure = f"{row['a']} − {row['b']}: {gain.text}{unit} [{ends.text}], {_measured(document, row)}"
    n = len(document["differences"])
    holm = f" after Holm over {n} differences" if n > 1 else ""
    told = "significant" if row["significant"] else "not significant"
    because = f"{told} at 5%{holm}, {figures.p_text(row['p_adjusted'])}"
    return Glance(state, verdict, figure, (because,), _bars(document["logs"], row["scorer"]))


def _state(row: GainRow) -> State:
    return state_of(row["significant"], row["interval"], 0, NARROW * row["span"])


def _needs(row: GainRow) -> str:
    needed = row["samples_needed"]
    if needed is None or needed <= row["n_samples"]:
        return "how many samples it needs is not known"
    return f"needs about {needed:,} samples"


def _measured(document: ScoredDocument, row: GainRow) -> str:
    several = len({one["scorer"] for one in document["differences"]}) > 1
    first = f"{row['scorer']}, the first scorer" if several else row["scorer"]
    return f"{first}, over {row['n_samples']:,} samples"


def _of_several(document: ScoredDocument, rows: list[GainRow]) -> Glance:
    by, n = f"by {rows[0]['scorer']}", len(document["logs"])
    apart = [row for row in rows if row["significant"]]
    state = overall([_state(row) for row in rows])
    told = [
        f"{row['a']} scores {'higher' if row['value'] > 0 else 'lower'} than {row['b']}"
        for row in apart
    ]
    verdict = f"{listed(told)} {by}" if told else f"{state} {by}: no pair of {n} logs is told apart"
    figure = f"{len(apart)} of {len(rows)} pairs decided at 5% after Holm over all differences"
    return Glance(state, verdict, figure, (), _bars(document["logs"], rows[0]["scorer"]))


def means(document: ScoredDocument) -> Table:
    """Every log by every scorer, on all samples that it scored."""
    rows = tuple(
        Row(
            (
                cell.text(log["name"], NAME_WIDTH),
                cell.text(row["scorer"], SCORER_WIDTH),
                _figure(row["k"]),
                _value(row),
                _ends(row),
                cell.many(row["n_samples"]),
                cell.many(row["n_unscored"]),
            )
        )
        for log in document["logs"]
        for row in log["scores"]
    )
    heads = columns(
        Column("log", left=True, once=True),
        SCORER,
        "figure",
        "value",
        "95% CI",
        "samples",
        "unscored",
    )
    return Table(heads, (rows,), name="means of each log")


def _figure(k: int | None) -> Cell:
    return cell.text("mean" if k is None else f"pass@{k}")


def _value(row: ScorerRow) -> Cell:
    value = row["value"]
    return cell.share(value) if value is None or row["is_share"] else _plain(value)


def _ends(row: ScorerRow) -> Cell:
    ends = row["interval"]
    if ends is None or row["is_share"]:
        return cell.interval(ends)
    return Cell(f"{_short(ends[0])} to {_short(ends[1])}", (ends[0], ends[1]))


def _plain(value: float, sign: str = "") -> Cell:
    return Cell(_short(value, sign), (value,))


def _short(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3g}" if abs(value) < 1000 else f"{value:{sign},.0f}"


def differences(document: ScoredDocument) -> Table:
    """Every pair by every scorer; a page draws shares around no difference."""
    several = len(document["pairs"]) > 1
    rows: list[Row] = []
    for pair in document["pairs"]:
        names = cell.pair(pair["a"], pair["b"], "−", PAIR_WIDTH)
        if several:
            rows.append(Row((names, *[cell.text("")] * 6), heading=True))
        own = [one for one in document["differences"] if _is_of(one, pair)]
        rows += [_difference(names.text if several else "", row) for row in own]
    drawn = [abs(end) for row in document["differences"] for end in row["interval"]]
    plot = Plot("less – equal – more", 3, 4, start=-max(drawn), end=max(drawn), named=2)
    last = Column("p (Holm)", "p"), Column("samples needed", "needed")
    title = f"{document['pairs'][0]['a']} − {document['pairs'][0]['b']}"
    return Table(
        columns(SCORER, "figure", Column("samples", "n"), "difference", "95% CI", *last),
        (tuple(rows),),
        plot=plot if all(row["is_share"] for row in document["differences"]) else None,
        name="paired differences" if several else f"paired differences, {title}",
    )


def _is_of(row: GainRow, pair: PairRow) -> bool:
    return (row["a"], row["b"]) == (pair["a"], pair["b"])


def _difference(pair: str, row: GainRow) -> Row:
    name = f"{pair}, {row['scorer']}" if pair else row["scorer"]
    short = figures.shorten(row["scorer"], SCORER_WIDTH)
    gain, ends = _gain(row)
    return Row(
        (
            Cell(name, (name,), f"  {short}" if pair else short),
            _figure(row["k"]),
            cell.many(row["n_samples"]),
            gain,
            ends,
            cell.p_value(row["p_adjusted"]),
            cell.many(row["samples_needed"]),
        ),
        row["significant"],
    )


def _gain(row: GainRow) -> tuple[Cell, Cell]:
    value, (low, high) = row["value"], row["interval"]
    if row["is_share"]:
        return cell.points(value), cell.points_interval(row["interval"])
    return _plain(value, "+"), Cell(f"{_short(low, '+')} to {_short(high, '+')}", (low, high))


def notes(document: ScoredDocument) -> Iterator[str]:
    """What the figures are of."""
    yield "a sample's score is the mean of its epochs; the sample is the unit of every interval"
    yield "an unscored sample is left out, never counted as wrong"
    if any(row["k"] for log in document["logs"] for row in log["scores"]):
        yield "pass@k: where a scorer says right or wrong, of samples with k scored epochs"
    if not document["differences"]:
        return
    yield (
        "differences are paired, on the samples of which both logs have a score; p by sign flips, "
        "Holm over all rows; needed: samples for 80% power at 5%, before Holm"
    )
    if not all(row["is_share"] for row in document["differences"]):
        yield "scores beyond 0 to 1 stand as they are, not as points"


def facts(document: ScoredDocument) -> Iterator[tuple[str, str]]:
    """What is missing, what is in one log only, and what may be wrong with a pair."""
    for log in document["logs"]:
        if log["status"] != "success":
            told = f"{log['name']} has the status `{log['status']}`"
            yield "warning", f"{told}: samples that it lacks may not be lacking by chance"
        if log["n_failed"]:
            yield (
                "failed",
                f"{log['name']}: {log['n_failed']:,} of {log['n_runs']:,} runs by an error",
            )
        for scorer, words in log["words"].items():
            kinds = ", ".join(f"`{word}`" for word in words[:MOST_IDS])
            yield "no number", f"{log['name']}, {scorer} said {kinds}: counted as unscored"
    for pair in document["pairs"]:
        yield from _of_samples(pair)
    tasks = {log["task"] for log in document["logs"]}
    if len(tasks) > 1:
        yield "warning", f"the logs are of different tasks: {', '.join(sorted(tasks))}"
    for a, b in combinations(document["logs"], 2):
        if a["date"] and _but_where(a) == _but_where(b):
            yield "warning", f"{a['name']} and {b['name']} agree in all: is one a copy?"
    for log in document["logs"]:
        yield log["name"], log["file"]


def _but_where(log: LogRow) -> dict[str, object]:
    """What a log says, its date with it, but for its file and what it is called by that."""
    return {key: value for key, value in log.items() if key not in ("name", "file")}


def _of_samples(pair: PairRow) -> Iterator[tuple[str, str]]:
    a, b, n = pair["a"], pair["b"], pair["n_common"]
    yield "in both", f"{n:,} samples of {a} and {b}"
    for side in ("a", "b"):
        ids = pair["only_a"] if side == "a" else pair["only_b"]
        scorers = pair["scorers_only_a"] if side == "a" else pair["scorers_only_b"]
        name, other = (a, b) if side == "a" else (b, a)
        if ids:
            n_ids = f"{len(ids):,} sample{'s' * (len(ids) > 1)}"
            yield "in one only", f"{n_ids} of {name}, not {other}: {_ids(ids)}"
        if scorers:
            yield "in one only", f"scorers of {name}, not {other}: {', '.join(scorers)}"
    if pair["n_other_input"]:
        told = f"{pair['n_other_input']:,} of {n:,} samples left out"
        yield "warning", f"{told}: another input in {a} than in {b}"


def _ids(ids: list[str]) -> str:
    """The first of them."""
    more = len(ids) - MOST_IDS
    return ", ".join(ids[:MOST_IDS]) + (f", and {more:,} more (--json)" if more > 0 else "")
