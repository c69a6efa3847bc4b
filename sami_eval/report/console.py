"""A finished comparison on the terminal, right at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sami_eval.experiment.compare import SIGNIFICANT
from sami_eval.report import unanswered
from sami_eval.report.corrected import corrected_cells, corrected_words, people_facts
from sami_eval.report.figures import interval_text, p_text, percent, short_p, shorten
from sami_eval.report.judges import HEADER, cost_facts, judge_cells, kappa_facts, several_judges
from sami_eval.report.length import length_facts
from sami_eval.report.seeds import coverage, seed_rates
from sami_eval.report.title import title as title
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sami_eval.experiment.document import (
        ComparisonRow,
        ContenderRow,
        Document,
        RankRow,
        TallyRow,
    )
    from sami_eval.experiment.passk_document import PasskContender

LABEL_WIDTH = 20
EMBEDDED = (
    "embedded base: a tiny model in a made-up world; these figures show that the machinery works "
    "and say nothing about large models; its adapters, so the figures too, vary by processor"
)


def render(document: Document, verbose: bool = False) -> RenderableType:
    """The whole result: title, table or tables, and what they mean in words."""
    parts: list[RenderableType] = [Text(title(document), style="bold")]
    parts += [*(Text(line, style="bold red") for line in unanswered.warnings(document)), Text()]
    if len(document["comparisons"]) == 1:
        row = document["comparisons"][0]
        parts += [_category_table(row), Text(), *words(document)]
    else:
        parts += [_ranking_table(document), Text(), _pairs_table(document), Text()]
        parts += [*words(document)]
    if several_judges(document["comparisons"]):
        parts += [Text(), _judges_table(document)]
    parts += [Text(), facts(list(fact_rows(document)))]
    if document["embedded"]:
        parts += [Text(), Text(EMBEDDED, style="italic")]
    if verbose:
        parts += [Text(), stage_table(document["seconds"], document["memory_mb"])]
    return Group(*parts)


def plain_table(*columns: str) -> Table:
    """A table without a frame; all columns but the first to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _tally_cells(row: TallyRow) -> list[str]:
    counts = [str(row["wins"]), str(row["ties"]), str(row["losses"])]
    return [*counts, percent(row["win_rate"]), interval_text(row["interval"])]


def _category_table(row: ComparisonRow) -> Table:
    columns = ("category", "turns", shorten(row["a"]), "tie", shorten(row["b"]))
    table = plain_table(*columns, "win rate", "95% CI", "p")
    for name, tally in row["by_category"].items():
        adjusted = short_p(tally["p_adjusted"])
        cells = [shorten(name, 12), str(tally["n_turns"]), *_tally_cells(tally), adjusted]
        table.add_row(*cells, style="bold" if tally["significant"] else None)
    if row["by_category"]:
        table.add_section()
    total = short_p(row["p_value"])
    table.add_row("all", str(row["n_turns"]), *_tally_cells(row), total, style="bold")
    for cells in corrected_cells(row):
        table.add_row(*cells)
    return table


def _pairs_table(document: Document) -> Table:
    table = plain_table("pair", "win", "tie", "loss", "win rate", "95% CI", "p (Holm)")
    for row in document["comparisons"]:
        adjusted = short_p(row["p_adjusted"])
        pair = f"{shorten(row['a'])} : {shorten(row['b'])}"
        style = "bold" if row["significant"] else None
        table.add_row(pair, *_tally_cells(row), adjusted, style=style)
        for cells in corrected_cells(row):
            table.add_row(f"  {cells[0]}", *cells[2:])
    return table


def _judges_table(document: Document) -> Table:
    table = plain_table(*HEADER)
    for cells in judge_cells(document):
        table.add_row(*cells)
    return table


def _ranking_table(document: Document) -> Table:
    table = plain_table("rank", "model", "strength", "95% CI", "ahead of the next")
    table.columns[1].justify = "left"
    table.columns[4].justify = "left"
    for row in document["ranking"]:
        strength = "-" if row["strength"] is None else f"{row['strength']:+.2f}"
        interval = "-" if row["interval"] is None else "[{:+.2f}, {:+.2f}]".format(*row["interval"])
        cells = (str(row["rank"]), shorten(row["model"], 20), strength, interval)
        table.add_row(*cells, ahead(row))
    return table


def ahead(row: RankRow) -> str:
    """Whether a ranked contender is ahead of the next."""
    if row["p_next"] is None:
        return ""
    return f"{'cannot be told apart' if row['tied_with_next'] else 'yes'} ({p_text(row['p_next'])})"


def verdict_in_words(row: ComparisonRow) -> str:
    """Who won, whether it may be noise, and how many questions would tell."""
    if row["win_rate"] is None:
        return "no verdicts: nothing can be said"
    if row["significant"]:
        better, worse = (row["a"], row["b"]) if row["win_rate"] > 0.5 else (row["b"], row["a"])
        rate = max(row["win_rate"], 1 - row["win_rate"])
        return f"{better} is better than {worse}: {percent(rate)}, significant at 5%"
    if row["questions_needed"] is None:
        return "not significant at 5%; no difference to look for at a rate of 50%"
    return (
        f"not significant at 5%; if {percent(row['win_rate'])} were the true rate, "
        f"80% power would need about {row['questions_needed']:,} questions"
        + (" with as many ties" if row["ties"] else "")
        + (" and these very seeds" if row["seeds"] else "")
        + range_words(row["needed_range"])
    )


def range_words(needed: Sequence[int | None] | None) -> str:
    """What the win rate's own uncertainty makes of the questions needed."""
    if not needed or needed[0] is None:
        return ""
    fewest, most = needed
    span = f"more than {fewest:,}" if most is None else f"{fewest:,} to {most:,}"
    return f" (its own interval allows {span})"


def words(document: Document) -> Iterator[Text]:
    """What the figures mean, line by line."""
    if len(document["comparisons"]) == 1:
        return _pair_lines(document)
    return _round_robin_lines(document)


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Labels and texts in two columns; a long text folds under itself."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


def _pair_lines(document: Document) -> Iterator[Text]:
    row = document["comparisons"][0]
    yield Text(verdict_in_words(row), style="bold")
    yield from map(Text, corrected_words(row))
    if row["categories_p_value"] is not None:
        differ = "differ" if row["categories_p_value"] <= SIGNIFICANT else "do not differ"
        chance = p_text(row["categories_p_value"])
        yield Text(f"categories {differ} beyond chance ({chance}); their own p by Holm")
    if row["detectable"] is not None:
        yield Text(
            f"{row['n_questions']} questions find a rate beyond "
            f"{percent(0.5 + row['detectable'])} with 80% power"
        )
    yield Text(coverage(row, document))


def _round_robin_lines(document: Document) -> Iterator[Text]:
    for row in document["comparisons"]:
        yield Text(f"{row['a']} : {row['b']}  {verdict_in_words(row)}")
        yield from (Text(f"  {line}") for line in corrected_words(row))
    if any(row["seeds"] is not None for row in document["comparisons"]):
        yield Text(
            "intervals cover the choice of questions, and training seeds where a contender has "
            "several; those of strengths do not; p by Holm over pairs"
        )
    else:
        yield Text(
            "intervals cover the choice of questions, not training seeds; p by Holm over pairs"
        )


def fact_rows(document: Document) -> Iterator[tuple[str, str]]:
    """What to know beside the figures, as labels and texts."""
    comparisons = document["comparisons"]
    if len(comparisons) == 1:
        yield from _consistency_and_length(document, comparisons[0])
    for row in comparisons:
        if row["self_agreement"] is not None:
            share, interval = percent(row["self_agreement"]), row["self_agreement_interval"]
            text = f"{share} [{interval_text(interval)}] of repeats say what most of them say"
            pair = "" if len(comparisons) == 1 else f" ({row['a']} : {row['b']})"
            yield "self-agreement", text + pair
        if row["seeds"] is not None:
            label = "win rate by seed" if len(comparisons) == 1 else f"{row['a']} : {row['b']}"
            yield shorten(label, LABEL_WIDTH), seed_rates(row["seeds"])
    yield from people_facts(document)
    yield from kappa_facts(document)
    verdicts = sum(row["n_verdicts"] for row in comparisons)
    yield "unparsed verdicts", f"{sum(row['unparsed'] for row in comparisons)} of {verdicts}"
    if document["settings"].get("scores_unused"):
        n = document["settings"]["scores_unused"]
        yield "scores", f"{n:,} of these verdicts carry one; it is not used, winners alone count"
    cut = {row["name"]: row["n_cut"] for row in document["contenders"] if row["n_cut"]}
    if cut:
        yield "cut at token limit", ", ".join(f"{name} {n}" for name, n in cut.items())
    yield from unanswered.facts(document["contenders"])
    yield from trained_on_facts(document["contenders"])
    yield "cost", _cost(document)
    yield from cost_facts(document)
    yield (
        "saved" if document["settings_key"] else "read from",
        f"{document['run']}  (sami-eval show)",
    )


def trained_on_facts(
    contenders: Sequence[ContenderRow] | Sequence[PasskContender],
) -> Iterator[tuple[str, str]]:
    """Contenders that were trained on prompts of the evaluation, where it is known."""
    for row in contenders:
        if row["trained_on"]:
            n, example = len(row["trained_on"]), row["trained_on"][0]
            yield "trained on prompts", f"{row['name']}: {n:,} of the evaluation, e.g. {example}"


def _consistency_and_length(document: Document, row: ComparisonRow) -> Iterator[tuple[str, str]]:
    if document["orders"] == "both" and row["consistency"] is not None:
        share = f"{100 * row['consistency']:.0f}%"
        yield "position consistency", f"{share} of turns got the same winner in both orders"
    yield from length_facts(row)


def _cost(document: Document) -> str:
    calls, tokens = document["calls"], document["tokens"]
    if document["judge_model"] is None and document["cost_usd"] == 0:
        return "nothing; the judge is a program"
    if not sum(calls.values()) and document["cost_usd"] == 0:  # type: ignore[arg-type]
        return "nothing; no judge was called"
    price = "not known" if document["cost_usd"] is None else dollars(document["cost_usd"])
    total = calls["made"] + calls["from_ledger"]
    return (
        f"{price}{_of_answers(document)}{_unseen(document)} "
        f"({tokens['prompt']:,} in, {tokens['completion']:,} out; "
        f"{calls['from_ledger']:,} of {total:,} from the ledger{unanswered.failed(document)})"
    )


def _of_answers(document: Document) -> str:
    """What of the cost is not the judges': contenders at servers."""
    of_judges = [row["cost_usd"] for row in document["judges"]]
    if document["cost_usd"] is None or not of_judges or None in of_judges:
        return ""
    rest = document["cost_usd"] - sum(cost for cost in of_judges if cost)
    return f", {dollars(rest)} of it for answers" if rest > 1e-9 else ""


def _unseen(document: Document) -> str:
    most = document["cost_unseen_usd"]
    return f", up to {dollars(most)} more for calls whose usage was not seen" if most else ""


def stage_table(seconds_of: Mapping[str, float], memory_mb: Mapping[str, float]) -> Table:
    """What each stage of a run took."""
    table = plain_table("stage", "seconds", "peak memory")
    for stage, seconds in seconds_of.items():
        memory = memory_mb.get(stage)
        table.add_row(stage, f"{seconds:.1f}", "-" if memory is None else f"{memory:,.0f} MB")
    return table
