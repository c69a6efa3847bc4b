"""What a comparison of an earlier version lacks is filled in: not known, or none."""

from __future__ import annotations

from typing import Any

_OF_RUN: dict[str, Any] = {
    "cost_unseen_usd": 0.0,
    "judges": [],
    "measures": None,
    "against": None,
    "curve": [],
    "warnings": [],
}
_OF_CONTENDER: dict[str, Any] = {"trained_on": None, "checks_met": None, "step": None}
_OF_PAIR: dict[str, Any] = {
    "seeds": None,
    "self_agreement": None,
    "self_agreement_interval": None,
    "judges": [],
    "kappa": None,
    "corrected": None,
    "stopping": None,
    "style": None,
}
_OF_TALLY: dict[str, Any] = {"needed_range": None}
_OF_LENGTH: dict[str, Any] = {
    "a_longer": None,
    "b_longer": None,
    "n_turns": None,
    "supported": None,
}


def fill(document: dict[str, Any]) -> None:
    """Add what is missing; what is not of the right shape is left as it is."""
    _fill(document, _OF_RUN)
    for row in _rows(document.get("judges")):
        _fill(row, {"price": None})
    for row in _rows(document.get("contenders")):
        _fill(row, _OF_CONTENDER)
    for row in _rows(document.get("comparisons")):
        _fill(row, _OF_PAIR)
        categories = row.get("by_category")
        of_categories = list(categories.values()) if isinstance(categories, dict) else []
        for tally in [row, *_rows(of_categories), *_rows(row["judges"])]:
            _fill(tally, _OF_TALLY)
        for length in _rows([row.get("length")]):
            _fill(length, _OF_LENGTH)


def _fill(row: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        row.setdefault(name, list(value) if isinstance(value, list) else value)


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
