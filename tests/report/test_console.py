"""What the terminal shows, held to golden files at 80 columns without colour.

SAMI_EVAL_GOLDEN=write rewrites the files; read the difference before committing it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from sami_eval.experiment.document import Document
from sami_eval.report.comparison import report
from sami_eval.report.figures import interval_text, p_text, percent, shorten
from sami_eval.report.formats.console import render
from tests.documents import comparison, document

GOLDEN = Path(__file__).with_name("golden")
LONG = "meta-llama--Llama-3.1-8B/sft+sami+dpo@12"


def printed(document: Document, width: int = 80, verbose: bool = False) -> str:
    file = io.StringIO()
    console = Console(width=width, color_system=None, highlight=False, file=file)
    console.print(render(report(document, verbose)))
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


PAIR = document(comparison("sft+sami", "sft+dpo"))
WINNER = document(comparison("sft+sami", "base", 0.0004))
LONG_NAMES = document(comparison(LONG, "openai:gpt-4o-mini-2024-07-18"))
THREE = document(
    comparison("sft+sami", "sft+dpo", 0.0123),
    comparison("sft+sami", "base", 0.0004),
    comparison("sft+dpo", "base", 1.0),
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("pair", PAIR), ("winner", WINNER), ("long_names", LONG_NAMES), ("round_robin", THREE)],
)
def test_output_is_the_golden_file_at_80_columns(name: str, shown: Document) -> None:
    path = GOLDEN / f"{name}.txt"
    text = printed(shown, verbose=name == "pair")
    if os.environ.get("SAMI_EVAL_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert len(text) > 500
    assert text == path.read_text(encoding="utf-8")
    assert max(map(len, text.split("\n"))) <= 80


def test_nothing_is_cut_at_120_columns() -> None:
    assert "…" not in printed(PAIR, width=120)


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, ""), (1.0, "p = 1"), (0.2188, "p = .219"), (0.0004, "p < .001"), (0.001, "p = .001")],
)
def test_p_values_are_short(p: float | None, text: str) -> None:
    assert p_text(p) == text


def test_unknown_is_a_dash_never_a_zero() -> None:
    assert percent(None) == interval_text(None) == "-"
    assert percent(0.0) == "0.0%"


def test_a_long_name_keeps_both_its_ends() -> None:
    assert shorten("sft+sami") == "sft+sami"
    assert shorten(LONG, 14) == "meta-l…+dpo@12"
    assert len(shorten(LONG, 15)) == 15


def test_a_letter_that_takes_two_columns_counts_as_two() -> None:
    assert shorten("模型一号", 8) == "模型一号"
    assert shorten("日本語モデル", 8) == "日…デル"  # 2, 1 and 4 columns: a whole letter more is 9


def test_a_p_value_of_exactly_5_percent_is_significant_everywhere() -> None:
    row = comparison("sft+sami", "sft+dpo", 0.05)
    text = printed(document({**row, "categories_p_value": 0.05, "significant": True}))
    assert "significant at 5%" in text
    assert "categories differ beyond chance" in text


def test_a_rate_at_equal_length_says_how_far_the_lengths_overlap() -> None:
    row = comparison("sft+sami", "sft+dpo")
    apart = {**row["length"], "a_longer": 155, "b_longer": 5, "supported": False}
    for length, said in ((row["length"], "not AlpacaEval's figure"), (apart, "an extrapolation")):
        text = " ".join(printed(document({**row, "length": length})).split())  # type: ignore[typeddict-item]
        assert f"sft+sami longer in {length['a_longer']} of 160 turns" in text
        assert said in text


def test_figures_of_the_embedded_base_say_that_they_vary_by_processor() -> None:
    shown = {**document(comparison("sft+sami", "sft+dpo")), "embedded": True}
    assert "vary by processor" in " ".join(printed(shown).split())  # type: ignore[arg-type]
