"""A reproduction on the terminal, right at 80 columns: ours beside the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sami_eval.experiment.compare import SIGNIFICANT
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
from sami_eval.report.console import EMBEDDED, plain_table
from sami_eval.report.figures import interval_text, p_text, percent, short_p
from sami_eval.report.passk_console import points, points_interval
from sami_eval.server.budget import dollars

COVERED = (
    "intervals cover the choice of questions or problems, not of the training seed (--seed 1); "
    "a run to read verdict by verdict: sami-eval show RUN --html"
)
SIZES = (
    "the published figures are of models some thousand times larger, so directions can be compared "
    "and sizes cannot"
)


def render(document: Reproduction, verbose: bool = False) -> RenderableType:
    """The whole result; verbose: categories of every way of judging."""
    title = (
        f"reproduce {document['experiment']} · scale {document['scale']} · seed {document['seed']}"
    )
    parts: list[RenderableType] = [Text(title, style="bold"), Text(document["about"])]
    for i, row in enumerate(document["results"]):
        if document["experiment"] == "mtbench":
            parts += [Text(), *_judged(cast(JudgedResult, row), verbose or i == 0)]
        else:
            parts += [Text(), *_sampled(cast(SampledResult, row))]
    parts += [Text(), _stages(document["stages"])]
    parts += [Text(f"\n{COVERED}\nsaved  {document['folder']}")]
    if document["embedded"]:
        parts += [Text(), Text(f"{EMBEDDED}; {SIZES}", style="italic")]
    return Group(*parts)


def _judged(row: JudgedResult, categories: bool) -> Iterator[RenderableType]:
    first = row["pairs"][0]
    judge = row["judge"] + (f" ({row['judge_model']})" if row["judge_model"] else "")
    counts = f"{first['n_questions']} questions, {first['n_turns']} turns"
    yield Text(row["name"], style="bold")
    yield Text(f"judge {judge} · both orders · {counts} · run {row['run']}")
    yield Text()
    table = plain_table("pair", "published", "ours", "95% CI", "p (Holm)", "ties", "needed")
    for pair in row["pairs"]:
        needed = pair["questions_needed"]
        table.add_row(
            f"{pair['a']} : {pair['b']}",
            _published(pair),
            percent(pair["win_rate"]),
            interval_text(pair["interval"]),
            short_p(pair["p_adjusted"]),
            percent(pair["ties"] / pair["n_turns"]) if pair["n_turns"] else "-",
            f"{needed:,}" if needed and not pair["significant"] else "",
            style="bold" if pair["significant"] else None,
        )
    yield table
    yield Text()
    for pair in row["pairs"]:
        yield Text(f"{pair['a']} : {pair['b']}  {pair['words']}")
    if categories:
        yield from _categories(row["pairs"])


def _published(pair: PairRow) -> str:
    between = pair.get("published_range")
    if pair["published"] is None and between is not None:
        return f"{between[0]:.0%}–{between[1]:.0%}"
    return rate_text(pair["published"], pair["published_digits"])


def _categories(pairs: Sequence[PairRow]) -> Iterator[RenderableType]:
    yield Text("\nwin rate by category; * where significant after Holm")
    table = plain_table("category", *(f"{pair['a']} : {pair['b']}" for pair in pairs))
    for name in pairs[0]["by_category"]:
        cells = [pair["by_category"].get(name) for pair in pairs]
        table.add_row(name, *(_category(cell) for cell in cells))
    yield table
    for pair in pairs:
        p = pair["categories_p_value"]
        if p is not None:
            differ = "differ" if p <= SIGNIFICANT else "do not differ beyond chance"
            told = "; the paper says they vary significantly" if pair["categories_vary"] else ""
            yield Text(f"{pair['a']} : {pair['b']}  categories {differ} ({p_text(p)}){told}")


def _category(cell: CategoryRow | None) -> str:
    if cell is None:
        return "-"
    star = "*" if cell["significant"] else " "
    return f"{percent(cell['win_rate'])} {interval_text(cell['interval']):>11}{star}"


def _sampled(row: SampledResult) -> Iterator[RenderableType]:
    yield Text(row["name"], style="bold")
    yield Text(f"{row['n_problems']:,} problems · {row['samples']} samples each · run {row['run']}")
    yield Text()
    rates = plain_table("model", *(f"pass@{k} [95%]" for k in _ks(row)))
    for name, figures in row["pass_at_k"].items():
        cells = (
            f"{percent(one['value'])} {interval_text(one['interval'])}" for one in figures.values()
        )
        rates.add_row(name, *cells)
    yield rates
    yield Text("\ngains in percentage points, on the same problems")
    yield _gains(row, scored=False)
    yield Text("\nas the paper scored: right if any of the first k samples is")
    yield _gains(row, scored=True)
    yield Text()
    for gain in row["gains"]:
        yield Text(f"{gain['a']} − {gain['b']}, k = {gain['k']}  {gain['words']}")


def _gains(row: SampledResult, scored: bool) -> Table:
    table = plain_table(
        "of − over", "k", "published", "ours", "95% CI", "p" if scored else "p (Holm)"
    )
    for gain in row["gains"]:
        one = gain["as_scored"] if scored else gain
        table.add_row(
            f"{gain['a']} − {gain['b']}" if gain["k"] == _ks(row)[0] else "",
            str(gain["k"]),
            "-" if gain["published"] is None else points(gain["published"]),
            points(one["gain"]),
            points_interval(one["interval"]),
            short_p(gain["as_scored"]["p_value"] if scored else gain["p_adjusted"]),
            style="bold" if gain["significant"] and not scored else None,
        )
    return table


def _ks(row: SampledResult) -> list[int]:
    return [int(k) for k in next(iter(row["pass_at_k"].values()))]


def _stages(rows: Sequence[StageRow]) -> Table:
    table = plain_table("stage", "seconds", "what came of it")
    table.columns[2].justify = "left"
    table.columns[2].no_wrap = False
    for row in rows:
        table.add_row(row["name"], f"{row['seconds']:,.1f}", facts_text(row["facts"]))
    table.add_section()
    table.add_row("all", f"{sum(row['seconds'] for row in rows):,.1f}", "")
    return table


def forecast(experiment: str, scale: Scale, found: Sequence[Need], asked: Asks) -> Group:
    """What --dry-run prints."""
    of = scale.mtbench if experiment == "mtbench" else scale.gsm8k
    preset = of.training.preset
    table = plain_table("stage", "calls", "", "tokens in", "out", "time", "cost")
    for need in found:
        table.add_row(
            need.stage,
            f"{need.calls:,}",
            need.unit,
            f"{need.tokens_in:,}",
            f"{need.tokens_out:,}",
            duration(need.seconds),
            _cost(need.cost_usd),
        )
    table.add_section()
    costs = [need.cost_usd for need in found]
    whole = None if None in costs else sum(cost for cost in costs if cost)
    table.add_row("all", "", "", "", "", duration(sum(n.seconds for n in found)), _cost(whole))
    head = [
        Text(f"reproduce {experiment} · scale {scale.name} · {scale.about}", style="bold"),
        Text(f"base {asked.base} · contrasts by {of.contrasts.writer} · training {preset}"),
        Text(f"questions of {asked.questions} · {_judged_by(asked)}"),
        Text(f"reckoned for {scale.expected.device}; a rough estimate, no bound"),
    ]
    return Group(*head, Text(), table)


def _judged_by(asked: Asks) -> str:
    return f"judged by {', '.join(asked.judges)}" if asked.judges else "marked by a program"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _cost(amount: float | None) -> str:
    return "not known" if amount is None else dollars(amount) if amount else "-"
