"""A finished comparison in other tools' formats; every figure is the document's.

| to         | what                                                                         |
|------------|------------------------------------------------------------------------------|
| CSV        | one line a pair of contenders, seeds and question                             |
| lm-eval    | its results schema, one task a pair of contenders                             |
| JSON lines | every verdict                                                                 |

FastChat: fastchat.py.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sami_eval.core.comparison import Outcome
from sami_eval.core.types import Verdict
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.document import Document, contender_of, of_pair
from sami_eval.experiment.fold import Rule, fold
from sami_eval.report.table import Table, plain
from sami_eval.stats.intervals import Z


def seed_of(document: Document, row: ComparisonRow) -> dict[str, int]:
    """Training seeds of the models of a pair, where a side has several."""
    seeds = row["seeds"]
    if seeds is None:
        return {}
    of = contender_of(document)
    sides = ((row["a"], seeds["a"]), (row["b"], seeds["b"]))
    return {
        model: seed
        for side, several in sides
        for model, seed in zip([m for m in of if of[m] == side], several, strict=False)
    }


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def verdict_lines(verdicts: Iterable[Verdict]) -> str:
    """Every verdict as JSON lines; `sami-eval show FILE` reads them."""
    return json_lines(map(dataclasses.asdict, verdicts))


def scores(document: Document, verdicts: Sequence[Verdict], category: Mapping[str, str]) -> Table:
    """A line a question: of its turns with an outcome, their wins, ties, losses and mean."""
    rows = []
    for row in document["comparisons"]:
        for question, outcomes in _questions(document, row, verdicts):
            several = row["seeds"] is not None
            seeds = outcomes[0].seeds if several else ("", "")
            names = (row["a"], row["b"], *seeds, question, category.get(question, ""))
            rows.append((*names, *_counts(outcomes)))
    sides = ("a", "b", "seed_a", "seed_b", "question_id", "category")
    return plain((*sides, "n_turns", "wins", "ties", "losses", "score"), rows)


def _questions(
    document: Document, row: ComparisonRow, verdicts: Sequence[Verdict]
) -> Iterator[tuple[str, list[Outcome]]]:
    several = of_pair(document, row, verdicts)
    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    groups: dict[tuple[str, tuple[int, int]], list[Outcome]] = {}
    for outcome in fold(several, rule, seed_of=seed_of(document, row)):
        groups.setdefault((outcome.prompt_id, outcome.seeds), []).append(outcome)
    for (question, _), outcomes in groups.items():
        yield question, outcomes


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int, int, int, float]:
    """Turns, those won, even and lost, and their mean score, each by its weight."""
    n = len(outcomes)
    won, lost = sum(o.score > 0.5 for o in outcomes), sum(o.score < 0.5 for o in outcomes)
    points = sum(outcome.score * outcome.weight for outcome in outcomes)
    return n, won, n - won - lost, lost, points / sum(outcome.weight for outcome in outcomes)


def lm_eval(document: Document) -> dict[str, Any]:
    """The comparisons in lm-eval's results schema, each pair a task, win_rate its metric.

    win_rate_stderr: the interval's width in normal standard errors (half of it over 1.96).
    """
    pairs = {f"{document['task']}:{r['a']}:{r['b']}": r for r in document["comparisons"]}
    settings = {"judge": document["judge"], "judge_model": document["judge_model"]}
    settings |= {"orders": document["orders"], "rule": document["rule"]}
    return {
        "results": {name: _metrics(name, row) for name, row in pairs.items()},
        "group_subtasks": {name: [] for name in pairs},
        "configs": {
            name: {"task": name, "output_type": "generate_until", "metadata": settings}
            for name in pairs
        },
        "versions": dict.fromkeys(pairs, 1),
        "n-shot": dict.fromkeys(pairs, 0),
        "higher_is_better": {name: {"win_rate": True} for name in pairs},
        "n-samples": {
            name: {"original": row["n_questions"], "effective": row["n_questions"]}
            for name, row in pairs.items()
        },
        "config": {
            "model": "sami-eval",
            "model_args": ",".join(dict.fromkeys(r["contender"] for r in document["contenders"])),
            "limit": document["settings"].get("limit"),
        },
        "date": datetime.datetime.fromisoformat(document["date"]).timestamp(),
        "total_evaluation_time_seconds": str(sum(document["seconds"].values())),
    }


def _metrics(name: str, row: ComparisonRow) -> dict[str, Any]:
    interval = row["interval"]
    return {
        "alias": name,
        "win_rate,none": "N/A" if row["win_rate"] is None else row["win_rate"],
        "win_rate_stderr,none": (interval[1] - interval[0]) / (2 * Z) if interval else "N/A",
        "win_rate_low,none": interval[0] if interval else "N/A",
        "win_rate_high,none": interval[1] if interval else "N/A",
        "p_value,none": "N/A" if row["p_value"] is None else row["p_value"],
        **{f"{key},none": row[key] for key in ("wins", "ties", "losses", "n_turns")},
    }
