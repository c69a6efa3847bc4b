"""docs/formats.md names every key that is written."""

from __future__ import annotations

import dataclasses
import re

import pytest

from sami_eval.core.types import Response, Verdict
from sami_eval.experiment import (
    comparison_rows,
    document,
    envelope,
    scored_document,
    step_rows,
    stopping,
)
from sami_eval.experiment.reproduce import document as reproduction
from tests import ROOT

PAGE = ROOT / "docs" / "formats.md"
PROSE = re.sub(r"^```.*?^```$", "", PAGE.read_text(encoding="utf-8"), flags=re.S | re.M)
NAMED = set(re.findall(r"`([^`]+)`", PROSE))
TABLES = (
    document.Document,
    document.ContenderRow,
    step_rows.EstimateRow,
    step_rows.MetRow,
    step_rows.StepRow,
    step_rows.KlRow,
    step_rows.PasskStepRow,
    comparison_rows.ComparisonRow,
    comparison_rows.TallyRow,
    comparison_rows.LengthRow,
    comparison_rows.SeedsRow,
    comparison_rows.SeedRow,
    comparison_rows.RankRow,
    document.JudgeRow,
    document.PriceRow,
    comparison_rows.JudgedRow,
    comparison_rows.AgreementRow,
    comparison_rows.KappaRow,
    comparison_rows.CorrectedRow,
    stopping.StoppingRow,
    comparison_rows.StyleRow,
    comparison_rows.FeatureRow,
    envelope.Calls,
)


def test_every_table_of_the_document_is_checked() -> None:
    # What an earlier version's document may lack stands in a part of a table: it is not total.
    every = {**vars(document), **vars(comparison_rows), **vars(step_rows)}
    known = {name for name, one in every.items() if getattr(one, "__total__", False)}
    assert known == {table.__name__ for table in TABLES}


REPRODUCTION = [
    one
    for one in vars(reproduction).values()
    if getattr(one, "__module__", "") == reproduction.__name__
]


SCORED = [
    one
    for one in vars(scored_document).values()
    if getattr(one, "__module__", "") == scored_document.__name__ and hasattr(one, "__total__")
]


@pytest.mark.parametrize("table", [*TABLES, *REPRODUCTION, *SCORED])
def test_every_key_of_the_document_is_explained(table: type) -> None:
    keys = set(table.__annotations__)
    assert keys
    assert keys <= NAMED


@pytest.mark.parametrize("row", [Response, Verdict])
def test_every_field_of_answers_and_verdicts_is_explained(row: type) -> None:
    assert {field.name for field in dataclasses.fields(row)} <= NAMED


@pytest.mark.parametrize(
    "option",
    ["--fastchat", "--csv", "--lm-eval", "--verdicts", "--latex", "--eee", "--hub-results"],
)
def test_every_export_is_explained(option: str) -> None:
    assert any(name.startswith(option) for name in NAMED)
