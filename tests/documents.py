"""A hand-written document for tests of what is printed; its figures are not computed."""

from __future__ import annotations

from sami_eval.experiment.comparison_rows import ComparisonRow, LengthRow, TallyRow
from sami_eval.experiment.document import SCHEMA, ContenderRow, Document
from sami_eval.report.table import Table


def cells(table: Table) -> list[str]:
    """Every text of a table, its header first."""
    names = [column.name for column in table.columns]
    return [*names, *(cell.text for row in table.rows for cell in row.cells)]


def tally(wins: int, ties: int, losses: int, p: float | None = 0.22) -> TallyRow:
    """A tally whose rate is true and whose interval is not."""
    n = wins + ties + losses
    rate = (wins + ties / 2) / n if n else None
    return {
        "n_questions": n // 2,
        "n_turns": n,
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "win_rate": rate,
        "interval": None if rate is None else [rate - 0.1, rate + 0.1],
        "p_value": p,
        "p_adjusted": p,
        "significant": p is not None and p <= 0.05,
        "questions_needed": 398,
        "needed_range": [65, None],
        "detectable": 0.15,
        "consistency": 0.74,
        "consistency_interval": [0.6, 0.8],
        "first_position_rate": 0.55,
        "first_position_interval": [0.5, 0.6],
        "unparsed": 1,
        "n_verdicts": 2 * n,
    }


def comparison(a: str, b: str, p: float | None = 0.22) -> ComparisonRow:
    """A pair with two categories."""
    length: LengthRow = {
        "a": 231.4,
        "b": 248.0,
        "unit": "tokens",
        "win_rate": 0.549,
        "interval": [0.45, 0.64],
        "a_longer": 70,
        "b_longer": 88,
        "n_turns": 160,
        "supported": True,
    }
    return {
        **tally(68, 42, 50, p),
        "a": a,
        "b": b,
        "length": length,
        "style": None,
        "by_category": {
            "writing": tally(10, 4, 6, 0.5),
            "humanities": tally(58, 38, 44, 0.03),
        },
        "categories_p_value": 0.41,
        "seeds": None,
        "self_agreement": None,
        "self_agreement_interval": None,
        "judges": [],
        "kappa": None,
        "corrected": None,
        "stopping": None,
    }


def contender(name: str) -> ContenderRow:
    """A contender."""
    return {
        "name": name,
        "contender": name,
        "base": "some/base",
        "adapter": None if name == "base" else f"adapters/base/{name}@0",
        "engine": "local",
        "fingerprint": "0" * 64,
        "n_cut": 2 if name == "sft+dpo" else 0,
        "trained_on": None,
        "checks_met": None,
        "step": None,
    }


def document(*comparisons: ComparisonRow) -> Document:
    """A finished comparison."""
    names = list(dict.fromkeys(name for row in comparisons for name in (row["a"], row["b"])))
    return {
        "schema": SCHEMA,
        "task": "mtbench",
        "judge": "principles",
        "judge_model": "gpt-4o",
        "judges": [],
        "measures": None,
        "orders": "both",
        "rule": "conservative",
        "principles_shown": True,
        "embedded": False,
        "settings_key": "k",
        "settings": {},
        "run": "runs/2026-11-23-mtbench-sami-dpo",
        "date": "2026-11-23T12:00:00",
        "contenders": [contender(name) for name in names],
        "against": None,
        "curve": [],
        "comparisons": list(comparisons),
        "ranking": [
            {
                "rank": rank,
                "model": name,
                "strength": 1.0 - rank,
                "interval": [0.5 - rank, 1.5 - rank],
                "p_next": None if rank == len(names) else 0.01 if rank == 1 else 0.4,
                "tied_with_next": rank not in (1, len(names)),
            }
            for rank, name in enumerate(names, 1)
        ],
        "cost_usd": 1.87,
        "cost_unseen_usd": 0.0,
        "warnings": [],
        "calls": {"made": 202, "from_ledger": 118},
        "tokens": {"prompt": 412019, "completion": 31604},
        "seconds": {"generating": 12.34, "judging": 5.0},
        "memory_mb": {"generating": 812.0},
        "versions": {"sami-eval": "0.1.0"},
        "command": "sami-eval compare sami dpo",
    }
