"""The judges of an ensemble, in a finished comparison: who they are, alone and together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sami_eval.experiment.document import AgreementRow, ComparisonRow, Document
from sami_eval.report.figures import interval_text, percent, shorten
from sami_eval.server.budget import dollars

MODEL_WIDTH = 22
HEADER = ("judge alone", "turns", "win", "tie", "loss", "win rate", "95% CI")


def model_of(judge: str) -> str:
    """What tells a judge of an ensemble from the others: "quality (openai:x)" is openai:x."""
    name, bracket, rest = judge.partition(" (")
    return rest.removesuffix(")") if bracket and judge.endswith(")") else name


def judge_cells(document: Document, width: int = MODEL_WIDTH) -> list[tuple[str, ...]]:
    """A line of HEADER a judge; under a round robin, a line a pair before its judges."""
    several = len(document["comparisons"]) > 1
    lines: list[tuple[str, ...]] = []
    for row in document["comparisons"]:
        if several and row["judges"]:
            lines.append((f"{shorten(row['a'])} : {shorten(row['b'])}", *[""] * (len(HEADER) - 1)))
        for judge in row["judges"]:
            name = ("  " if several else "") + shorten(model_of(judge["judge"]), width)
            counts = (judge["n_turns"], judge["wins"], judge["ties"], judge["losses"])
            rate = percent(judge["win_rate"]), interval_text(judge["interval"])
            lines.append((name, *map(str, counts), *rate))
    return lines


def kappa_facts(document: Document) -> Iterator[tuple[str, str]]:
    """How far the judges agree beyond chance, as labels and texts."""
    several = len(document["comparisons"]) > 1
    for row in document["comparisons"]:
        if row["kappa"] is None:
            continue
        overall, pairs = row["kappa"]["overall"], row["kappa"]["pairs"]
        label = f"{shorten(row['a'])} : {shorten(row['b'])}" if several else "judges agree"
        n = f"{overall['n_turns']} turns of {overall['n_questions']} questions"
        yield shorten(label, 20), f"Fleiss' kappa {_kappa(overall)}, {n}; two by two, Cohen's:"
        for pair in pairs:
            names = " : ".join(map(model_of, pair["judges"]))
            yield "", f"{names}  {_kappa(pair)}, {pair['n_turns']} turns"


def _kappa(row: AgreementRow) -> str:
    if row["value"] is None or row["interval"] is None:
        return "not known"
    low, high = row["interval"]
    return f"{row['value']:.2f} [{low:.2f}, {high:.2f}]"


def cost_facts(document: Document) -> Iterator[tuple[str, str]]:
    """What each judge of an ensemble cost."""
    if len(document["judges"]) < 2:
        return
    for row in document["judges"]:
        cost = "not known" if row["cost_usd"] is None else dollars(row["cost_usd"])
        made, stored = row["calls"]["made"], row["calls"]["from_ledger"]
        text = f"{model_of(row['name'])}  {cost}; {stored:,} of {made + stored:,} from the ledger"
        yield "", text


def several_judges(rows: Sequence[ComparisonRow]) -> bool:
    """Whether the comparisons are an ensemble's."""
    return any(row["judges"] for row in rows)
