"""A comparison beside the paper's win rates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.document import Document, read_document
from sami_eval.experiment.reproduce.audit import DIGITS, published
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.checklist import Facts
from sami_eval.experiment.reproduce.document import CategoryRow, JudgedResult, PairRow
from sami_eval.experiment.reproduce.step import Trial
from sami_eval.experiment.runs import DOCUMENT
from sami_eval.experiment.settings import CompareSettings


def facts(document: Document) -> Facts:
    """What the checklist shows of a comparison."""
    return {"turns judged": sum(row["n_turns"] for row in document["comparisons"])}


def beside(trial: Trial, folder: Path, seed: int) -> JudgedResult:
    """A finished run beside the published figures."""
    document = read_document(folder / DOCUMENT)
    known = _published() if trial.published else {}
    between = _between() if _without_principles(trial.settings) else None
    return {
        "name": trial.title,
        "run": document["run"],
        "judge": document["judge"],
        "judge_model": document["judge_model"],
        "principles_shown": document["principles_shown"],
        "cost_usd": document["cost_usd"],
        "pairs": [_pair(row, known, between) for row in document["comparisons"]],
    }


def _without_principles(settings: object) -> bool:
    assert isinstance(settings, CompareSettings)
    return settings.judge == "quality" or settings.constitutions == "none"


def _published() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    return {(row["a"], row["b"]): row for row in published()["win_rate"]}


def _between() -> list[float]:
    """Where the paper's pairings lie when they are judged without the principles."""
    found = published()["without_principles"]
    return [found["low"], found["high"]]


def _pair(
    row: ComparisonRow,
    rates: Mapping[tuple[str, str], Mapping[str, Any]],
    between: list[float] | None,
) -> PairRow:
    known = rates.get((row["a"], row["b"]), {})
    figure = (row["win_rate"], row["interval"], row["significant"])
    categories: dict[str, CategoryRow] = {
        name: {
            "win_rate": tally["win_rate"],
            "interval": tally["interval"],
            "significant": tally["significant"],
            "n_turns": tally["n_turns"],
        }
        for name, tally in row["by_category"].items()
    }
    return {
        "a": row["a"],
        "b": row["b"],
        "published": known.get("value"),
        "published_digits": known.get("digits", DIGITS),
        "published_range": between,
        "categories_vary": known.get("categories_vary", False),
        "win_rate": row["win_rate"],
        "interval": row["interval"],
        "p_adjusted": row["p_adjusted"],
        "significant": row["significant"],
        "n_questions": row["n_questions"],
        "n_turns": row["n_turns"],
        "ties": row["ties"],
        "unparsed": row["unparsed"],
        "questions_needed": row["questions_needed"],
        "words": words(row["a"], row["b"], *figure, known.get("value"), 0.5, between=between),
        "categories_p_value": row["categories_p_value"],
        "by_category": categories,
    }
