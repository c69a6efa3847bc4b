"""Finished pass@k figures: their tables, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sami_eval.data import unanswered
from sami_eval.data.unanswered import answers_of
from sami_eval.report import cell, steps, stopping
from sami_eval.report.every_run import answer_facts, ending, unseen
from sami_eval.report.glance import blocks
from sami_eval.report.passk_curve import curve
from sami_eval.report.passk_glance import glance, pairs
from sami_eval.report.table import (
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
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import (
        DifferenceRow,
        EstimateRow,
        PasskContender,
        PasskDocument,
    )

NAME_WIDTH, CATEGORY_WIDTH = 14, 35
CONTENDER = Column("contender", left=True, once=True)
SAME_SAMPLES = 0.5  # share of problems with identical samples from which a warning is due


def report(document: PasskDocument, verbose: bool = False) -> Report:
    """The whole result: its verdict, title, tables, curve, and what they mean in words."""
    heads = [
        Lines((title(document),), "bold", exported=True),
        Lines((settings(document),), exported=True),
    ]
    paragraphs = [blocks(glance(document))]
    paragraphs += [[*heads, said(*warnings(document), style="bold red")]]
    paragraphs += [[table] for table in tables(document)]
    paragraphs += [[Lines((curve(document),), drawn=True)]]
    paragraphs += [[said(*pairs(document)), said(*notes(document))]]
    paragraphs += steps.of_passk(document)
    if document["settings"]["protocol"] == "paper":
        paragraphs += [[said(AS_IN_THE_PAPER), _as_in_the_paper(document)]]
        paragraphs += [[said(*(f"· {flaw}" for flaw in paper_flaws(document)))]]
    return [*paragraphs, [Facts(tuple(fact_rows(document)))], *ending(document, verbose)]


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
    split = f"split {row['split']} · " if row["split"] else ""
    return (
        f"T {row['temperature']:g} · top_p {row['top_p']:g} · up to {row['max_tokens']} tokens · "
        f"n {document['samples']} · {row['shots']}-shot · {split}{row['prompt']} · "
        f"marker {row['marker']}"
    )


def warnings(document: PasskDocument) -> list[str]:
    """What spoils the figures: samples without text, or all of a problem one and the same."""
    found = [*unanswered.warnings(answers_of(document["contenders"])), *_ended(document)]
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


def _ended(document: PasskDocument) -> list[str]:
    return [
        f"warning: {row['name']}: {row['n_ended']:,} samples took too long to mark. Whether they "
        "are right is not known; they count as no answer."
        for row in document["contenders"]
        if row["n_ended"]
    ]


def tables(document: PasskDocument) -> list[Table]:
    """pass@k and maj@k at every k; how steadily; the samples; paired differences."""
    steady = _steady_table(document)
    found = [figures_table(document), *([steady] if steady else []), *_best_of(document)]
    found += [*_by_category(document), _samples(document)]
    return [*found, differences_table(document)] if document["differences"] else found


def figures_table(document: PasskDocument) -> Table:
    """Every contender at every k."""
    rows = [
        Row((_name(row), cell.text(k), *_cells(row["pass_at_k"][k]), *_cells(row["maj_at_k"][k])))
        for row in document["contenders"]
        for k in map(str, document["ks"])
    ]
    heads = columns(CONTENDER, "k", "pass@k", "95% CI", "maj@k", "95% CI")
    return Table(heads, (tuple(rows),), name="pass@k and maj@k")


def _steady_table(document: PasskDocument) -> Table | None:
    """How many of k samples are right: all, at least half, on average from half to all."""
    rows = [
        Row(
            (
                _name(row),
                cell.text(k),
                *_cells(row["pass_hat_k"][k]),
                *_cells(row["g_pass_at_k"][k]),
                *_cells(row["mg_pass_at_k"][k]),
            )
        )
        for row in document["contenders"]
        for k in row["pass_hat_k"]
    ]
    heads = ("k", "pass^k", "95% CI", "G-Pass@k", "95% CI", "mG-Pass@k", "95% CI")
    return Table(columns(CONTENDER, *heads), (tuple(rows),), name="steadiness") if rows else None


def _best_of(document: PasskDocument) -> Iterator[Table]:
    """Where a reward model chose: the best of k, and what every two differ by in it."""
    if document["best_of"] is None:
        return
    rows = [
        Row((_name(row), cell.text(k), *_cells(one), *_cells(row["pass_at_k"][k])))
        for row in document["contenders"]
        for k, one in row["best_of_k"].items()
    ]
    heads = columns(CONTENDER, "k", "best of k", "95% CI", "pass@k", "95% CI")
    yield Table(heads, (tuple(rows),), name=f"best of k by {document['best_of']['model']}")
    if document["best_of_differences"]:
        name = "paired differences of the best of k"
        yield _differences(document["best_of_differences"], name, "pair, best of k")


def _by_category(document: PasskDocument) -> Iterator[Table]:
    """pass@k at the smallest k asked for, category by category."""
    k = str(document["ks"][0])
    groups = [
        tuple(
            Row(
                (
                    _name(row),
                    cell.text(name, CATEGORY_WIDTH),
                    cell.many(one["n_problems"]),
                    *_cells(one["pass_at_k"][k]),
                )
            )
            for name, one in row["by_category"].items()
        )
        for row in document["contenders"]
    ]
    heads = (CONTENDER, Column("category", left=True), "problems", f"pass@{k}", "95% CI")
    if any(groups):
        yield Table(columns(*heads), tuple(groups), name=f"pass@{k} by category")


def _name(row: PasskContender) -> Cell:
    return cell.text(row["name"], NAME_WIDTH)


def _cells(row: EstimateRow) -> tuple[Cell, Cell]:
    return cell.share(row["value"]), cell.interval(row["interval"])


def _samples(document: PasskDocument) -> Table:
    rows = [
        Row((_name(row), *_cells(row["greedy"]), *_cells(row["no_answer"]), _tokens(row)))
        for row in document["contenders"]
    ]
    heads = columns("contender", "T 0, once", "95% CI", "no answer", "95% CI", "tokens")
    return Table(heads, (tuple(rows),), name="one greedy attempt, and the samples")


def _tokens(row: PasskContender) -> Cell:
    """Mean tokens of a sample with half the width of their interval: "41.2 ± 1.3"."""
    value, ends = row["mean_tokens"]["value"], row["mean_tokens"]["interval"]
    half = f" ± {(ends[1] - ends[0]) / 2:.1f}" if ends else ""
    return Cell("-" if value is None else f"{value:.1f}{half}", (value, *(ends or (None, None))))


def differences_table(document: PasskDocument) -> Table:
    """Every pair at every k, drawn around no difference."""
    return _differences(document["differences"], "paired differences of pass@k")


def _differences(of: Sequence[DifferenceRow], name: str, pair: str = "pair") -> Table:
    rows = [
        Row(
            (
                cell.pair(row["a"], row["b"], "−"),
                cell.count(row["k"]),
                cell.points(row["value"]),
                cell.points_interval(row["interval"]),
                cell.p_value(row["p_adjusted"]),
                cell.many(row["problems_needed"]),
            ),
            row["significant"],
        )
        for row in of
    ]
    of_pair = Column(pair, left=True, once=True)
    reach = max(abs(end) for row in of for end in row["interval"]) or 1
    return Table(
        columns(of_pair, "k", "points", "95% CI", "p (Holm)", "problems needed"),
        (tuple(rows),),
        plot=Plot("less – equal – more", 2, 3, start=-reach, end=reach, named=2),
        name=name,
    )


def notes(document: PasskDocument) -> Iterator[str]:
    """What the figures cover, line by line."""
    stops = [row["stopping"] for row in document["differences"] if "stopping" in row]
    for row in document["differences"]:
        if "stopping" in row:
            pair = f"{row['a']} against {row['b']}: " if len(stops) > 1 else ""
            yield from (pair + line for line in stopping.beside(row["stopping"], "problems"))
    yield from stopping.rule_lines(stops, "problems")
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
    if document["differences"] and not stopping.is_main(stops):
        yield (
            f"differences are paired by problem; p by {flips}, Holm over all rows; problems "
            "needed: for 80% power at 5%, before Holm, were the difference true"
        )
    if document["best_of"] is not None:
        by = document["best_of"]["model"]
        yield (
            f"best of k: of k samples the one that {by} scores highest, on average over which k "
            "are drawn; its differences have a Holm's correction of their own"
        )
    yield "T 0, once: one greedy attempt a problem, a figure of its own and not pass@1"


AS_IN_THE_PAPER = "as in the paper: any of the first k samples, answer = last run of digits"


def _as_in_the_paper(document: PasskDocument) -> Table:
    """The figures as the paper counted them."""
    rows = [
        Row(
            (_name(row), cell.text(k), cell.share(row["any_of_k"][k]), *_cells(row["pass_at_k"][k]))
        )
        for row in document["contenders"]
        for k in map(str, document["ks"])
    ]
    heads = columns(CONTENDER, "k", "any of k", "pass@k", "95% CI")
    return Table(heads, (tuple(rows),), exported=False)


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
    for one in document["contenders"]:
        if one["n_unrated"]:
            told = f"{one['name']}: {one['n_unrated']:,} problems with a sample that has no score"
            yield "not in best of k", told
    calls = document["calls"]
    total = calls["made"] + calls["from_ledger"]
    yield (
        "answers",
        f"{calls['made']:,} drawn, {calls['from_ledger']:,} of {total:,} from the ledger",
    )
    yield from (("warning", text) for text in document["warnings"])
    if document["cost_usd"] != 0:
        cost = document["cost_usd"]
        yield "cost", ("not known" if cost is None else dollars(cost)) + unseen(document)
    yield "engine", f"{row['engine']}, seed {row['seed']}"
    yield "saved", f"{document['run']}  (sami-eval show)"
