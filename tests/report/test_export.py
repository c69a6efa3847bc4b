"""Exports of a run hold the document's own figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Verdict, Winner
from sami_eval.experiment.comparison_rows import comparison_row
from sami_eval.experiment.document import Document
from sami_eval.experiment.envelope import dump
from sami_eval.experiment.imports import ONE_ORDER, read_verdict_file
from sami_eval.experiment.tallies import compare
from sami_eval.generate.contenders import seed_of
from sami_eval.report import comparison_exports as export
from sami_eval.report import fastchat
from sami_eval.report.comparison import report
from sami_eval.report.formats.csv import csv as as_csv
from sami_eval.report.formats.latex import latex as in_latex
from sami_eval.report.formats.markdown import markdown
from tests.cli.test_cli import folder, judged
from tests.documents import contender, document
from tests.experiment.test_seeds import DPO, SAMI, WINNERS, verdicts
from tests.experiment.test_seeds import PROMPTS as SEED_PROMPTS
from tests.loopback_judge import Behaviour, LoopbackJudge

__all__ = ["folder"]

PROMPTS = [Prompt(str(i), ("writing", "math")[i % 2], ("?", "?")) for i in range(81, 93)]
SAID: tuple[tuple[Winner | None, Winner | None], ...] = (
    ("a", "a"),
    ("a", "b"),
    ("b", "b"),
    ("tie", "a"),
    (None, "a"),
)


def judgments(a: str = "sami", b: str = "dpo", repeats: int = 1) -> list[Verdict]:
    """Every way in which two orders can agree or not."""
    found: list[Verdict] = []
    for number, (prompt, turn) in enumerate((p, t) for p in PROMPTS for t in (0, 1)):
        one, other = SAID[number % len(SAID)]
        for repeat in range(repeats):
            found.append(Verdict(prompt.id, turn, "quality", a, b, "a", repeat, one, text="A?"))
            found.append(Verdict(prompt.id, turn, "quality", a, b, "b", repeat, other, text="B?"))
    return found


def of(verdicts: list[Verdict]) -> Document:
    found = compare(PROMPTS, [], [], verdicts)
    return document(comparison_row(found))


def fastchat_summary(rows: Iterable[dict[str, Any]], model: str) -> tuple[int, int, int, float]:
    """FastChat's published rule: a row a turn, a tie unless both games agree, errors left out."""
    win = loss = tie = 0
    for row in rows:
        one, other = row["g1_winner"], row["g2_winner"]
        if "error" in (one, other) or model not in (row["model_1"], row["model_2"]):
            continue
        if one == "tie" or one != other:
            tie += 1
        elif row[one] == model:
            win += 1
        else:
            loss += 1
    return win, tie, loss, (win + tie / 2) / (win + tie + loss)


@pytest.mark.parametrize("repeats", [1, 3])
def test_fastchats_summary_counts_what_we_count(repeats: int) -> None:
    verdicts = judgments(repeats=repeats)
    shown = of(verdicts)
    row = shown["comparisons"][0]
    ours = (row["wins"], row["ties"], row["losses"], row["win_rate"])
    rows = fastchat.pairs(shown, verdicts)
    assert len(rows) == 24  # a row a turn
    assert fastchat_summary(rows, "sami") == ours
    assert row["ties"] > row["wins"] > 0


def test_fastchat_gets_the_winner_of_the_second_game_mapped_back() -> None:
    rows = fastchat.pairs(of(judgments()), judgments())
    assert [(r["g1_winner"], r["g2_winner"]) for r in rows[:5]] == [
        ("model_1", "model_1"),
        ("model_1", "model_2"),
        ("model_2", "model_2"),
        ("tie", "model_1"),
        ("error", "model_1"),
    ]
    assert set(rows[0]) == {
        *("question_id", "model_1", "model_2", "g1_winner", "g2_winner", "judge"),
        *("g1_user_prompt", "g1_judgment", "g2_user_prompt", "g2_judgment", "turn", "tstamp"),
    }
    assert (rows[1]["question_id"], rows[1]["turn"]) == (81, 2)


def test_one_order_is_told_twice_to_fastchat_and_says_so() -> None:
    verdicts = [v for v in judgments() if v.first == "a"]
    shown = of(verdicts)
    shown["orders"] = "one"
    row = shown["comparisons"][0]
    rows = fastchat.pairs(shown, verdicts)
    ours = (row["wins"], row["ties"], row["losses"], row["win_rate"])
    assert fastchat_summary(rows, "sami") == ours
    assert rows[0]["g2_judgment"] == ONE_ORDER


def test_fastchat_cannot_have_the_average_rule() -> None:
    shown = of(judgments())
    shown["rule"] = "average"
    with pytest.raises(UsageError, match="no rule `average`"):
        fastchat.pairs(shown, judgments())


def test_seeds_are_one_model_to_fastchat_and_lines_of_their_own_in_csv() -> None:
    found = compare(
        SEED_PROMPTS,
        [],
        [],
        verdicts(SAMI, DPO, WINNERS),
        names=(SAMI.name, DPO.name),
        seed_of=seed_of(SAMI, DPO),
    )
    shown = document(comparison_row(found))
    shown["contenders"] = [
        {**contender(model.name), "contender": side.name}
        for side in (SAMI, DPO)
        for model in side.models
    ]
    rows = fastchat.pairs(shown, verdicts(SAMI, DPO, WINNERS))
    assert fastchat_summary(rows, SAMI.name) == (12, 0, 6, 12 / 18)
    text = as_csv([[export.scores(shown, verdicts(SAMI, DPO, WINNERS), {})]])
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 18  # 3 pairs of seeds x 6 questions
    assert {(r["seed_a"], r["seed_b"], r["score"]) for r in lines} == {
        ("1", "4", "1.0"),
        ("2", "5", "1.0"),
        ("3", "6", "0.0"),
    }


def test_csv_adds_up_to_the_document() -> None:
    shown = of(judgments())
    row = shown["comparisons"][0]
    category = {prompt.id: prompt.category for prompt in PROMPTS}
    text = as_csv([[export.scores(shown, judgments(), category)]])
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == row["n_questions"]
    for key in ("wins", "ties", "losses", "n_turns"):
        assert sum(int(line[key]) for line in lines) == row[key]  # type: ignore[literal-required]
    total = sum(float(line["score"]) * int(line["n_turns"]) for line in lines)
    assert total / row["n_turns"] == row["win_rate"]
    assert {line["category"] for line in lines} == {"writing", "math"}


def test_markdown_and_latex_hold_the_printed_figures() -> None:
    shown = of(judgments(a="sft_sami", b="50% & more"))
    row = shown["comparisons"][0]
    rate = f"{100 * (row['win_rate'] or 0):.1f}"
    last = markdown(report(shown)).splitlines()[-1]
    assert last.startswith(f"| all | {row['n_turns']} | {row['wins']} | {row['ties']} |")
    assert f"| {rate}% |" in last
    latex = in_latex(report(shown))
    assert rf"& {rate}\%" in latex
    assert r"sft\_sami" in latex
    assert r"50\% \& more" in latex
    assert [latex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]


def test_every_pair_of_a_round_robin_is_a_row() -> None:
    from tests.report.test_console import THREE

    rows = [line for line in markdown(report(THREE)).splitlines() if line.startswith("|")]
    assert len(rows) == 3 * (2 + 3)  # the ranking, the matrix and the pairs
    assert in_latex(report(THREE)).count(r" \\") == 3 * (1 + 3)


def test_lm_eval_prints_our_results() -> None:
    utils = pytest.importorskip("lm_eval.utils", reason="lm-eval is not installed")
    shown = of(judgments())
    row = shown["comparisons"][0]
    data = json.loads(dump(export.lm_eval(shown)))
    task = "mtbench:sami:dpo"
    assert data["results"][task]["win_rate,none"] == row["win_rate"]
    assert data["results"][task]["win_rate_low,none"] == (row["interval"] or [None])[0]
    assert data["n-samples"][task]["original"] == row["n_questions"]
    table = utils.make_table(data)
    assert f"{row['win_rate']:.4f}" in table
    assert task in table
    assert "±" in table


def test_lm_eval_names_every_key_that_its_schema_requires() -> None:
    schema = pytest.importorskip("lm_eval.result_schema", reason="lm-eval is not installed")
    required = schema.EvalResults.__required_keys__ - {"samples", "groups"}
    assert required <= set(export.lm_eval(of(judgments())))


def test_verdicts_are_read_back_with_the_same_figures(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(export.verdict_lines(judgments()))
    again, shown = read_verdict_file(path)["comparisons"][0], of(judgments())["comparisons"][0]
    # Categories are not in the file, and Holm's correction goes over them.
    assert {**again, "by_category": {}, "categories_p_value": None} == {
        **shown,
        "by_category": {},
        "categories_p_value": None,
    }


def test_fastchats_file_is_read_back_with_the_same_figures(tmp_path: Path) -> None:
    shown = of(judgments())
    path = tmp_path / "quality_pair.jsonl"
    path.write_text(export.json_lines(fastchat.pairs(shown, judgments())))
    again, row = read_verdict_file(path)["comparisons"][0], shown["comparisons"][0]
    for key in ("wins", "ties", "losses", "win_rate", "interval", "p_value", "consistency"):
        assert again[key] == row[key]  # type: ignore[literal-required]
    assert (again["unparsed"], again["a"], again["b"]) == (row["unparsed"], "sami", "dpo")


def test_show_writes_every_export_of_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(better_rate=0.7, first_rate=0.2)) as server:
        assert judged(server, "--json") == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    asked = ["--fastchat", "fc", "--csv", "x/s.csv", "--verdicts", "v.jsonl", "--lm-eval", "l.json"]
    assert cli.run(["show", *asked]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fc/model_judgment/loopback_pair.jsonl" in captured.err
    lines = (folder / "fc/model_judgment/loopback_pair.jsonl").read_text().splitlines()
    ours = (row["wins"], row["ties"], row["losses"], row["win_rate"])
    assert fastchat_summary(map(json.loads, lines), "strong") == ours
    assert len((folder / "x/s.csv").read_text().splitlines()) == 1 + 20
    assert json.loads((folder / "l.json").read_text())["results"]
    for file in ("v.jsonl", "fc/model_judgment/loopback_pair.jsonl"):
        assert cli.run(["show", file, "--json"]) == 0
        again = json.loads(capsys.readouterr().out)["comparisons"][0]
        assert (again["win_rate"], again["interval"]) == (row["win_rate"], row["interval"])
    assert cli.run(["show", "v.jsonl", "--csv", "again.csv"]) == 2
    assert cli.run(["show", "--markdown"]) == 0
    assert f"{100 * row['win_rate']:.1f}%" in capsys.readouterr().out
