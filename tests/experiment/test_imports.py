"""Verdicts that were judged elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data.answers import read_answers
from sami_eval.experiment.imports import read_verdict_file
from tests import ROOT, SHARED
from tests.records import fastchat_pair, write_rows

PAPER = SHARED / "data" / "paper"
PAPER_FILE = PAPER / "DPO_vs_SFT_verdicts.json"
needs_paper = pytest.mark.skipif(not PAPER_FILE.is_file(), reason="the paper's files are not here")


def paper_file(folder: Path, rows: object) -> Path:
    path = folder / "X_vs_Y_verdicts.json"
    path.write_text(json.dumps(rows))
    return path


def test_one_is_a_win_of_the_first_name_and_lengths_stand_the_other_way(tmp_path: Path) -> None:
    path = paper_file(tmp_path, [[1, 10, 30], [1, 20, 30], [0, 10, 30], [0.5, 20, 30]])
    shown = read_verdict_file(path)
    row = shown["comparisons"][0]
    assert (row["a"], row["b"]) == ("X", "Y")
    assert (row["wins"], row["ties"], row["losses"]) == (2, 1, 1)
    assert row["win_rate"] == 2.5 / 4
    assert (row["length"]["a"], row["length"]["b"]) == (30, 15)
    assert shown["orders"] == "one"


@needs_paper
def test_the_papers_verdicts_say_what_the_paper_could_not() -> None:
    row = read_verdict_file(PAPER_FILE)["comparisons"][0]
    assert (row["a"], row["wins"], row["ties"], row["losses"]) == ("DPO", 43, 6, 31)
    assert row["win_rate"] == 0.575
    assert row["interval"] is not None
    assert [round(100 * end) for end in row["interval"]] == [47, 67]
    assert row["p_value"] == pytest.approx(0.2, abs=0.01)
    assert not row["significant"]
    assert row["questions_needed"] == 334  # ties modelled as they are
    said = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert "57.5% [47.0, 67.4], p = .20, not\n  significant; 334 questions needed" in said
    assert len(row["by_category"]) == 8


@needs_paper
def test_the_papers_lengths_are_those_of_its_responses_the_second_name_first() -> None:
    rows = json.loads(PAPER_FILE.read_text())
    texts = {
        n: [len(r.turns[0]) for r in read_answers(PAPER / f"{n}_responses.json")]
        for n in ("DPO", "SFT")
    }
    for column, name in ((1, "SFT"), (2, "DPO")):
        ratio = [length / row[column] for row, length in zip(rows, texts[name], strict=True)]
        usual = sum(3 < one < 7 for one in ratio)  # characters a token
        assert usual >= 70


@needs_paper
def test_show_prints_the_papers_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["show", str(PAPER_FILE)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "all 80 43 6 31 57.5% 47.0–67.4 .201" in text
    assert "not significant at 5%, p = .201; if 57.5% were the true rate" in text
    assert "334 questions with as many ties (its own interval allows more than 63)" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "not a list"),
        ("[]", "not a list"),
        ("[[1, 2]]", "verdict 0 is"),
        ("[3]", "verdict 0 is"),
        ("[[0.7, 1, 2]]", "not 0, 0.5 or 1"),
        ("[[true, 1, 2]]", "not 0, 0.5 or 1"),
        ('[["a", 1, 2]]', "not 0, 0.5 or 1"),
        ("[[[1], 1, 2]]", "not 0, 0.5 or 1"),
        ("[[1, -1, 2]]", "length `-1`"),
        ("[[1, 1, null]]", "length `None`"),
        ("[[1, 1, 2.5]]", "length `2.5`"),
    ],
)
def test_a_broken_paper_file_is_refused(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a_vs_b_verdicts.json"
    path.write_text(text)
    assert cli.run(["show", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error.replace("\n", "")
    assert "hint:" in error
    assert "Traceback" not in error


PAIR = fastchat_pair(g2_winner="model_2")
OURS: dict[str, Any] = {
    "prompt_id": "81",
    "turn": 0,
    "judge": "quality",
    "a": "x",
    "b": "y",
    "first": "a",
    "repeat": 0,
    "winner": "a",
}


def test_fastchat_pairs_in_either_orientation_are_one_comparison(tmp_path: Path) -> None:
    turned = {**PAIR, "model_1": "y", "model_2": "x", "turn": 2}
    turned |= {"g1_winner": "model_2", "g2_winner": "model_2"}  # x wins both games
    shown = read_verdict_file(write_rows(tmp_path / "p.jsonl", PAIR, turned))
    (row,) = shown["comparisons"]
    assert (row["a"], row["wins"], row["ties"]) == ("x", 1, 1)
    assert shown["judge"] == "gpt-4"


def test_an_order_that_is_not_recorded_says_nothing_of_the_first_position(tmp_path: Path) -> None:
    paper = paper_file(tmp_path, [[1, 10, 30], [1, 20, 30], [0, 10, 30]])
    ours = write_rows(
        tmp_path / "v.jsonl", {**OURS, "first": None}, {**OURS, "turn": 1, "first": None}
    )
    for path in (paper, ours):
        (row,) = read_verdict_file(path)["comparisons"]
        assert row["first_position_rate"] is None
        assert row["n_turns"] > 1
    (row,) = read_verdict_file(write_rows(tmp_path / "w.jsonl", OURS))["comparisons"]
    assert row["first_position_rate"] == 1


def test_the_header_is_true_of_every_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {**OURS, "b": "z"}
    rows = [OURS, {**OURS, "first": "b"}, {**OURS, "turn": 1}, {**OURS, "turn": 1, "first": "b"}]
    assert cli.run(["show", str(write_rows(tmp_path / "v.jsonl", *rows, other))]) == 0
    assert "1 questions, 1 to 2 turns" in (text := " ".join(capsys.readouterr().out.split()))
    assert "one order or both, by pair" in text
    # One order a turn is one order, though each model was first somewhere.
    once = write_rows(tmp_path / "w.jsonl", OURS, {**OURS, "turn": 1, "first": "b"})
    assert read_verdict_file(once)["orders"] == "one"


@pytest.mark.parametrize("row", [{**OURS, "score": 0.9}, {**PAIR, "score": 2}])
def test_a_score_that_is_not_used_is_said(
    tmp_path: Path, row: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path / "v.jsonl", row)
    assert cli.run(["show", str(path)]) == 0
    assert "verdicts carry one; it is not used" in " ".join(capsys.readouterr().out.split())
    vote = {"question_id": 81, "model_a": "x", "model_b": "y", "winner": "model_a"}
    votes = write_rows(tmp_path / "votes.jsonl", {**vote, "judge": "author_1", "turn": 1})
    assert cli.run(["agreement", str(path), "--votes", str(votes)]) == 0
    assert "verdicts carry a score: not used" in capsys.readouterr().out


def test_a_recorded_error_is_left_out_and_counted(tmp_path: Path) -> None:
    failed = {**PAIR, "g1_winner": "error", "turn": 2}
    (row,) = read_verdict_file(write_rows(tmp_path / "p.jsonl", PAIR, failed))["comparisons"]
    assert (row["n_turns"], row["unparsed"], row["n_verdicts"]) == (1, 1, 4)


# No verdict; any number may be a question's id; an order that was not recorded.
FINE: tuple[tuple[str, object], ...] = (("winner", None), ("question_id", -1), ("first", None))


@pytest.mark.parametrize("good", [PAIR, OURS])
@pytest.mark.parametrize("bad", [None, "", True, -1, [], {"x": 1}])
def test_every_bad_field_names_its_line(
    tmp_path: Path, good: dict[str, Any], bad: object, capsys: pytest.CaptureFixture[str]
) -> None:
    for field in good:
        if (field, bad) in FINE or (good is PAIR and field == "judge"):
            continue
        path = write_rows(tmp_path / "p.jsonl", {**good, field: bad})
        code = cli.run(["show", str(path)])
        error = capsys.readouterr().err
        assert code == 2, (field, bad)
        assert f"`{field}`" in error, (field, bad)
        assert "p.jsonl:1" in error.replace("\n", "")
        assert "hint:" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(PAIR) + "\n{", "not JSON"),
        ("", "no verdicts"),
        (json.dumps(PAIR) + "\n" + json.dumps(PAIR), "judged twice, before at"),
        (json.dumps({**PAIR, "model_2": "x"}), "compared with itself"),
        ("[1]", "not an object"),
        (json.dumps({**OURS, "extra": 1}), "not a verdict"),
    ],
)
def test_a_broken_file_of_verdicts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_verdict_file(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for name in ("p.jsonl", "a_vs_b_verdicts.json"):
        path = tmp_path / name
        path.write_bytes(b"\xff\xfe[")
        with pytest.raises(UsageError, match="not UTF-8"):
            read_verdict_file(path)
