"""The audit says what published artifacts support, and whether a printed figure is possible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.experiment.reproduce.audit import around, audit, words
from tests import SHARED

PAPER = SHARED / "data" / "paper"


def write(folder: Path, name: str, data: object) -> None:
    (folder / name).write_text(json.dumps(data), encoding="utf-8")


def test_a_rate_between_two_halves_cannot_come_from_one_run() -> None:
    # 80 verdicts move in steps of 1/160 = .625 points: 92/160 = 57.5%, 93/160 = 58.125%.
    assert around(0.5815, 80) == (93 / 160, 94 / 160)
    assert around(0.5650, 80) == (90 / 160, 91 / 160)
    assert around(0.575, 80) == (92 / 160, 92 / 160)
    assert around(0.5813, 80) == (93 / 160, 93 / 160)  # 58.125% printed with two digits


def test_verdicts_are_set_beside_the_published_rate(tmp_path: Path) -> None:
    # SAMI against SFT: 3 wins, 1 tie, 0 losses of 4 = 87.5%; steps of 1/8.
    rows = [[1, 10, 20], [1, 10, 20], [1, 10, 20], [0.5, 10, 20]]
    write(tmp_path, "SAMI_vs_SFT_verdicts.json", rows)
    found = audit(tmp_path).findings[0]
    assert found.row["win_rate"] == 0.875
    assert found.published == 0.5815
    assert found.explains is False
    assert found.possible == (0.5, 0.625)
    said = "\n".join(words(audit(tmp_path)))
    assert "the paper reports 58.15%, which no run of 4 verdicts can give" in said
    assert "SAMI's answers are 2.00 times as long" in said


def test_a_pair_the_other_way_round_is_the_other_rate(tmp_path: Path) -> None:
    write(tmp_path, "SFT_vs_SAMI_verdicts.json", [[1, 10, 20]])
    published = audit(tmp_path).findings[0].published
    assert published == pytest.approx(1 - 0.5815)


def test_a_pair_the_paper_does_not_report_has_no_published_rate(tmp_path: Path) -> None:
    write(tmp_path, "X_vs_Y_verdicts.json", [[1, 10, 20]])
    found = audit(tmp_path).findings[0]
    assert (found.published, found.possible, found.explains) == (None, None, None)


def test_lengths_of_responses_are_compared(tmp_path: Path) -> None:
    for name, texts in (("SAMI", ["x" * 30, "x" * 50]), ("SFT", ["x" * 20, " "])):
        asked = {str(i): "?" for i in range(2)}
        answered = {str(i): text for i, text in enumerate(texts)}
        rows = {"question": asked, "category": asked, "response": answered}
        write(tmp_path, f"{name}_responses.json", rows)
    said = "\n".join(words(audit(tmp_path)))
    # medians 40 and 10.5 characters
    assert "3.8 times as long" in said
    assert "SFT_responses.json: 1 of 2 answers are empty" in said


def test_the_authors_repository_is_read_as_it_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "experiments" / "mt_bench" / "results" / "final"
    (results / "win_rates").mkdir(parents=True)
    write(results / "win_rates", "DPO_step_11520-vs-SFT.json", [[1, 10, 20], [0, 10, 20]])
    write(results / "win_rates", "SAMI-epoch-0.2-wBJc5j-vs-DPO_step_11520.json", [[1, 1, 2]])
    asked = {"0": "?"}
    rows = {"question": asked, "category": asked, "response": {"0": "x" * 30}}
    write(results, "DPO_step_11520-temperature-0.0.json", rows)
    write(results, "settings.json", {"lr": 1e-6})
    (results / "broken.json").write_text("{")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", "SAMI_vs_SFT_verdicts.json", [[1, 1, 2]])
    found = audit(tmp_path)
    pairs = {(one.row["a"], one.row["b"]): one.published for one in found.findings}
    assert pairs == {("DPO", "SFT"): 0.565, ("SAMI", "DPO"): 0.575}
    assert [one.n for one in found.lengths] == [1]
    assert cli.run(["reproduce", "audit", str(tmp_path)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_a_folder_without_artifacts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no published artifact"):
        audit(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        audit(tmp_path / "nowhere")


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's artifacts are not beside the checkout")
def test_the_papers_verdicts_do_not_give_its_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["reproduce", "audit", str(PAPER), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"][0]
    assert (found["row"]["wins"], found["row"]["ties"], found["row"]["losses"]) == (43, 6, 31)
    assert found["published"] == 0.565
    assert found["explains"] is False
    assert found["attainable"] is False


def test_the_table_fits_eighty_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "SAMI_vs_SFT_verdicts.json", [[1, 10, 20], [0, 10, 20]])
    assert cli.run(["reproduce", "audit", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "SAMI : SFT" in out
    assert max(map(len, out.splitlines())) <= 80
