"""A reproduction: ours beside the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from sami_eval.experiment.reproduce.audit import rate_text
from sami_eval.experiment.reproduce.checklist import facts_text
from sami_eval.experiment.reproduce.document import (
    CategoryRow,
    JudgedResult,
    PairRow,
    Reproduction,
    SampledResult,
    StageRow,
)
from sami_eval.experiment.reproduce.expect import Asks, Need
from sami_eval.experiment.reproduce.scale import Scale
from sami_eval.experiment.tallies import SIGNIFICANT
from sami_eval.report import cell
from sami_eval.report.every_run import EMBEDDED
from sami_eval.report.figures import p_text
from sami_eval.report.table import (
    EMPTY,
    Block,
    Cell,
    Column,
    Lines,
    Plot,
    Report,
    Row,
    Table,
    columns,
    said,
)
from sami_eval.server.budget import dollars, whole_cost

COVERED = (
    "intervals cover the choice of questions or problems, not of the training seed (--seed 1); "
    "a run to read verdict by verdict: sami-eval show RUN --html"
)
SIZES = (
    "the published figures are of models some thousand times larger, so directions can be compared "
    "and sizes cannot"
)
Paragraphs = Iterator[list[Block]]


def report(document: Reproduction, verbose: bool = False) -> Report:
    """The whole result; verbose: categories of every way of judging."""
    about = Lines((document["about"],), exported=True)
    paragraphs: list[list[Block]] = [[_bold(title(document)), about]]
    for i, row in enumerate(document["results"]):
        if "pairs" in row:
            paragraphs += _judged(cast(JudgedResult, row), verbose or i == 0)
        else:
            paragraphs += _sampled(row)
    paragraphs += [[_stages(document["stages"])]]
    paragraphs += [[said(COVERED, f"saved  {document['folder']}")]]
    if document["embedded"]:
        paragraphs += [[said(f"{EMBEDDED}; {SIZES}", style="italic")]]
    return paragraphs


def title(document: Reproduction) -> str:
    """Which experiment, at which scale."""
    scale = f"scale {document['scale']} · seed {document['seed']}"
    return f"reproduce {document['experiment']} · {scale}"


def _bold(line: str) -> Lines:
    return Lines((line,), "bold", exported=True)


def _judged(row: JudgedResult, with_categories: bool) -> Paragraphs:
    first = row["pairs"][0]
    judge = row["judge"] + (f" ({row['judge_model']})" if row["judge_model"] else "")
    counts = f"{first['n_questions']} questions, {first['n_turns']} turns"
    how = f"judge {judge} · both orders · {counts} · run {row['run']}"
    yield [_bold(row["name"]), Lines((how,), exported=True)]
    yield [_pairs(row)]
    yield [said(*(f"{pair['a']} : {pair['b']}  {pair['words']}" for pair in row["pairs"]))]
    if with_categories:
        yield list(_categories(row["pairs"]))


def _pairs(result: JudgedResult) -> Table:
    rows = []
    for pair in result["pairs"]:
        needed = None if pair["significant"] else pair["questions_needed"] or None
        cells = (
            cell.text(f"{pair['a']} : {pair['b']}"),
            _published(pair),
            cell.share(pair["win_rate"]),
            cell.interval(pair["interval"]),
            cell.p_value(pair["p_adjusted"]),
            cell.share(pair["ties"] / pair["n_turns"] if pair["n_turns"] else None),
            cell.many(needed, unknown=""),
        )
        rows.append(Row(cells, pair["significant"]))
    heads = columns("pair", "published", "ours", "95% CI", "p (Holm)", "ties", "needed")
    plot = Plot("0% – 50% – 100%", value=2, interval=3)
    return Table(heads, (tuple(rows),), plot=plot, name=result["name"])


def _published(pair: PairRow) -> Cell:
    between = pair.get("published_range")
    if pair["published"] is None and between is not None:
        return Cell(f"{between[0]:.0%}–{between[1]:.0%}", (None, *between))
    return Cell(rate_text(pair["published"], pair["published_digits"]), (pair["published"],))


def _categories(pairs: Sequence[PairRow]) -> Iterator[Block]:
    about = "win rate by category; * where significant after Holm"
    yield Lines((about,), exported=True)
    rows = [
        Row((cell.text(name), *(_category(pair["by_category"].get(name)) for pair in pairs)))
        for name in pairs[0]["by_category"]
    ]
    names = (f"{pair['a']} : {pair['b']}" for pair in pairs)
    yield Table(columns("category", *names), (tuple(rows),), name=about)
    for pair in pairs:
        p = pair["categories_p_value"]
        if p is not None:
            differ = "differ" if p <= SIGNIFICANT else "do not differ beyond chance"
            told = "; the paper says they vary significantly" if pair["categories_vary"] else ""
            yield said(f"{pair['a']} : {pair['b']}  categories {differ} ({p_text(p)}){told}")


def _category(row: CategoryRow | None) -> Cell:
    if row is None:
        return Cell("-", (None, None, None))
    rate, ends = cell.share(row["win_rate"]), cell.interval(row["interval"])
    star = "*" if row["significant"] else ""
    full = f"{rate.text} {ends.text}{star}"
    return Cell(full, rate.values + ends.values, f"{rate.text} {ends.text:>11}{star or ' '}")


def _sampled(row: SampledResult) -> Paragraphs:
    n = f"{row['n_problems']:,} problems · {row['samples']} samples each · run {row['run']}"
    yield [_bold(row["name"]), Lines((n,), exported=True)]
    yield [_rates(row)]
    if not row["gains"]:
        return
    yield _gains("gains in percentage points, on the same problems", row, scored=False)
    yield _gains("as the paper scored: right if any of the first k samples is", row, scored=True)
    words = (f"{one['a']} − {one['b']}, k = {one['k']}  {one['words']}" for one in row["gains"])
    yield [said(*words)]


def _rates(result: SampledResult) -> Table:
    rows = [
        Row((cell.text(name), *(cell.both(one["value"], one["interval"]) for one in of.values())))
        for name, of in result["pass_at_k"].items()
    ]
    ks = next(iter(result["pass_at_k"].values()))
    heads = columns("model", *(f"pass@{k} [95%]" for k in ks))
    return Table(heads, (tuple(rows),), name=result["name"])


def _gains(about: str, result: SampledResult, scored: bool) -> list[Block]:
    rows = []
    for gain in result["gains"]:
        one = gain["as_scored"] if scored else gain
        cells = (
            cell.text(f"{gain['a']} − {gain['b']}"),
            cell.count(gain["k"]),
            cell.points(gain["published"]),
            cell.points(one["gain"]),
            cell.points_interval(one["interval"]),
            cell.p_value(gain["as_scored"]["p_value"] if scored else gain["p_adjusted"]),
        )
        rows.append(Row(cells, gain["significant"] and not scored))
    pair = Column("of − over", left=True, once=True)
    heads = columns(pair, "k", "published", "ours", "95% CI", "p" if scored else "p (Holm)")
    return [Lines((about,), exported=True), Table(heads, (tuple(rows),), name=about)]


def _stages(stages: Sequence[StageRow]) -> Table:
    came = Column("what came of it", left=True, folds=True)
    rows = tuple(
        Row((cell.text(row["name"]), _seconds(row["seconds"]), cell.text(facts_text(row["facts"]))))
        for row in stages
    )
    total = Row((cell.text("all"), _seconds(sum(row["seconds"] for row in stages)), EMPTY))
    return Table(columns("stage", "seconds", came), (rows, (total,)), exported=False, name="stages")


def _seconds(value: float) -> Cell:
    return Cell(f"{value:,.1f}", (value,))


def forecast(
    experiment: str, scale: Scale, found: Sequence[Need], asked: Asks, title: str = ""
) -> Report:
    """What --dry-run prints. title: in the place of the experiment's and the scale's."""
    title = title or f"reproduce {experiment} · scale {scale.name} · {scale.about}"
    writers, presets = ", ".join(asked.writers), ", ".join(asked.presets)
    heads = columns("stage", "calls", "", "tokens in", "out", "time", "cost")
    whole = whole_cost(need.cost_usd for need in found)
    time = cell.text(duration(sum(need.seconds for need in found)))
    total = Row((cell.text("all"), EMPTY, EMPTY, EMPTY, EMPTY, time, _cost(whole)))
    return [
        [
            said(title, style="bold"),
            said(f"base {asked.base} · contrasts by {writers} · training {presets}"),
            said(f"questions of {asked.questions} · {_judged_by(asked)}"),
            said(f"reckoned for {scale.expected.device}; a rough estimate, no bound"),
        ],
        [Table(heads, (tuple(map(_need, found)), (total,)))],
    ]


def _need(need: Need) -> Row:
    calls, took = cell.many(need.calls), cell.text(duration(need.seconds))
    tokens = map(cell.many, (need.tokens_in, need.tokens_out))
    return Row(
        (cell.text(need.stage), calls, cell.text(need.unit), *tokens, took, _cost(need.cost_usd))
    )


def _judged_by(asked: Asks) -> str:
    return f"judged by {', '.join(asked.judges)}" if asked.judges else "marked by a program"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _cost(amount: float | None) -> Cell:
    known = "not known" if amount is None else dollars(amount) if amount else "-"
    return Cell(known, (amount,))
