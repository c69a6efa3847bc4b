"""What pass@k figures look like, held to a golden file at 80 columns without colour.

SAMI_EVAL_GOLDEN=write rewrites it; read the difference before committing it.
"""

from __future__ import annotations

import io
import os
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sami_eval.core.calls import Completion
from sami_eval.core.types import Model, Prompt
from sami_eval.data.problem_sets import problem_of
from sami_eval.experiment.best_of import BestOfRow
from sami_eval.experiment.every_k import curves
from sami_eval.experiment.passk_document import PasskDocument, contender_row, difference_row
from sami_eval.experiment.samples import Attempts, any_of_k, attempts, figures, paired
from sami_eval.report.formats.console import render
from sami_eval.report.formats.latex import latex
from sami_eval.report.formats.markdown import markdown
from sami_eval.report.passk import differences_table, figures_table, report
from sami_eval.report.passk_curve import curve
from sami_eval.report.passk_glance import glance

GOLDEN = Path(__file__).with_name("golden")
LONG = "meta-llama--Llama-3.1-8B/sft+sami+dpo@12"
KS = (1, 4, 8)


def document(
    skills: dict[str, float], n: int = 40, protocol: str = "default", chosen: bool = False
) -> PasskDocument:
    """Figures of contenders that solve problem i at a rate of i/n to the power 1/skill.

    chosen: a reward model chose, which likes short texts.
    """
    draw = random.Random(1)
    problems = [problem_of(Prompt(str(i), "math", ("?",), ("#### 5",)), str(i)) for i in range(n)]

    def one(i: int, skill: float) -> Completion:
        text = "5" if draw.random() < ((i + 0.5) / n) ** (1 / skill) else draw.choice("678x")
        return Completion(
            f"{text} {'.' * draw.randrange(9)}", (), text != "6", 10 + draw.randrange(9)
        )

    tried = {
        name: [
            attempts(p, [one(i, s) for _ in range(8)], one(i, s)) for i, p in enumerate(problems)
        ]
        for name, s in skills.items()
    }
    if chosen:
        for several in tried.values():
            several[:] = [
                replace(a, rewards=tuple(-float(len(s.text)) for s in a.samples)) for a in several
            ]
            several[0] = replace(several[0], rewards=(None,) * 8)
    settings = {
        "source": "openai/gsm8k",
        "split": "test",
        "temperature": 0.7,
        "top_p": 1.0,
        "shots": 0,
        "prompt": "chat template",
        "marker": "number",
        "seed": 0,
        "engine": "vllm",
        "max_tokens": 1024,
        "protocol": protocol,
    }
    return {
        "schema": "sami-eval/passk/1",
        "task": "gsm8k",
        "n_problems": n,
        "samples": 8,
        "ks": list(KS),
        "settings": settings,
        "settings_key": "k",
        "embedded": False,
        "contenders": [
            contender_row(
                Model(name, "some/base"),
                "vllm",
                "chat template",
                figures(of, KS),
                curves(of),
                {k: any_of_k(of, k) for k in KS},
                None,
            )
            for name, of in tried.items()
        ],
        "steps": [],
        "differences": [difference_row(row) for row in paired(tried, KS, 0)],
        "best_of": ROW if chosen else None,
        "best_of_differences": [
            difference_row(row) for row in paired(tried, KS[1:], 0, figure=Attempts.best_of)
        ],
        "run": "runs/2026-11-24-gsm8k-passk-sami-sft",
        "date": "2026-11-24T12:00:00",
        "calls": {"made": 640, "from_ledger": 80},
        "cost_usd": 0.0,
        "cost_unseen_usd": 0.0,
        "warnings": [],
        "seconds": {"sampling": 61.2},
        "memory_mb": {"sampling": 900.0},
        "versions": {},
        "command": "",
    }


ROW: BestOfRow = {"judge": "reward", "model": "rm", "calls": {"made": 640, "from_ledger": 0}}
BEST = document({"sft+sami": 2.0, "sft": 0.7}, chosen=True)
PAIR = document({"sft+sami": 2.0, "sft": 0.7})
FOUR = document({"base": 0.5, "sft": 0.9, LONG: 1.0, "sft+sami": 1.2}, protocol="paper")


def printed(shown: PasskDocument, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(width=width, color_system=None, highlight=False, file=file)
    console.print(render(report(shown, verbose=True)))
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


@pytest.mark.parametrize(("name", "shown"), [("passk_pair", PAIR), ("passk_four", FOUR)])
def test_output_is_the_golden_file_at_80_columns(name: str, shown: PasskDocument) -> None:
    path = GOLDEN / f"{name}.txt"
    text = printed(shown)
    if os.environ.get("SAMI_EVAL_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert max(map(len, text.split("\n"))) <= 80


def test_every_table_states_what_the_figures_depend_on() -> None:
    for text in (printed(PAIR), markdown(report(PAIR)), latex(report(PAIR))):
        for part in ("T 0.7", "top_p 1", "up to 1024 tokens", "n 8", "0-shot", "marker number"):
            assert part in " ".join(text.split())


def test_the_winner_is_named_with_points_and_p() -> None:
    found = glance(PAIR)
    assert found.verdict == "sft+sami solves more than sft at k = 1"
    assert "pass@1, the smallest asked for, over 40 problems" in found.figure
    assert "after Holm over 3 differences, p < .001" in found.because[0]
    assert found.because[1].startswith("the other k: solves more at k = 4 (+")


def test_no_difference_says_how_many_problems_would_tell() -> None:
    found = glance(document({"a": 1.0, "b": 1.05}))
    assert re.match("undecided between a and b at k = 1: needs about [0-9,]+ ", found.verdict)
    assert found.because[-1] == "the other k: not significant at k = 4, 8"


def test_exports_hold_the_documents_figures() -> None:
    table = figures_table(PAIR)
    header, rows = [column.name for column in table.columns], list(table.rows)
    assert len(rows) == 2 * len(KS)
    row = PAIR["contenders"][0]["pass_at_k"]["4"]
    assert row["value"] is not None
    assert rows[1].cells[header.index("pass@k")].text == f"{100 * row['value']:.1f}%"
    assert len(list(differences_table(FOUR).rows)) == 6 * len(KS)


def test_a_curve_of_one_sample_and_of_certain_values_is_drawn() -> None:
    assert "pass@k" in curve({**PAIR, "samples": 1})
    row = {**PAIR["contenders"][0], "curve": [[1, 1.0], [8, 1.0]]}
    assert "100%" in curve({**PAIR, "contenders": [row]})  # type: ignore[list-item]
    row = {**row, "curve": [[1, 0.0], [8, 0.0]]}
    assert "0%" in curve({**PAIR, "contenders": [row]})  # type: ignore[list-item]


def test_the_best_of_k_stands_beside_pass_at_k_and_says_what_it_leaves_out() -> None:
    shown = printed(BEST)
    assert "k  best of k     95% CI  pass@k     95% CI\n" in shown
    assert "pair, best of k  k  points" in shown
    assert "not in best of k      sft+sami: 1 problems with a sample that has no score" in shown
    assert "best of k" not in printed(PAIR)
    rows = BEST["contenders"][0]["best_of_k"]
    assert list(rows) == ["4", "8"]  # of one sample there is no choice
    assert BEST["best_of_differences"][0]["k"] == 4
