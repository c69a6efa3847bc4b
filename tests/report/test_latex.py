"""Tables for a paper: floats that a TeX takes as they are, whatever the contenders are called."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sami_eval.report import cell
from sami_eval.report.finished import Finished, about, report_of
from sami_eval.report.formats.latex import latex
from sami_eval.report.table import Plot, Row, Table, columns
from tests.documents import comparison, document
from tests.report.test_console import THREE, WINNER
from tests.report.test_forms import RESULTS, agreed
from tests.report.test_passk_console import FOUR, PAIR

TEX = shutil.which("tectonic") or shutil.which("pdflatex")
HOSTILE = r"50%_a&b#1{x}\input{y}~^$|<b>[z]*--q"


def written(found: Finished) -> str:
    """What `show --latex` prints."""
    return latex(report_of(found), *about(found))


def test_a_float_has_its_caption_label_judge_n_and_command() -> None:
    text = written(WINNER)
    assert text.startswith(
        "% made by: sami-eval compare sami dpo\n% sft+sami is better than base\n"
    )
    caption = (
        r"\caption{Win rate of sft+sami against base. mtbench $\cdot$ 80 questions, 160 turns "
        r"$\cdot$ judge principles (gpt-4o) $\cdot$ both orders. $^{*}$ significant at 5\%.}"
    )
    assert caption in text
    assert r"\label{tab:mtbench-win-rate-of-sft-sami-against-base}" in text
    assert r"win rate {[}95\% CI{]}" in text
    assert r"55.6\% {[}45.6--65.6{]}$^{*}$ & $<$ .001 \\" in text


def test_every_label_is_another_and_nothing_significant_needs_no_star() -> None:
    assert r"sft+dpo & 44.4\%$^{*}$ &  & 55.6\% \\" in written(THREE)
    labels = re.findall(r"\\label{(.*?)}", written(THREE))
    assert len(labels) == len(set(labels)) == 3
    two = latex([[Table(columns("a", "b"), (), name="x"), Table(columns("a", "b"), (), name="x")]])
    assert re.findall(r"\\label{(.*?)}", two) == ["tab:x", "tab:x-2"]
    assert "significant" not in latex([[Table(columns("a"), (), name="x")]])


def test_signs_of_figures_are_mathematics_and_those_of_names_are_not() -> None:
    row = Row(
        (
            cell.text("a-1 −2 b--c"),
            cell.points(-0.128),
            cell.points_interval([-0.199, 0.057]),
            cell.p_value(0.0001),
        ),
        significant=True,
    )
    heads = columns("pair", "points", "95% CI", "p")
    text = latex([[Table(heads, ((row,),), plot=Plot("", 1, 2))]])
    assert r"a-1 $-$2 b-{}-c & $-12.8$ {[}$-19.9$ to $+5.7${]}$^{*}$ & $<$ .001 \\" in text
    assert r"14.2 $\pm$ 0.3" in written(FOUR)


def test_pass_at_k_names_a_contender_once_and_has_no_column_twice() -> None:
    text = written(PAIR)
    table = text[text.index("pass@k {[}") :].partition(r"\bottomrule")[0]
    lines = table.splitlines()
    assert lines[0] == r"pass@k {[}95\% CI{]} & maj@k {[}95\% CI{]} \\"
    assert [line.partition(" & ")[0] for line in lines[2:]] == [
        "sft+sami", "", "", r"\addlinespace", "sft", "", "",
    ]  # fmt: skip


@pytest.mark.skipif(TEX is None, reason="no pdflatex and no tectonic is installed")
def test_a_tex_takes_every_table_as_it_is(tmp_path: Path) -> None:
    named = document(comparison(HOSTILE, "x", 0.01))
    shown = [found for found, _ in RESULTS.values()]
    tables = "\n".join(map(written, [*shown, named, agreed(HOSTILE)]))
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "all.tex").write_text(f"{head}{tables}\n\\end{{document}}\n", encoding="utf-8")
    options = [] if "tectonic" in str(TEX) else ["-interaction=nonstopmode", "-halt-on-error"]
    command = [str(TEX), *options, "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
