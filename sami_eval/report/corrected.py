"""The win rate corrected by people's votes, in a finished comparison."""

from __future__ import annotations

from collections.abc import Iterator

from sami_eval.experiment.document import ComparisonRow, Document
from sami_eval.report.figures import interval_text, percent, shorten


def corrected_cells(row: ComparisonRow) -> list[list[str]]:
    """A line of the table beneath the raw win rate: name, voted turns, no counts, rate; or none."""
    found = row["corrected"]
    if found is None:
        return []
    rate = [percent(found["win_rate"]), interval_text(found["interval"])]
    return [["by votes", str(found["n_turns"]), "", "", "", *rate, ""]]


def corrected_words(row: ComparisonRow) -> Iterator[str]:
    """What becomes of the verdict once the judge's errors are taken out."""
    found = row["corrected"]
    if found is None:
        return
    low, high = found["interval"]
    rate = f"{percent(found['win_rate'])} [{interval_text(found['interval'])}]"
    if low <= 0.5 <= high:
        yield f"corrected by people's votes: {rate}, which may be chance"
    else:
        ahead = row["a"] if low > 0.5 else row["b"]
        yield f"corrected by people's votes: {rate}, {ahead} ahead"


def people_facts(document: Document) -> Iterator[tuple[str, str]]:
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
