"""Every kind of result in every form: the same figures, and nobody's name is more than a name."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path

import pytest
from rich.console import Console

from sami_eval import cli
from sami_eval.core.types import Winner
from sami_eval.data.votes import Vote
from sami_eval.experiment.agreement import agreement
from sami_eval.experiment.agreement_document import AgreementDocument, agreement_document
from sami_eval.experiment.envelope import dump
from sami_eval.experiment.judged import Judged
from sami_eval.experiment.scored_document import read_scored
from sami_eval.report import cell, figures
from sami_eval.report.finished import Finished, report_of
from sami_eval.report.formats.console import render
from sami_eval.report.formats.csv import csv as as_csv
from sami_eval.report.formats.latex import latex
from sami_eval.report.formats.markdown import markdown
from sami_eval.report.table import Column, Lines, Report, Row, Table, columns
from tests.data.test_inspect_log import HASTY, STEADY
from tests.report.test_console import PAIR, THREE
from tests.report.test_html_report import Seen
from tests.report.test_passk_console import BEST, FOUR
from tests.report.test_reproduce_console import document as reproduction

HOSTILE = "=x|<b>\\input{y}&"


def agreed(name: str = "x") -> AgreementDocument:
    """A judge who says of four votes on two questions what three of them say."""
    winners: list[tuple[str, Winner]] = [("q1", "a"), ("q1", "b"), ("q2", "b"), ("q2", "b")]
    votes = [Vote(q, 0, name, "y", said, f"voter {i}") for i, (q, said) in enumerate(winners)]
    judge = Judged("j", {v.item: "a" if v.prompt_id == "q1" else "b" for v in votes}, (), {})
    return agreement_document(agreement(judge, votes), "votes.jsonl", "judge.jsonl")


RESULTS: dict[str, tuple[Finished, str]] = {
    "comparison": (PAIR, "45.6–65.6"),
    "round robin": (THREE, "45.6–65.6"),
    "against": ({**THREE, "against": "base", "ranking": []}, "better"),
    "passk": (FOUR, "14.2 ± 0.3"),
    "best of k": (BEST, figures.percent(BEST["contenders"][0]["best_of_k"]["4"]["value"])),
    "agreement": (agreed(), "75.0%"),
    "scored": (read_scored([STEADY, HASTY]), "+25.0"),
    "mtbench": (reproduction("mtbench", embedded=False), "58.15%"),
    "gsm8k": (reproduction("gsm8k", embedded=True), "+10.1"),
}


def printed(report: Report) -> str:
    file = io.StringIO()
    plain = Console(width=80, highlight=False, markup=False, color_system=None, file=file)
    plain.print(render(report))
    return file.getvalue()


@pytest.mark.parametrize(("found", "figure"), RESULTS.values(), ids=RESULTS)
def test_every_form_holds_the_figures(found: Finished, figure: str) -> None:
    report = report_of(found)
    assert figure in printed(report)
    assert figure in markdown(report)
    assert figure.replace("–", "--").replace("%", "\\%").replace("±", r"$\pm$") in latex(report)
    assert max(map(len, printed(report).split("\n"))) <= 80
    for line in markdown(report).splitlines():
        assert not line.startswith("|") or line.endswith("|")


@pytest.mark.parametrize("found", [one for one, _ in RESULTS.values()], ids=RESULTS)
def test_csv_holds_every_figure_of_a_table_in_full(found: Finished) -> None:
    rows = list(csv.reader(io.StringIO(as_csv(report_of(found)))))
    width = 0
    for row in rows:  # below a header every row is as wide as it is
        width = 0 if len(row) < 2 else width or len(row)
        assert width in (0, len(row))
    shares = [cell for row in rows for cell in row if cell.startswith("0.")]
    assert shares
    assert all(0 <= float(cell) < 1 for cell in shares)


TABLE = Table(
    columns(Column("name", left=True, once=True), "n", Column("95% CI"), Column("more", wide=True)),
    (
        (
            Row(
                (
                    cell.text("a name too long", 8),
                    cell.count(1),
                    cell.interval([0.1, 0.25]),
                    cell.count(7),
                )
            ),
        ),
        (
            Row(
                (cell.text("same"), cell.count(2), cell.interval(None), cell.count(8)),
                significant=True,
            ),
            Row((cell.text("same"), cell.count(3), cell.interval([0, 1]), cell.count(9))),
        ),
    ),
)


def test_a_terminal_cuts_names_and_says_them_once_and_leaves_out_what_has_no_room() -> None:
    lines = [line.rstrip() for line in printed([[TABLE]]).splitlines()]
    assert lines[0] == "name      n     95% CI"
    assert lines[2:] == [
        "a n…long  1  10.0–25.0",
        "",
        "same      2          -",
        "          3  0.0–100.0",
    ]


def test_files_hold_whole_names_and_both_ends_of_an_interval() -> None:
    about = Lines(("=1+1",), exported=True)
    assert as_csv([[about, TABLE], [TABLE]]).split("\n")[:5] == [
        "'=1+1",
        "name,n,95% CI low,95% CI high,more",
        "a name too long,1,0.1,0.25,7",
        "same,2,,,8",
        "same,3,0,1,9",
    ]
    assert markdown([[TABLE]]).splitlines()[:3] == [
        "| name | n | 95% CI | more |",
        "| --- | ---: | ---: | ---: |",
        "| a name too long | 1 | 10.0–25.0 | 7 |",
    ]


def test_no_name_is_more_than_a_name_in_any_form() -> None:
    report = report_of(agreed(HOSTILE))
    assert r"=x\|\<b>\\input{y}&" in markdown(report)
    lines = [line for line in latex(report).splitlines() if not line.startswith("%")]
    assert r"\input" not in "".join(lines)
    rows = list(csv.reader(io.StringIO(as_csv(report))))
    assert {cell for row in rows for cell in row if cell.lstrip("'").startswith("=")} == {
        f"'{HOSTILE}"
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["agreement", "mtbench", "gsm8k"])
def test_show_writes_every_form_of_what_is_no_run(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, figure = RESULTS[kind]
    place, page = Path("found.json"), Path("found.html")
    if kind != "agreement":
        place, page = (
            folder / "reproductions/one" / n for n in ("reproduction.json", "report.html")
        )
        place.parent.mkdir(parents=True)
    place.write_text(dump(found), encoding="utf-8")
    name = str(place) if kind == "agreement" else "one"
    for flags in ([], ["--markdown"], ["--latex"]):
        assert cli.run(["show", name, *flags]) == 0
        assert figure in capsys.readouterr().out.replace("\\", "")
    assert cli.run(["show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert cli.run(["show", name, "--csv", "x.csv", "--html"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("x.csv").read_text(encoding="utf-8") == as_csv(report_of(found, verbose=True))
    seen = Seen(page.read_text(encoding="utf-8"))
    assert figure in seen.words()
    levels = [int(tag[1]) for tag, _ in seen.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert cli.run(["show", name, "--unparsed"]) == 2
    assert "nothing was judged" in capsys.readouterr().err


def test_a_spoilt_document_is_refused_with_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = {**agreed(), "confusion": {"a": {}}}
    Path("a.json").write_text(json.dumps(spoilt), encoding="utf-8")
    assert cli.run(["show", "a.json"]) == 2
    error = capsys.readouterr().err
    assert "`confusion.a.a` is missing" in error
    assert "a.json" in error
