"""A finished comparison on the terminal, right at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sami_eval.report.document import ComparisonRow, Document, TallyRow

LABEL_WIDTH = 22


def percent(share: float | None) -> str:
    """A share as "55.6%"; unknown as "-"."""
    return "-" if share is None else f"{100 * share:.1f}%"


def interval_text(interval: Sequence[float] | None) -> str:
    """A 95% interval as "46.6-67.7", in percent."""
    return "-" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}"


def p_text(p: float | None) -> str:
    """A p-value as "p = .043"; small ones as "p < .001"."""
    if p is None:
        return ""
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.3f}".replace("0.", ".") if p < 1 else "p = 1"


def shorten(name: str, width: int = 14) -> str:
    """A name cut in its middle: both the family and the ending stay readable."""
    if len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{name[:head]}…{name[head + 1 - width :]}"


def render(document: Document, verbose: bool = False) -> RenderableType:
    """The whole result: title, table or tables, and what they mean in words."""
    parts: list[RenderableType] = [Text(_title(document), style="bold"), Text()]
    if len(document["comparisons"]) == 1:
        parts += [_category_table(document["comparisons"][0]), Text()]
        parts += [*_pair_lines(document, document["comparisons"][0])]
    else:
        parts += [_ranking_table(document), Text(), _pairs_table(document), Text()]
        parts += [*_round_robin_lines(document)]
    parts += [*_footer(document)]
    if verbose:
        parts += [Text(), _stage_table(document)]
    return Group(*parts)


def _title(document: Document) -> str:
    first = document["comparisons"][0]
    judge = document["judge"]
    if document["judge_model"]:
        judge += f" ({document['judge_model']})"
    orders = "both orders" if document["orders"] == "both" else "one order"
    counts = f"{first['n_questions']} questions, {first['n_turns']} turns"
    return f"{document['task']} · {counts} · judge {judge} · {orders}"


def _plain_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _tally_cells(row: TallyRow) -> list[str]:
    counts = [str(row["wins"]), str(row["ties"]), str(row["losses"])]
    return [*counts, percent(row["win_rate"]), interval_text(row["interval"])]


def _category_table(row: ComparisonRow) -> Table:
    columns = ("category", "turns", shorten(row["a"]), "tie", shorten(row["b"]))
    table = _plain_table(*columns, "win rate", "95% CI", "p")
    for name, tally in row["by_category"].items():
        adjusted = p_text(tally["p_adjusted"]).removeprefix("p = ").removeprefix("p ")
        cells = [shorten(name, 12), str(tally["n_turns"]), *_tally_cells(tally), adjusted]
        table.add_row(*cells, style="bold" if tally["significant"] else None)
    if row["by_category"]:
        table.add_section()
    total = p_text(row["p_value"]).removeprefix("p = ").removeprefix("p ")
    table.add_row("all", str(row["n_turns"]), *_tally_cells(row), total, style="bold")
    return table


def _pairs_table(document: Document) -> Table:
    table = _plain_table("pair", "win", "tie", "loss", "win rate", "95% CI", "p (Holm)")
    for row in document["comparisons"]:
        adjusted = p_text(row["p_adjusted"]).removeprefix("p = ").removeprefix("p ")
        pair = f"{shorten(row['a'])} : {shorten(row['b'])}"
        style = "bold" if row["significant"] else None
        table.add_row(pair, *_tally_cells(row), adjusted, style=style)
    return table


def _ranking_table(document: Document) -> Table:
    table = _plain_table("rank", "model", "strength", "95% CI", "not told apart from")
    table.columns[1].justify = "left"
    table.columns[4].justify = "left"
    for row in document["ranking"]:
        low, high = row["interval"]
        table.add_row(
            str(row["rank"]),
            shorten(row["model"], 20),
            f"{row['strength']:+.2f}",
            f"{low:+.2f}–{high:+.2f}",
            ", ".join(shorten(name) for name in row["tied_with"]) or "-",
        )
    return table


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
        f"80% power would need about {row['questions_needed']} questions"
    )


def _line(label: str, text: str) -> Text:
    return Text(f"{label:<{LABEL_WIDTH}}") + Text(text)


def _pair_lines(document: Document, row: ComparisonRow) -> Iterator[RenderableType]:
    yield Text(verdict_in_words(row), style="bold")
    if row["categories_p_value"] is not None:
        differ = "differ" if row["categories_p_value"] < 0.05 else "do not differ"
        yield Text(f"categories {differ} beyond chance ({p_text(row['categories_p_value'])})")
    if row["detectable"] is not None:
        yield Text(
            f"{row['n_questions']} questions find a rate beyond "
            f"{percent(0.5 + row['detectable'])} with 80% power"
        )
    yield Text(_seeds_sentence(row["a"], row["b"]))
    yield Text()
    if document["orders"] == "both" and row["consistency"] is not None:
        share = f"{100 * row['consistency']:.0f}%"
        yield _line("position consistency", f"{share} of turns got the same winner in both orders")
    yield from _length_lines(row)


def _length_lines(row: ComparisonRow) -> Iterator[RenderableType]:
    length = row["length"]
    if length["a"] is None or length["b"] is None:
        return
    text = f"{row['a']} {length['a']:.0f} {length['unit']}, {row['b']} {length['b']:.0f}"
    if length["win_rate"] is not None:
        text += f"; length-controlled win rate {percent(length['win_rate'])}"
        text += f" [{interval_text(length['interval'])}]"
    yield _line("length", text)


def _seeds_sentence(a: str, b: str) -> str:
    pair = f"{a.split('@')[0]}@1,2,3 {b.split('@')[0]}@1,2,3"
    return f"interval covers the choice of questions, not training seeds (try {pair})"


def _round_robin_lines(document: Document) -> Iterator[RenderableType]:
    for row in document["comparisons"]:
        yield Text(f"{row['a']} : {row['b']}  {verdict_in_words(row)}")
    yield Text("intervals cover the choice of questions, not training seeds; p by Holm over pairs")
    yield Text()


def _footer(document: Document) -> Iterator[RenderableType]:
    verdicts = sum(row["n_verdicts"] for row in document["comparisons"])
    unparsed = sum(row["unparsed"] for row in document["comparisons"])
    yield _line("unparsed verdicts", f"{unparsed} of {verdicts}")
    cut = {row["name"]: row["n_cut"] for row in document["contenders"] if row["n_cut"]}
    if cut:
        counts = ", ".join(f"{name} {n}" for name, n in cut.items())
        yield _line("cut at the token limit", counts)
    yield _line("cost", _cost(document))
    yield _line("saved", f"{document['run']}  (sami-eval show {document['run']})")
    if document["embedded"]:
        yield Text()
        yield Text(
            "embedded base: a tiny model in a made-up world; these figures show that the "
            "machinery works and say nothing about large models",
            style="italic",
        )


def _cost(document: Document) -> str:
    calls, tokens = document["calls"], document["tokens"]
    if document["judge_model"] is None:
        return "nothing; the judge is a program"
    price = "unknown price" if document["cost_usd"] is None else f"${document['cost_usd']:.2f}"
    total = calls["made"] + calls["from_ledger"]
    return (
        f"{price} ({tokens['prompt']:,} in, {tokens['completion']:,} out; "
        f"{calls['from_ledger']:,} of {total:,} from the ledger)"
    )


def _stage_table(document: Document) -> Table:
    table = _plain_table("stage", "seconds", "peak memory")
    for stage, seconds in document["seconds"].items():
        memory = document["memory_mb"].get(stage)
        table.add_row(stage, f"{seconds:.1f}", "-" if memory is None else f"{memory:,.0f} MB")
    return table
