"""What the terminal prints is what the document holds, rounded."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sami_eval.core.types import Winner
from sami_eval.experiment.comparison_rows import ComparisonRow, comparison_row
from sami_eval.experiment.tallies import compare
from sami_eval.report.comparison import report
from sami_eval.report.comparison_page import Run
from sami_eval.report.comparison_page import comparison_page as page
from sami_eval.report.formats.latex import latex
from sami_eval.report.formats.markdown import markdown
from tests.documents import document
from tests.judgments import both_orders, prompts
from tests.report.test_console import printed
from tests.report.test_html_report import Seen

WINNERS: st.SearchStrategy[Winner | None] = st.sampled_from(["a", "b", "tie", None])
RUNS = st.lists(st.tuples(WINNERS, WINNERS), min_size=1, max_size=40)


def judged(said: list[tuple[Winner | None, Winner | None]]) -> ComparisonRow:
    verdicts = [v for i, pair in enumerate(said, 1) for v in both_orders(*pair, f"q{i}")]
    categories = [("writing", "math", "stem")[i % 3] for i in range(len(said))]
    return comparison_row(compare(prompts(*categories), [], [], verdicts))


def near(text: str, value: float, unit: float) -> bool:
    """Whether a printed number is the value rounded to the unit of its last place."""
    return abs(float(text) - value) <= unit / 2 + 1e-9


@settings(max_examples=60)
@given(RUNS)
def test_the_table_holds_the_documents_figures_rounded(
    said: list[tuple[Winner | None, Winner | None]],
) -> None:
    row = judged(said)
    lines = {line.split()[0]: line for line in printed(document(row)).split("\n") if line.strip()}
    for name, tally in {"all": row, **row["by_category"]}.items():
        counts = [tally["n_turns"], tally["wins"], tally["ties"], tally["losses"]]
        cells = lines[name].split()
        assert list(map(int, cells[1:5])) == counts
        rate, interval = tally["win_rate"], tally["interval"]
        if rate is None or interval is None:
            assert cells[5:] == ["-", "-"]
            continue
        low, high = cells[6].split("–")
        assert near(cells[5].rstrip("%"), 100 * rate, 0.1)
        assert near(low, 100 * interval[0], 0.1)
        assert near(high, 100 * interval[1], 0.1)
        p = tally["p_value"] if name == "all" else tally["p_adjusted"]
        shown = "".join(cells[7:])
        assert p is not None
        assert p < 0.001 if shown == "<.001" else near(shown, p, 0.001)


@settings(max_examples=30)
@given(RUNS)
def test_words_and_exports_say_the_same_as_the_table(
    said: list[tuple[Winner | None, Winner | None]],
) -> None:
    row = judged(said)
    text = " ".join(printed(document(row)).split())
    table = {line.split()[0]: line.split() for line in printed(document(row)).split("\n") if line}
    last = [
        cell.strip()
        for cell in markdown(report(document(row))).splitlines()[-1].strip("|").split("|")
    ]
    assert "".join(last).replace(" ", "") == "".join(table["all"])
    assert ("significant at 5%" in text and "not significant" not in text) == row["significant"]
    needed = row["questions_needed"]
    found = re.search(r"would need about ([\d,]+) questions", text)
    if found is not None:
        assert int(found[1].replace(",", "")) == needed


@settings(max_examples=15)
@given(RUNS)
def test_latex_and_the_page_hold_the_cells_of_the_markdown_table(
    said: list[tuple[Winner | None, Winner | None]],
) -> None:
    shown = document(judged(said))
    table = [line for line in markdown(report(shown)).splitlines() if line.startswith("|")]
    lines = [line.strip("|").split("|") for line in table]
    rows = [[cell.strip() for cell in line] for line in [lines[0], *lines[2:]]]
    tex = [line.removesuffix(r" \\").split(" & ") for line in latex(report(shown)).splitlines()]
    plain = {r"\%": "%", "--": "–", "{[}": "[", "{]}": "]", "$^{*}$": "", "$<$": "<"}
    in_tex = [[replaced(cell, plain) for cell in row] for row in tex]
    words = Seen(page(Run(shown, [], [], []))).words()
    for *counts, rate, interval, p in rows:
        joined = rate if interval == "-" else f"{rate} [{interval}]"
        assert [*counts, joined, p] in in_tex
        assert " ".join([*counts, rate, interval, p]) in words


def replaced(text: str, signs: dict[str, str]) -> str:
    """The text with each of these signs as another."""
    for sign, other in signs.items():
        text = text.replace(sign, other)
    return text
