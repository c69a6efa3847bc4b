"""What stands first: the verdict, its bar and its figure, whatever was judged."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sami_eval import cli
from sami_eval.report.comparison import report
from sami_eval.report.comparison_glance import NARROW, glance
from sami_eval.report.formats.console import render, widths
from sami_eval.report.formats.latex import latex
from sami_eval.report.formats.markdown import markdown
from sami_eval.report.glance import state_of
from sami_eval.report.passk_glance import glance as passk_glance
from tests.documents import comparison, document
from tests.records import write_rows
from tests.report.test_console import printed
from tests.report.test_passk_console import PAIR as PASSK


def verdict(**changed: Any) -> str:
    """The verdict of a pair of which this is known."""
    return glance(document({**comparison("a", "b"), **changed})).verdict  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("significant", "interval", "state"),
    [
        (True, (0.51, 0.54), "better"),
        (False, (0.46, 0.54), "no difference found"),
        (False, (0.44, 0.54), "undecided"),
        (False, (0.51, 0.54), "undecided"),  # without Holm it would be one: not "none"
        (False, None, "undecided"),
    ],
)
def test_the_state_follows_the_test_and_the_interval(
    significant: bool, interval: tuple[float, float] | None, state: str
) -> None:
    assert state_of(significant, interval, 0.5, NARROW) == state


def test_a_loss_is_said_of_the_first_named_too() -> None:
    lost = {"win_rate": 0.4, "significant": True, "interval": [0.32, 0.48]}
    assert verdict(**lost) == "a is worse than b"
    found = glance(document({**comparison("a", "b"), **lost}))  # type: ignore[typeddict-item]
    assert found.figure.startswith("win rate of a 40.0% [32.0–48.0], 80 questions")


def test_no_difference_says_what_is_excluded_and_hides_no_turn_left_out() -> None:
    narrow = {"win_rate": 0.51, "interval": [0.47, 0.545]}
    found = glance(document({**comparison("a", "b"), **narrow}))  # type: ignore[typeddict-item]
    assert found.verdict == "no difference found between a and b"
    assert found.because[0] == "win rates outside 47.0–54.5% are excluded at 95%"
    assert "undecided" in verdict(**narrow, left_out=20, win_rate_range=[0.45, 0.58])


def test_a_winner_whom_turns_left_out_could_undo_is_one_of_what_was_judged() -> None:
    row = {**comparison("a", "b", 0.001), "left_out": 40, "win_rate_range": [0.44, 0.64]}
    found = glance(document(row))  # type: ignore[arg-type]
    assert found.verdict == "a is better than b"
    assert "of what was judged: the 40 turns left out could turn it round" in found.because


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (398, "needs about 398 questions"),
        (60, "how many questions it needs is not known"),  # 80 were asked: seeds or Holm
        (None, "how many questions it needs is not known"),
    ],
)
def test_a_number_that_was_asked_already_is_not_the_number_needed(
    needed: int | None, said: str
) -> None:
    assert verdict(questions_needed=needed) == f"undecided between a and b: {said}"


@pytest.mark.parametrize(
    ("n", "said"), [(0, "nothing was judged"), (320, "none of 320 judgments has a verdict")]
)
def test_without_a_verdict_it_is_unknown_and_never_zero(n: int, said: str) -> None:
    none = {"win_rate": None, "interval": None, "p_value": None, "n_turns": 0, "n_verdicts": n}
    row = {**comparison("a", "b"), **none, "wins": 0, "ties": 0, "losses": 0}
    text = printed(document(row))  # type: ignore[arg-type]
    assert text.startswith(f"unknown between a and b: {said}\nwin rate: not known, n 0\n")


def imported(path: Path, winner: str | None, names: str) -> str:
    """A file of verdicts of ours, each pair's both orders on three questions."""
    rows = [
        {"prompt_id": f"q{i}", "turn": 0, "judge": "j", "a": a, "b": b, "first": first}
        | {"repeat": 0, "winner": winner, "score": None, "reason": None, "text": ""}
        for a, b in combinations(names, 2)
        for i in range(3)
        for first in "ab"
    ]
    return str(write_rows(path, *rows))


def test_a_round_robin_without_a_verdict_says_that_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["show", imported(tmp_path / "v.jsonl", None, "abc")]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()  # 3 pairs, 3 questions, 2 orders
    assert first == "unknown: none of 18 judgments has a verdict"
    assert second == "win rates: not known, n 0"


def test_all_of_it_stands_once_where_there_are_no_categories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["show", imported(tmp_path / "v.jsonl", "a", "ab"), "--markdown"]) == 0
    assert capsys.readouterr().out.count("| all |") == 1


@pytest.mark.parametrize("measures", ["principle adherence", "quality"])
def test_adherence_is_not_called_quality(measures: Any) -> None:
    shown = document(comparison("a", "b", 0.01))
    assert glance(shown).verdict == "a is better than b"  # nobody knows what the judge looks at
    found = glance({**shown, "measures": measures, "principles_shown": False})
    assert found.verdict == f"a is better than b in {measures}"
    assert ("principles not shown" in found.figure) == (measures == "principle adherence")


@pytest.mark.parametrize(("kind", "called"), [("program", "program"), ("reward", "reward model")])
def test_what_a_program_or_a_reward_model_counts_is_said_to_be_theirs(
    kind: str, called: str
) -> None:
    judge: Any = {"name": "x", "kind": kind}
    shown = {**document(comparison("a", "b", 0.01)), "judges": [judge]}
    assert glance(shown).verdict == f"a is better than b by the {called} principles"  # type: ignore[arg-type]


def test_the_rate_at_equal_length_stands_beside_the_raw_one() -> None:
    row = comparison("a", "b", 0.01)
    found = glance(document(row))
    assert found.figure.startswith("win rate of a 55.6% [45.6–65.6]")
    assert found.because[-1] == "at equal length it may be chance: 54.9% [45.0–64.0]"


def test_judges_that_are_not_of_one_mind_are_said() -> None:
    row = comparison("a", "b", 0.01)
    judges = [{**row, "judge": "x", "win_rate": rate} for rate in (0.7, 0.6, 0.4)]
    found = glance(document({**row, "judges": judges}))  # type: ignore[typeddict-item]
    assert any("alone, 2 of 3 favour a, 1 b" in line for line in found.because)


def test_a_rate_of_scores_is_not_taken_for_one_of_wins() -> None:
    row = {**comparison("a", "b"), "win_rate": 0.7, "interval": [0.6, 0.8]}
    assert "the mean of their scores" in glance(document(row)).figure  # type: ignore[arg-type]
    assert "scores" not in glance(document(comparison("a", "b"))).figure


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (4, "undecided between x and y by the program rules: how many questions it needs is not"),
        (80, "no difference found between x and y by the program rules\nx 0 ==="),
    ],
)
def test_the_same_answers_are_no_difference_once_they_are_many(
    n: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [{"id": str(i), "category": "writing", "turns": ["Write."]} for i in range(n)]
    write_rows("q.jsonl", *asked)
    for name in ("x", "y"):
        same = [{"turns": ["The same."]}]
        rows = [{"question_id": str(i), "model_id": name, "choices": same} for i in range(n)]
        write_rows(f"{name}.jsonl", *rows)
    compared = ["compare", "x.jsonl", "y.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"]
    assert cli.run(compared) == 0
    assert " ".join(capsys.readouterr().out.replace("▒", "=").split()).startswith(
        " ".join(said.split())
    )


def test_a_name_is_a_name_in_the_bar_whatever_it_holds() -> None:
    found = glance(document(comparison("{a}[b]%s", "{0}")))
    assert found.bars[0].text == "{a}[b]%s against {0}: 68 turns won, 42 tied, 50 lost"


def test_pass_at_k_has_its_verdict_at_the_smallest_k_whatever_the_others_show() -> None:
    rows = [{**row, "significant": row["k"] == 4} for row in PASSK["differences"]]
    found = passk_glance({**PASSK, "differences": rows})  # type: ignore[typeddict-item]
    assert found.verdict.startswith("undecided between sft+sami and sft at k = 1")
    assert any(line.startswith("the other k: solves more at k = 4") for line in found.because)
    alone = {**PASSK, "differences": [], "contenders": PASSK["contenders"][:1]}
    assert passk_glance(alone).verdict == "sft+sami solves 64.4% of the problems at k = 1"  # type: ignore[arg-type]


def test_a_bar_shows_every_part_that_is_there_and_fills_its_width() -> None:
    assert widths((68, 42, 50), 40) == [18, 10, 12]
    assert widths((1, 0, 999), 40) == [1, 0, 39]
    assert widths((1, 1, 1), 40) == [14, 13, 13]


def test_a_bar_is_drawn_in_signs_that_the_encoding_has_and_is_words_in_a_file() -> None:
    shown = document(comparison("a", "b"))
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(width=80, color_system=None, file=file).print(render([report(shown)[0][1:2]]))
    file.seek(0)
    assert file.read() == f"a 68 {18 * '#'}{10 * '='}{12 * '.'} 50 b\n"
    words = "a against b: 68 turns won, 42 tied, 50 lost"
    assert words in markdown(report(shown))
    assert f"% {words}" in latex(report(shown))


@pytest.mark.parametrize(("n", "drawn"), [(3, True), (8, True), (12, True), (13, False)])
def test_a_matrix_of_many_fits_a_terminal_or_is_said_to_be_too_wide(n: int, drawn: bool) -> None:
    names = [f"some-company/model-{i}" for i in range(n)]
    shown = document(*(comparison(a, b, 0.01) for a, b in combinations(names, 2)))
    text = printed(shown)
    assert max(map(len, text.split("\n"))) <= 80
    assert ("1 some-c…model-0" in text) == drawn
    assert ("too wide for a terminal" in text) != drawn
    assert "| some-company/model-0 |" in markdown(report(shown))


def test_the_sign_never_flips_between_ranking_matrix_and_pairs() -> None:
    low = {"win_rate": 0.3, "interval": [0.2, 0.4], "significant": True}
    rows = [comparison("a", "b", 0.9), {**comparison("a", "c"), **low}, comparison("b", "c", 0.9)]
    shown = document(*rows)  # type: ignore[arg-type]
    text = printed(shown)
    lines = [line.split() for line in text.split("\n")]
    assert ["a", ":", "c", "68", "42", "50", "30.0%", "20.0–40.0", ".220", "worse"] in lines
    assert ["1", "a", "55.6%", "30.0%*"] in lines  # over b, over c
    assert ["3", "c", "70.0%*", "44.4%"] in lines
    assert glance(shown).verdict == (
        "a ranks first, but is worse than c and cannot be told apart from b"
    )
