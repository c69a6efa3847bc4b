"""What is said of a run that stops when it is decided, or goes on where one stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sami_eval.report.figures import p_text
from sami_eval.server.budget import dollars

if TYPE_CHECKING:
    from sami_eval.experiment.stopping import StoppingRow


DESCRIPTIVE = "categories, judges alone and strengths describe what was asked, and are not tested"
THESE_SEEDS = "intervals cover the choice of questions, with these very training seeds"


def is_main(rows: Sequence[StoppingRow]) -> bool:
    """Whether the figures are those of a run that stops."""
    return any(row["main"] for row in rows)


def why(row: StoppingRow, noun: str = "questions") -> str:
    """Why it stopped, and after how many of those there are."""
    of, e_value = f"{row['asked']:,} of {row['questions']:,} {noun}", e_text(row)
    if row["state"] == "decided":
        return f"decided after {of} ({e_value})"
    if row["state"] == "hopeless":
        return (
            f"given up after {of} ({e_value}): the chance of deciding by the last was below "
            f"{row['hopeless']:.0%}"
        )
    return f"not decided by all {row['questions']:,} {noun} ({e_value})"


def e_text(row: StoppingRow) -> str:
    """The e-value of the last look, and what decides."""
    e_value = row["e_values"][-1][1] if row["e_values"] else 1.0
    return f"e-value {e_value:.3g}, {1 / row['alpha']:g} decides"


def rule_lines(rows: Sequence[StoppingRow], noun: str = "questions") -> Iterator[str]:
    """The rule, what holds under it, and what it saved, over all pairs."""
    if not rows or not rows[0]["main"]:
        return
    row = rows[0]
    yield (
        f"the rule, fixed before the first of the {noun}: looked at after every {row['block']} of "
        f"{row['questions']:,}, in an order by seed {row['seed']}; an e-value of "
        f"{1 / row['alpha']:g} decides, a chance below {row['hopeless']:.0%} gives up"
    )
    holm = "; decided by Holm over all pairs" if len(rows) > 1 else ""
    yield (
        "the interval is a confidence sequence and p is 1 over the largest e-value: both hold "
        f"wherever one stops{holm}"
    )
    if row["planned"] == "all questions":
        yield (
            f"all {noun} had been asked, and their test seen, before this rule was named: "
            "that test was the one planned"
        )
    saved = _saved(rows, noun)
    if saved:
        yield saved


def _saved(rows: Sequence[StoppingRow], noun: str) -> str:
    """What was not asked, of how many; to go on, the command."""
    left = sum(row["questions"] - row["asked"] for row in rows)
    if not left:
        return ""
    of = f"{left:,} of {sum(row['questions'] for row in rows):,} {noun}"
    calls = [row["calls_saved"] for row in rows]
    costs = [row["cost_saved_usd"] for row in rows]
    known = [n for n in calls if n is not None]
    told = f", about {sum(known):,} judge calls" if known else ""
    if paid := [cost for cost in costs if cost is not None]:
        told += f" and {dollars(sum(paid))}"
    return f"saved: {of}{told}; the same command without --until-decided asks them too"


def beside(row: StoppingRow, noun: str = "questions") -> Iterator[str]:
    """The test that is not the main one, and which one was planned."""
    if row["main"]:
        fixed = row["fixed"]
        if fixed is not None and fixed["p_value"] is not None:
            found = "significant" if fixed["significant"] else "not significant"
            was = "was not" if row["planned"] == "until decided" else "was"
            yield (
                f"the test of all {row['questions']:,} {noun}, which {was} planned: "
                f"{p_text(fixed['p_adjusted'])}, {found} at 5%"
            )
        return
    yield (
        f"planned was --until-decided: {why(row, noun)}, {p_text(row['p_adjusted'])}; the test of "
        f"all {row['questions']:,} {noun} is one that was added"
    )
