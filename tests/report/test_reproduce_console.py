"""What a reproduction prints, held to golden files at 80 columns without colour.

SAMI_EVAL_GOLDEN=write rewrites them; read the difference before committing it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from sami_eval.core.config import Config
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.document import (
    SCHEMA,
    CategoryRow,
    GainRow,
    JudgedResult,
    PairRow,
    Reproduction,
    SampledResult,
)
from sami_eval.experiment.reproduce.expect import asks, needs
from sami_eval.experiment.reproduce.scale import read_scale
from sami_eval.report.formats.console import render
from sami_eval.report.reproduction import duration, forecast, report
from sami_eval.report.table import Report

GOLDEN = Path(__file__).with_name("golden")
PAPER = read_scale("paper")


def pair(
    a: str, b: str, published: float | None, digits: int, rate: float, half: float, p: float
) -> PairRow:
    interval, significant = [rate - half, rate + half], p <= 0.05
    cells: dict[str, CategoryRow] = {
        name: {
            "win_rate": rate + shift,
            "interval": [rate + shift - 0.1, min(rate + shift + 0.1, 1.0)],
            "significant": abs(rate + shift - 0.5) > 0.1,
            "n_turns": 80,
        }
        for name, shift in (("writing", 0.0), ("extraction", 0.12))
    }
    return {
        "a": a,
        "b": b,
        "published": published,
        "published_digits": digits,
        "win_rate": rate,
        "interval": interval,
        "p_adjusted": p,
        "significant": significant,
        "n_questions": 80,
        "n_turns": 160,
        "ties": 68,
        "unparsed": 0,
        "questions_needed": 1_234,
        "words": words(a, b, rate, interval, significant, published, 0.5),
        "categories_p_value": 0.219,
        "categories_vary": digits == 2,
        "by_category": cells,
    }


def judged(name: str, published: bool) -> JudgedResult:
    known = (0.57, 0.5815, 0.565) if published else (None, None, None)
    return {
        "name": name,
        "run": "reproductions/mtbench-paper@0/runs/" + name.replace(" ", "-"),
        "judge": "principles",
        "judge_model": "gpt-4o",
        "principles_shown": True,
        "cost_usd": 7.25,
        "pairs": [
            pair("SAMI", "DPO", known[0], 2, 0.515, 0.04, 0.41),
            pair("SAMI", "SFT", known[1], 4, 0.62, 0.05, 0.0004),
            pair("DPO", "SFT", known[2], 4, 0.42, 0.05, 0.03),
        ],
    }


def gain(a: str, b: str, k: int, published: float, value: float, p: float) -> GainRow:
    interval = [value - 0.02, value + 0.02]
    return {
        "a": a,
        "b": b,
        "k": k,
        "published": published,
        "gain": value,
        "interval": interval,
        "p_adjusted": p,
        "significant": p <= 0.05,
        "problems_needed": 900,
        "as_scored": {"gain": value + 0.004, "interval": interval, "p_value": p / 3},
        "words": words(a, b, value, interval, p <= 0.05, published, 0.0),
    }


def sampled() -> SampledResult:
    figures = {
        name: {str(k): {"value": at + k / 100, "interval": [at, at + k / 50]} for k in (1, 10)}
        for name, at in (("SFT+SAMI", 0.41), ("SFT", 0.4), ("base", 0.36))
    }
    return {
        "name": "test split, T 0.7",
        "run": "reproductions/gsm8k-paper@0/runs/test-split-T-0.7",
        "n_problems": 1_319,
        "samples": 32,
        "pass_at_k": figures,  # type: ignore[typeddict-item]
        "gains": [
            gain("SFT", "base", 1, 0.032, 0.041, 0.0004),
            gain("SFT", "base", 10, 0.101, -0.03, 0.01),
            gain("SFT+SAMI", "SFT", 1, 0.0, 0.01, 0.3),
            gain("SFT+SAMI", "SFT", 10, 0.013, 0.005, 1.0),
        ],
    }


def document(experiment: str, embedded: bool) -> Reproduction:
    results = [judged("principles shown", True), judged("not shown", False)]
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "scale": "embedded" if embedded else "paper",
        "about": "a text of the scale's own",
        "base": "base",
        "embedded": embedded,
        "seed": 3,
        "folder": f"reproductions/{experiment}@3",
        "stages": [
            {"name": "contrasts", "key": "k", "seconds": 2_345.6, "date": "",
             "facts": {"prompts": 480, "contrasts by base": 455}},
            {"name": "sft", "key": "k", "seconds": 9.0, "date": "", "facts": {"steps": 15}},
        ],
        "results": results if experiment == "mtbench" else [sampled()],
        "versions": {},
        "command": "",
    }  # fmt: skip


def printed(shown: Report) -> str:
    file = io.StringIO()
    plain = Console(width=80, highlight=False, markup=False, color_system=None, file=file)
    plain.print(render(shown))
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n")) + "\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("reproduce_mtbench", report(document("mtbench", embedded=False))),
        ("reproduce_gsm8k", report(document("gsm8k", embedded=True))),
        (
            "reproduce_forecast",
            forecast(
                "mtbench",
                read_scale("paper"),
                needs("mtbench", read_scale("paper"), Config(root=Path()), None),
                asks("mtbench", read_scale("paper"), Config(root=Path()), None, None),
            ),
        ),
    ],
)
def test_output_is_the_golden_file_at_80_columns(name: str, shown: Report) -> None:
    text, path = printed(shown), GOLDEN / f"{name}.txt"
    if os.environ.get("SAMI_EVAL_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert max(map(len, text.split("\n"))) <= 80
    assert text == path.read_text(encoding="utf-8")


def test_verbose_shows_the_categories_of_every_way_of_judging() -> None:
    shown = document("mtbench", embedded=False)
    assert printed(report(shown)).count("win rate by category") == 1
    assert printed(report(shown, verbose=True)).count("win rate by category") == 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(61.4, "61 s"), (125.0, "2 min"), (7_100.0, "118 min"), (9_000.0, "2.5 h")],
)
def test_times_are_said_as_a_person_would(seconds: float, said: str) -> None:
    assert duration(seconds) == said
