"""The table of what others published: read in their formats, equal, apart, or not given."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import published
from benchmarks import published_answers as answers
from benchmarks.parity import SOURCES, main
from tests import ROOT, SHARED
from tests.cli.test_cli import folder, judged
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import fastchat_pair, vote, write_rows

__all__ = ["folder"]

DATA = SHARED / "data"


def measured(given: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The exit status, and each figure's row by its name."""
    capsys.readouterr()
    code = main([str(given), "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    return code, {row["figure"]: row for row in rows}


@pytest.mark.skipif(not DATA.is_dir(), reason="the published files are not at ../shared/data")
def test_the_published_figures_are_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, place in (
        ("votes", "mt_bench_human_judgments"),
        ("gsm8k", "grade-school-math"),
        ("paper", "sami-extension"),
    ):
        (tmp_path / place).symlink_to(DATA / name)
    code, rows = measured(tmp_path, capsys)
    assert code == 0
    table = [row for row in rows.values() if row["source"] == "MT-Bench, Table 5"]
    assert [row["same"] for row in table] == [True] * 8
    assert rows["turn 1, S2, GPT-4 and people"]["ours"] == "84.6% of 859"
    assert rows["gold answers, test split"]["ours"] == "1,319 the same"
    # The file's own mean is ours; what the paper reports is not, and need not be.
    assert rows["DPO : SFT, its file"]["ours"] == "57.5000% of 80"
    assert rows["DPO : SFT, as reported"]["same"] is None


def test_votes_that_agree_otherwise_differ_from_table_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    votes = tmp_path / "mt_bench_human_judgments"
    votes.mkdir()
    people = [vote(81, voter=f"expert_{i}", turn=turn) for i in (1, 2) for turn in (1, 2)]
    write_rows(votes / "human.jsonl", *people, vote(82, voter="author_1"))
    write_rows(votes / "gpt4_pair.jsonl", *(vote(q, voter="gpt4_pair") for q in (81, 82)),
               vote(81, voter="gpt4_pair", turn=2))  # fmt: skip
    code, rows = measured(tmp_path, capsys)
    assert code == 1
    assert rows["turn 1, S1, people"]["ours"] == "100.0% of 1"  # the author is no expert
    assert {row["same"] for row in rows.values()} == {False}


PREFERENCES = (2, 1.25, 1.5, 0, 1, None, -1)  # 0: a draw; None and -1: no preference
SCORES = (1, 0.25, 0.5, 0.5, 0)


def alpaca(folder: Path, rate: float, error: float) -> None:
    """AlpacaEval's clone with one model on the leaderboard, and one that is not."""
    rows = [{"instruction": "?", "preference": one, "generator_2": "m"} for one in PREFERENCES]
    for model in ("m", "unlisted"):
        place = folder / "alpaca_eval" / "results" / model / published.JUDGE / "annotations.json"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    board = folder / published.BOARD
    board.parent.mkdir(parents=True)
    with board.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", "win_rate", "standard_error", "length_controlled_winrate"])
        writer.writerow(["m", rate, error, ""])


# sem: the sample's deviation over the root of n.
RATE = 100 * statistics.fmean(SCORES)
ERROR = 100 * statistics.stdev(SCORES) / 5**0.5


def test_alpaca_evals_win_rate_and_error_are_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpaca(tmp_path, RATE, ERROR)
    code, rows = measured(tmp_path, capsys)
    (row,) = rows.values()
    assert (code, row["theirs"], row["ours"]) == (0, "1 models", "1 the same")
    assert "1 annotated models are not on the leaderboard" in row["note"]


@pytest.mark.parametrize(("rate", "error"), [(RATE + 0.01, ERROR), (RATE, ERROR + 0.01)])
def test_a_model_of_another_standing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: float, error: float
) -> None:
    alpaca(tmp_path, rate, error)
    code, rows = measured(tmp_path, capsys)
    assert code == 1
    assert rows["m, points"]["ours"] == f"{RATE:.6f} ± {ERROR:.6f}"
    assert rows["win rates and their standard errors"]["ours"] == "0 the same"
    main([str(tmp_path)])
    assert "DIFFERS" in capsys.readouterr().out


def test_annotations_of_nobody_on_the_leaderboard_are_no_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpaca(tmp_path, RATE, ERROR)
    text = (tmp_path / published.BOARD).read_text(encoding="utf-8")
    (tmp_path / published.BOARD).write_text(text.replace("m,", "other,"), encoding="utf-8")
    assert measured(tmp_path, capsys)[0] == 1


def test_an_annotation_without_a_preference_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpaca(tmp_path, RATE, ERROR)
    path = tmp_path / "alpaca_eval" / "results" / "m" / published.JUDGE / "annotations.json"
    path.write_text('[{"preference": 1.5},\n{"preference": "2"}]', encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "`preference` is `'2'`" in said
    assert f"{path}:2" in said


PAIRS = (
    fastchat_pair(81, "model_1"),
    fastchat_pair(82, "model_1", g2_winner="model_2"),
    fastchat_pair(83, "tie"),
    fastchat_pair(84, "model_2", model_1="y", model_2="x"),
    fastchat_pair(85, "model_1", g2_winner="error"),
    fastchat_pair(86, "model_2", model_2="z"),
)


def test_fastchats_judgments_count_as_fastchat_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model_judgment").mkdir()
    path = write_rows(tmp_path / "model_judgment" / "gpt-4_pair.jsonl", *PAIRS)
    # x: wins 81 and 84, ties 82 and 83, loses 86; 85 is an error.
    assert published.by_rule(path)["x"] == (2, 1, 2, 3 / 5)
    assert published.by_rule(path)["y"] == (0, 2, 2, 1 / 4)
    code, rows = measured(tmp_path, capsys)
    assert code == 0
    assert rows["gpt-4: x"]["ours"] == "2/1/2 60.00%"
    assert rows["gpt-4: z"]["ours"] == "1/0/0 100.00%"


def test_ratings_among_the_pairs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model_judgment").mkdir()
    path = tmp_path / "model_judgment" / "gpt-4_pair.jsonl"
    rated = {"question_id": 81, "judge": ["gpt-4", "single-v1"], "turn": 1}
    write_rows(path, *({**rated, "model": name, "score": 7} for name in "xy"))
    assert main([str(tmp_path)]) == 2
    assert f"{path}:1" in capsys.readouterr().err


def program(folder: Path, *lines: str) -> None:
    """A show_result.py that prints a table as FastChat's does, of a file that must be there."""
    path = folder / published.PROGRAM
    path.parent.mkdir(parents=True)
    said = "\n".join(("       win  loss  tie  win_rate  loss_rate  win_rate_adjusted", *lines))
    path.write_text(
        "import sys\nassert sys.argv[1:3] == ['--mode', 'pairwise-all']\n"
        f"assert open(sys.argv[4]).read()\nprint({said!r})\n",
        encoding="utf-8",
    )


@pytest.mark.parametrize(("strong", "code"), [(40, 0), (39, 1)])
def test_a_runs_export_is_what_fastchats_program_says(
    folder: Path, capsys: pytest.CaptureFixture[str], strong: int, code: int
) -> None:
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server, "--out", "runs/one") == 0
    program(
        folder,
        "model",
        f"strong  {strong}   0   0  1.000000  0.000000  1.000000",
        "weak     0  40   0  0.000000  1.000000  0.000000",
    )
    found, rows = measured(folder, capsys)
    assert found == code
    assert rows["one: strong"]["ours"] == "40/0/0 100.00%"
    assert rows["one: weak"]["same"] is True


def test_a_program_that_prints_no_table_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model_judgment").mkdir()
    write_rows(tmp_path / "model_judgment" / "gpt-4_pair.jsonl", *PAIRS)
    program(tmp_path)
    assert main([str(tmp_path)]) == 2
    assert "it printed no table" in capsys.readouterr().err


SOLVED = {
    "question": "?",
    "ground_truth": "60 * 20 = <<60*20=1200>>1,200\nA: 1,200",
    "6b_finetuning": {"is_correct": False, "solution": "So it is 12*10 = <<12*10=120>>120\nA: 120"},
    "6b_verification": {"is_correct": True, "solution": "60*20=$<<60*20=1200.0>>1200\nA: 1200"},
    # Cut off: the last number counts, and is wrong.
    "175b_finetuning": {"is_correct": False, "solution": "The thirteenth pays 5 * 1"},
}


@pytest.mark.parametrize(("label", "code", "same"), [(True, 0, 4), (False, 1, 3)])
def test_labels_are_what_the_extractor_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], label: bool, code: int, same: int
) -> None:
    place = tmp_path / "grade-school-math" / "grade_school_math" / "data"
    place.mkdir(parents=True)
    last = {"is_correct": label, "solution": "A: $1,200"}
    write_rows(place / "example_model_solutions.jsonl", {**SOLVED, "175b_verification": last})
    found, rows = measured(tmp_path, capsys)
    assert found == code
    assert rows["labels of four models"]["theirs"] == "4"
    assert rows["labels of four models"]["ours"] == f"{same} the same"


def test_gold_answers_are_read_without_our_extractor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "grade-school-math"
    place.mkdir()
    solved = ("1 + 1 = <<1+1=2>>2\n#### 2", "All of it.\n#### 2,125", "#### -3")
    write_rows(place / "test.jsonl", *({"question": f"{a}?", "answer": a} for a in solved))
    assert measured(tmp_path, capsys)[1]["gold answers, test split"]["ours"] == "3 the same"
    write_rows(place / "test.jsonl", {"question": "?", "answer": "#### many"})
    assert main([str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("shares", "mean", "code"),
    [
        ((75.0, 50.0), 62.5, 0),  # 6 and 4 of 8 samples
        ((75.0, 50.0), 62.6, 1),
        ((76.0, 50.0), 63.0, 1),  # 6.08 of 8 samples
    ],
)
def test_pass_at_1_of_evalperf_is_our_estimate(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shares: tuple[float, float],
    mean: float,
    code: int,
) -> None:
    place = tmp_path / answers.EVALPERF.replace("*", "org--m_vllm_temp_1.0")
    place.parent.mkdir(parents=True)
    tasks = {
        f"HumanEval/{i}": {"dps": None, "dps_norm": None, "pass@1": share, "profiled": []}
        for i, share in enumerate(shares)
    }
    results = {"config": {"n_samples": 8}, "summary": {"dps": 80.7, "pass@1": mean}, "eval": tasks}
    place.write_text(json.dumps(results), encoding="utf-8")
    found, rows = measured(tmp_path, capsys)
    assert found == code
    assert rows["pass@1"]["ours"] == f"{1 - code} the same"
    assert ("org--m, pass@1" in rows) is bool(code)


def test_results_of_another_kind_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / answers.EVALPERF.replace("*", "m")
    place.parent.mkdir(parents=True)
    place.write_text('{"config": {}}', encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert "no results of EvalPerf" in capsys.readouterr().err


def test_what_is_not_given_is_said_with_its_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model_judgment").mkdir()
    write_rows(tmp_path / "model_judgment" / "gpt-4_pair.jsonl", *PAIRS)
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for source in SOURCES:
        given = source.name == "FastChat's judgments"
        assert (f"not given: {source.name}\n" in said) is not given
        assert (source.get in said) is not given


@pytest.mark.parametrize("name", [".", "absent"])
def test_nothing_given_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main([str(tmp_path / name)]) == 2
    assert "--help says what goes into it" in capsys.readouterr().err


def test_the_script_runs_by_its_path_and_loads_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "benchmarks" / "parity.py"), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    for source in SOURCES:
        assert source.get in run.stdout
        assert source.licence in run.stdout
    assert "sami_eval.experiment.agreement" in run.stderr
    assert " torch\n" not in run.stderr
