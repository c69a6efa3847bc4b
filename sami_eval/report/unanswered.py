"""What of a finished run is no answer or no verdict: in words, and as a reason to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sami_eval.core.errors import SamiEvalError
from sami_eval.data import unanswered
from sami_eval.data.unanswered import answers_of
from sami_eval.report.figures import interval_text

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import ComparisonRow
    from sami_eval.experiment.document import Document


def n_too_long(document: Document) -> int:
    """Judgments whose answers are too long for the judge."""
    return sum(row.get("too_long", 0) for row in document["comparisons"])


def failed(document: Document) -> str:
    """How many calls were never answered, behind the others; empty for none."""
    n = document["calls"].get("failed", 0)
    calls = "call" if n == 1 else "calls"
    return f"; {n:,} {calls} failed" if n else ""


def _because(document: Document) -> str:
    """What a judge's calls failed of, as it was said most often; empty for none."""
    said = [row["failed_because"] for row in document["judges"] if "failed_because" in row]
    return f": {said[0]}" if said else ""


def warnings(document: Document) -> list[str]:
    """What spoils a comparison's figures."""
    found = unanswered.warnings(answers_of(document["contenders"]))
    if n := n_too_long(document):
        found.append(
            f"warning: {n:,} judgments are left out: the answers are too long for the judge, and "
            "a rate over the others favours whoever is long where it is weak"
        )
        found += [_whatever(row) for row in document["comparisons"] if row.get("win_rate_range")]
    return found


def _whatever(row: ComparisonRow) -> str:
    """What can be said of a pair without a word on the turns that are left out."""
    within = interval_text(row["win_rate_range"])
    turns = "turn" if row["left_out"] == 1 else "turns"
    return (
        f"whatever the verdicts on the {row['left_out']:,} {turns} left out, {row['a']}'s win rate "
        f"against {row['b']} lies within {within}%"
    )


def check_unparsed(document: Document, most: float) -> None:
    """Raise SamiEvalError where more than this share of judgments, or of answers, is missing.

    A judgment that is too long for its judge is one too many: by their length contenders would
    choose what they are judged on.
    """
    unanswered.check_empty(answers_of(document["contenders"]), most)
    n_verdicts = sum(row["n_verdicts"] for row in document["comparisons"])
    unparsed = sum(row["unparsed"] for row in document["comparisons"])
    if unparsed > most * n_verdicts:
        raise SamiEvalError(
            f"{unparsed} of {n_verdicts} judgments have no verdict, more than {most:.0%}"
            f"{_because(document)}",
            f"sami-eval show {document['run']} --unparsed",
        )
    if n := n_too_long(document):
        raise SamiEvalError(
            f"{n} judgments are left out: the answers are too long for the judge",
            "take a judge that reads more, or shorter answers of all: --max-tokens",
        )
