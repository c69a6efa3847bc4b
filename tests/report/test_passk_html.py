"""pass@k figures as a page: the document's figures, and nothing a model wrote becomes markup."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.types import Prompt
from sami_eval.experiment.envelope import dump
from sami_eval.experiment.passk_document import KIND, PasskDocument, read_passk
from sami_eval.report import passk, passk_rows
from sami_eval.report.passk_glance import glance
from sami_eval.report.passk_page import MOST_PROBLEMS, PasskRun
from sami_eval.report.passk_page import passk_page as page
from tests.documents import cells
from tests.evil import TEXTS
from tests.report.test_html_report import Seen
from tests.tiny_classifier import save_classifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a real, small measurement."""
    path = tmp_path_factory.mktemp("passk")
    asked = ["passk", "base", "base", "--k", "1,2", "--samples", "2", "--limit", "3", "-q"]
    asked += ["--best-of", f"reward:{save_classifier(path / 'rm')}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        assert cli.run([*asked, "--no-greedy", "--out", str(path / "run")]) == 0
        assert cli.run(["show", str(path / "run"), "--html"]) == 0
    return path / "run"


def document(folder: Path) -> PasskDocument:
    return read_passk(folder / KIND.file)


def test_every_figure_of_the_tables_is_in_the_page(folder: Path) -> None:
    words = Seen((folder / "report.html").read_text(encoding="utf-8")).words()
    found = document(folder)
    told = glance(found)
    for table in passk.tables(found):
        for cell in cells(table):
            assert cell in words
    for line in [told.verdict, told.figure, *told.because, passk.settings(found)]:
        assert " ".join(line.split()) in words


def test_curves_at_every_k_are_drawn_and_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    for title in passk_rows.EVERY_K.values():
        assert f'aria-label="{title}"' in text
    file = folder.parent / "every_k.csv"
    assert cli.run(["show", str(folder), "--every-k", str(file)]) == 0
    assert capsys.readouterr().out == ""
    rows = file.read_text(encoding="utf-8").splitlines()
    contenders = document(folder)["contenders"]
    assert len(rows) == 1 + len(contenders) * 4 * 2  # four figures, k of 1 and 2
    at_two = contenders[0]["pass_at_k"]["2"]
    assert f"{contenders[0]['name']},pass@k,2,{at_two['value']}," in rows[2]


def test_what_a_reward_model_chose_is_in_the_document_and_the_csv(
    folder: Path, tmp_path: Path
) -> None:
    found = document(folder)
    assert found["best_of"] is not None
    assert found["best_of"]["judge"] == "reward"
    assert found["contenders"][0]["best_of_k"].keys() == {"2"}
    assert [row["k"] for row in found["best_of_differences"]] == [2]
    assert cli.run(["show", str(folder), "--csv", str(tmp_path / "scores.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()))
    mean = sum(float(row["best_of_2"]) for row in rows[:3]) / 3
    assert mean == pytest.approx(found["contenders"][0]["best_of_k"]["2"]["value"])


def test_curves_of_an_earlier_version_are_of_pass_at_k_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(folder)
    contenders = [{**row, "at_every_k": {}} for row in found["contenders"]]
    earlier: PasskDocument = {**found, "contenders": contenders}  # type: ignore[typeddict-item]
    text = page(PasskRun(earlier, [], []))
    assert 'aria-label="pass@k"' in text
    assert 'aria-label="maj@k"' not in text
    file = folder.parent / "earlier.json"
    file.write_text(dump(earlier), encoding="utf-8")
    assert cli.run(["show", str(file), "--every-k", "x.csv"]) == 2
    assert "is of an earlier version" in capsys.readouterr().err


def test_the_bands_of_a_curve_are_over_what_the_intervals_are_over(folder: Path) -> None:
    found = document(folder)
    for n_clusters, units in ((None, "over problems,"), (3, "over groups of problems,")):
        found["settings"]["n_clusters"] = n_clusters
        found["settings"]["cluster"] = "template"
        assert f"Bands are 95% intervals {units}" in page(PasskRun(found, (), ()))


def test_headings_leave_no_level_out(folder: Path) -> None:
    seen = Seen((folder / "report.html").read_text(encoding="utf-8"))
    levels = [int(tag[1]) for tag, _ in seen.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_a_page_and_a_table_written_together_are_those_written_alone(
    folder: Path, tmp_path: Path
) -> None:
    table, page = tmp_path / "scores.csv", folder / "report.html"
    alone = page.read_text(encoding="utf-8")
    assert cli.run(["show", str(folder), "--csv", str(table), "--html"]) == 0
    assert page.read_text(encoding="utf-8") == alone
    together = table.read_text(encoding="utf-8")
    assert cli.run(["show", str(folder), "--csv", str(table)]) == 0
    assert table.read_text(encoding="utf-8") == together
    assert len(together.splitlines()) > 3


@pytest.mark.parametrize("flags", [("--json", "--latex"), ("--markdown", "--latex")])
def test_two_things_to_print_are_refused(
    flags: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["show", str(folder), *flags]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"`{flags[0]}` and `{flags[1]}` both print" in printed.err


def test_samples_are_shown_as_text(folder: Path) -> None:
    samples: list[dict[str, Any]] = [
        {"problem_id": f"q{i}", "model": "base", "sample": 0, "answer": text, "right": False}
        | {"text": text}
        for i, text in enumerate(TEXTS)
    ]
    problems = [Prompt(f"q{i}", "gsm", (text,), (text,)) for i, text in enumerate(TEXTS)]
    seen = Seen(page(PasskRun(document(folder), problems, samples)))
    assert not [tag for tag, _ in seen.tags if tag in ("img", "iframe", "b")]
    assert [attrs["href"] for tag, attrs in seen.tags if tag == "a"] == ["#main"]
    scripts = [attrs.get("type") for tag, attrs in seen.tags if tag == "script"]
    assert scripts == [None, "text/plain", "text/plain"]  # the page's own; figures to take away
    assert [name for _, attrs in seen.tags for name in attrs if name.startswith("on")] == []


def test_problems_the_contenders_differ_on_come_first(folder: Path) -> None:
    def sample(problem: str, model: str, right: bool) -> dict[str, Any]:
        row = {"problem_id": problem, "model": model, "sample": 0, "answer": "1", "right": right}
        return {**row, "text": "so it is 1"}

    problems = [Prompt(f"q{i}", "gsm", ("?",), ("1",)) for i in range(MOST_PROBLEMS + 1)]
    samples = [sample(p.id, model, True) for p in problems for model in ("a", "b")]
    last = samples[-1]
    last["right"] = False
    words = Seen(page(PasskRun(document(folder), problems, samples))).words()
    assert words.index(f"q{MOST_PROBLEMS} · a 1/1 · b 0/1") < words.index("q0 · a 1/1 · b 1/1")
    assert f"q{MOST_PROBLEMS - 1} ·" not in words  # room for so many only
