"""What to know beside the figures of a finished comparison, as labels and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sami_eval.experiment.comparison_rows import caveat
from sami_eval.report import unanswered
from sami_eval.report.every_run import answer_facts, unseen
from sami_eval.report.figures import interval_text, percent, shorten
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import AgreementRow, ComparisonRow, SeedsRow
    from sami_eval.experiment.document import Document

LABEL_WIDTH = 20
MEASURES: Mapping[str, str] = {
    "principle adherence": "principle adherence, not quality (--judge quality)",
    "quality": "quality, not principle adherence (--judge checks or principles)",
}
Rows = Iterator[tuple[str, str]]


def fact_rows(document: Document) -> Rows:
    """Everything, in the order in which it is read."""
    comparisons = document["comparisons"]
    if document["measures"] is not None:
        yield "measures", MEASURES[document["measures"]]
    yield from _checks_met(document)
    if len(comparisons) == 1:
        yield from _consistency(document, comparisons[0])
        yield from _length(comparisons[0])
    for row in comparisons:
        yield from _style(row, several=len(comparisons) > 1)
    for row in comparisons:
        yield from _repeats_and_seeds(row, several=len(comparisons) > 1)
    yield from _people(document)
    yield from _kappa(document)
    for row in comparisons:
        yield from _strong(document, row)
    verdicts = sum(row["n_verdicts"] for row in comparisons)
    yield "unparsed verdicts", f"{sum(row['unparsed'] for row in comparisons)} of {verdicts}"
    if document["settings"].get("scores_unused"):
        n = document["settings"]["scores_unused"]
        yield "scores", f"{n:,} of these verdicts carry one; it is not used, winners alone count"
    cut = {row["name"]: row["n_cut"] for row in document["contenders"] if row["n_cut"]}
    if cut:
        yield "cut at token limit", ", ".join(f"{name} {n}" for name, n in cut.items())
    yield from answer_facts(document["contenders"])
    yield from (("warning", text) for text in document["warnings"])
    yield from _cost(document)
    saved = "saved" if document["settings_key"] else "read from"
    yield saved, f"{document['run']}  (sami-eval show)"


def _strong(document: Document, row: ComparisonRow) -> Rows:
    """Graded verdicts that put one side far ahead, and what that does to the win rate."""
    strong = row.get("strong")
    if strong is None:
        return
    told = f"{row['a']} far ahead in {strong[0]} of {row['n_verdicts']}, {row['b']} in {strong[1]}"
    weighed = document["rule"] == "average"
    use = "each counts as its judge weighs it" if weighed else "not used: winners alone count"
    yield "strong verdicts", f"{told}; {use}"


def _checks_met(document: Document) -> Rows:
    """The share of their checks that each contender's answers meet."""
    several = {row["name"]: row["checks_met"] for row in document["contenders"]}
    told = [
        f"{name} {percent(met['share'])} [{interval_text(met['interval'])}] of {met['n']:,}"
        for name, met in several.items()
        if met is not None
    ]
    if told:
        yield "checks met", ", ".join(told)


def _consistency(document: Document, row: ComparisonRow) -> Rows:
    if document["orders"] == "both" and row["consistency"] is not None:
        share = f"{100 * row['consistency']:.0f}%"
        yield "position consistency", f"{share} of turns got the same winner in both orders"


def _length(row: ComparisonRow) -> Rows:
    """Mean lengths, how far they overlap, and the win rate at equal length with its caveat."""
    length = row["length"]
    if length["a"] is None or length["b"] is None:
        return
    text = f"{row['a']} {length['a']:.0f} {length['unit']}, {row['b']} {length['b']:.0f}"
    if length["n_turns"]:
        text += (
            f"; {row['a']} longer in {length['a_longer']} of {length['n_turns']} turns, "
            f"{row['b']} in {length['b_longer']}"
        )
    yield "length", text
    if length["win_rate"] is not None:
        rate = f"{percent(length['win_rate'])} [{interval_text(length['interval'])}]"
        yield "at equal length", f"length-controlled win rate {rate}{caveat(length)}"


def _style(row: ComparisonRow, several: bool) -> Rows:
    """The win rate at equal length and style, and what of these sways the judge, and how far."""
    style = row["style"]
    if style is None or style["win_rate"] is None:
        return
    rate = f"{percent(style['win_rate'])} [{interval_text(style['interval'])}]"
    one_sided = [one["name"] for one in style["features"] if not one["supported"]]
    caveat = f"; an extrapolation: nearly always one side's are {', '.join(one_sided)}"
    pair = f"{row['a']} : {row['b']}: " if several else ""
    yield "at equal style", f"{pair}win rate {rate}, length too{caveat if one_sided else ''}"
    for one in style["features"]:
        if one["effect"] is not None and one["interval"] is not None:
            low, high = one["interval"]
            means = f"{row['a']} {one['a']:.1f}, {row['b']} {one['b']:.1f}"
            pull = f"{one['effect']:+.2f} [{low:+.2f}, {high:+.2f}] log odds for more of it"
            sways = "sways the judge" if low > 0 or high < 0 else "no sway shown"
            yield "", f"{one['name']}: {means}; {sways}: {pull}"


def _repeats_and_seeds(row: ComparisonRow, several: bool) -> Rows:
    pair = f"{row['a']} : {row['b']}"
    if row["self_agreement"] is not None:
        share, interval = percent(row["self_agreement"]), row["self_agreement_interval"]
        text = f"{share} [{interval_text(interval)}] of repeats say what most of them say"
        yield "self-agreement", text + (f" ({pair})" if several else "")
    if row["seeds"] is not None:
        label = pair if several else "win rate by seed"
        yield shorten(label, LABEL_WIDTH), _seed_rates(row["seeds"])


def _seed_rates(seeds: SeedsRow) -> str:
    """Win rates by seed, "1 55.0%, 2 61.2%"; by pair of seeds where seeds differ, "1:4 ..."."""
    return ", ".join(
        f"{':'.join(str(seed) for seed in dict.fromkeys((row['a'], row['b'])) if seed is not None)}"
        f" {percent(row['win_rate'])}"
        for row in seeds["win_rates"]
    )


def _people(document: Document) -> Rows:
    """What people say alone, and what their votes do to the judge's win rate."""
    several = len(document["comparisons"]) > 1
    for row in document["comparisons"]:
        found = row["corrected"]
        if found is None:
            continue
        label = f"votes {shorten(row['a'], 6)} : {shorten(row['b'], 6)}" if several else "by votes"
        yield (
            label,
            f"judge corrected by {found['n_votes']} votes on {found['n_questions']} of "
            f"{row['n_questions']} questions: {percent(found['win_rate'])} "
            f"[{interval_text(found['interval'])}]; votes alone "
            f"{percent(found['people_win_rate'])} [{interval_text(found['people_interval'])}]; "
            f"weight of the judge {found['judge_weight']:.2f} of 1",
        )
        if found["n_other_answers"]:
            yield (
                "",
                f"{found['n_other_answers']} of these votes are on other answers than the ones "
                "judged here: they say little about them",
            )


def _kappa(document: Document) -> Rows:
    """How far the judges of an ensemble agree beyond chance."""
    several = len(document["comparisons"]) > 1
    for row in document["comparisons"]:
        if row["kappa"] is None:
            continue
        overall, pairs = row["kappa"]["overall"], row["kappa"]["pairs"]
        label = f"{shorten(row['a'])} : {shorten(row['b'])}" if several else "judges agree"
        n = f"{overall['n_turns']} turns of {overall['n_questions']} questions"
        told = f"Fleiss' kappa {_of(overall)}, {n}; two by two, Cohen's:"
        yield shorten(label, LABEL_WIDTH), told
        for pair in pairs:
            names = " : ".join(map(model_of, pair["judges"]))
            yield "", f"{names}  {_of(pair)}, {pair['n_turns']} turns"


def _of(row: AgreementRow) -> str:
    if row["value"] is None or row["interval"] is None:
        return "not known"
    low, high = row["interval"]
    return f"{row['value']:.2f} [{low:.2f}, {high:.2f}]"


def model_of(judge: str) -> str:
    """What tells a judge of an ensemble from the others: "quality (openai:x)" is openai:x."""
    name, bracket, rest = judge.partition(" (")
    return rest.removesuffix(")") if bracket and judge.endswith(")") else name


def _cost(document: Document) -> Rows:
    """What all of it cost, and each judge of an ensemble."""
    yield "cost", _whole_cost(document)
    if len(document["judges"]) < 2:
        return
    for row in document["judges"]:
        cost = "not known" if row["cost_usd"] is None else dollars(row["cost_usd"])
        made, stored = row["calls"]["made"], row["calls"]["from_ledger"]
        text = f"{model_of(row['name'])}  {cost}; {stored:,} of {made + stored:,} from the ledger"
        yield "", text


def _whole_cost(document: Document) -> str:
    calls, tokens = document["calls"], document["tokens"]
    if document["judge_model"] is None and document["cost_usd"] == 0:
        return "nothing; the judge is a program"
    if not sum(calls.values()) and document["cost_usd"] == 0:  # type: ignore[arg-type]
        return "nothing; no judge was called"
    price = "not known" if document["cost_usd"] is None else dollars(document["cost_usd"])
    total = calls["made"] + calls["from_ledger"]
    return (
        f"{price}{_of_answers(document)}{unseen(document)} "
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
