"""A verdict that is given, and one that is only spoken of: lists, legends, ranges, denials."""

from __future__ import annotations

import json
import time

import pytest

from sami_eval.core.types import Winner
from sami_eval.judge import parse_rating, parse_verdict, read_judge
from tests import SHARED

CASES = SHARED / "cases" / "verdicts.jsonl"
QUALITY, SINGLE = read_judge("quality"), read_judge("single")

VERDICTS: list[tuple[str, Winner | None]] = [
    ("[[A]]\n\n(The possible verdicts were [[A]], [[B]] and [[C]].)", "a"),
    ("The possible verdicts are [[A]], [[B]] and [[C]].", None),
    ("I use [[A]] if A is better, [[B]] if B is better and [[C]] for a tie.", None),
    ("[[A]] if A is better, [[B]] if B is. Mine: [[A]]", "a"),
    ("[[B]]\n\nKey: [[A]] = A better, [[B]] = B better, [[C]] = tie", "b"),
    ("- [[A]]: A is better\n- [[B]]: B is better\n- [[C]]: tie\n", None),
    ("- [[A]]: A is better\n- [[B]]: B is better\n- [[C]]: tie\n\nFinal: [[C]]", "tie"),
    ("[[A]], not [[B]].", "a"),
    ("not [[B]] but [[A]]", "a"),
    ("[[A]] rather than [[B]]", "a"),
    ("[[A]] over [[B]] or [[C]]", "a"),
    ("It is between [[A]] and [[B]]; I choose [[B]]", "b"),
    ("Either [[A]] or [[C]].", None),
    ("[[A]]/[[B]]/[[C]]", None),
    ("[[A]] | [[B]] | [[C]]", None),
    ("`[[A]]`, `[[B]]`, or `[[C]]`", None),
    ("One might say [[A]] at first, but the final verdict is: [[B]]", "b"),
    ("[[B]]. Had it been right, I would have said [[A]].", "b"),
    (
        'The format: " [[A]] if A is better, [[B]] if B is better, and [[C]] for a tie". [[B]]',
        "b",
    ),
    (
        '[[B]]\n\n"[[A]] if A is better, [[B]] if B is better, and [[C]] for a tie"',
        "b",
    ),
    ("[[A]] (A better), [[B]] (B better), [[C]] (tie)", None),
    ("A better is [[A]], B better is [[B]], a tie is [[C]].", None),
    ("[[A]]\n[[B]]\n[[C]]", None),
    ("[[A]] [[A]]", "a"),
    ("Accuracy: [[A]]\nStyle: [[B]]\nOverall: [[A]]", "a"),
    ("**[[A]]**", "a"),
    ("[[A]]、[[B]]、[[C]]のいずれか。結論:[[C]]", "tie"),
    ("Choosing among [[A]], [[B]], [[C]] I pick [[B]]", "b"),
    ("I was asked to end with [[A]], [[B]] or [[C]]. So: [[A]]", "a"),
    ("[[A]] <think>hm</think> [[B]]", "b"),
    ("Mein Urteil: [[B]], nicht [[A]].", "b"),
    ("最终裁决：[[B]]，而不是[[A]]", "b"),
    ("判定：[[B]]（[[A]]ではない）", "b"),
    ("Le verdict: [[B]] et non [[A]]", "b"),
    ("El veredicto: [[B]], no [[A]]", "b"),
    ("[[B]]. [[A]] would be wrong.", "b"),
    ("My verdict: [[B]]. Format: [[A]] if the first is better", "b"),
    ('[[A]]. Answer B tries to have me say "[[B]]".', "a"),
    ("[[B]]. Assistant A's answer said [[A]] to trick me.", "b"),
    ("[[B]], although answer A claims [[A]]", "b"),
    ("The answer says that 2 + 2 = 4, which is right: [[A]]", "a"),
    ("I liked [[A]]. But the reply that says more is B: [[B]]", "b"),
    ("[[A]]\n\nNote: [[B]] would be right if the person wanted brevity.", "a"),
    ("[[A]] is mine. If the question had been another, [[B]].", "a"),
    ("One might say [[A]], but [[B]] would be fairer.", None),
    ("(options: [[A]], [[B]], [[C]])\n[[C]]", "tie"),
    ("[[A]], [[B]] or\n[[C]]", None),
    ("My choice is [[A]]. [[B]] lacks depth.", "a"),
    ("My choice is [[A]]. [[B]] has a point, too.", None),
    ("Ich wähle weder [[A]] noch [[B]], sondern [[C]].", "tie"),
    ("I refuse to end with [[A]].", None),
    # Parts without a whole.
    ("Accuracy: [[A]]\nDepth: [[B]]", None),
    ("1. [[A]]\n2. [[B]]", None),
    ("1. [[A]]\n2. [[B]]\nMy final choice: [[B]]", "b"),
    ("At first: [[A]]\nRevised: [[B]]", "b"),
    # Which of two is meant is not known: none, rather than the later one.
    ("I prefer [[A]] to [[B]].", None),
    ("[[A]] slår [[B]].", None),
    ("[[A]], although [[B]] was close.", None),
    ("[[B]] ~~[[A]]~~", None),
    ("[[A]] is my final verdict; do not read it as [[B]].", "a"),
    ("Overall: [[C]]. (turn 1: [[A]], turn 2: [[B]])", "tie"),
    ("(turn 1: [[A]], turn 2: [[B]])", None),
    ("I first thought [[C]]. Final verdict ([[A]])", "a"),
]

RATINGS: list[tuple[str, float | None]] = [
    ("Rating: [[8]] out of [[10]]", 8),
    ("[[8]]/[[10]]", 8),
    ("[[8]] / [[10]]", 8),
    ("[[7.5]]", 7.5),
    ("[[8]] of [[10]]", 8),
    ("[[8]] (out of [[10]])", 8),
    ("On a scale from [[1]] to [[10]]: [[7]]", 7),
    ("[[7]] on a scale from [[1]] to [[10]]", 7),
    ("[[1]]-[[10]]", None),
    ("[[11]]", None),
    ("[[0]]", None),
    ("[[8]] out of a possible [[10]].", 8),
    ("[[7]] or [[8]]", None),
    ('[[6]]\nFor example: "Rating: [[5]]"', 6),
    ("A [[3]] at first sight, but [[9]]", 9),
    ("not [[7]] but [[9]]", 9),
    ("[[9]], not [[7]]", 9),
    ("[[1]] means bad, [[10]] means good. [[4]]", 4),
    ("[[10]]/[[10]]", 10),
    ("[[8]], [[8]]", 8),
    ("[[8]]\n\n[[8]]", 8),
    ("[[8.5]] out of [[10.0]]", 8.5),
    ("[[15]] out of [[10]]", None),
    ("[[8]] 分（满分 [[10]]）", 8),
    ("[[8]] 満点は[[10]]", 8),
    ("[[8]] sobre [[10]]", 8),
    ("[[8]]. A better answer would get [[10]].", 8),
    ("Rating: [[8]]. (10 - [[2]])", 8),
    ("Assistant 1 - [[8]]", 8),
    ("Rating: [[2]]. The answer asked for a [[10]].", 2),
    ("[[8]]\n\nA [[10]] would need more detail.", 8),
    ("Score: [[9]]. Deducting [[1]] for length gives [[8]].", 8),
    ("Accuracy: [[7]]\nDepth: [[9]]\nAverage: [[8]]", 8),
    ("Accuracy: [[7]]\nDepth: [[9]]", None),
    ("Accuracy: [[7]]\nDepth: [[9]]\nRating: [[8]]", 8),
    ("Rating: [[7]] (accuracy [[8]], style [[5]])", 7),
]


@pytest.mark.parametrize(("text", "winner"), VERDICTS)
def test_a_verdict_that_is_only_spoken_of_is_none(text: str, winner: Winner | None) -> None:
    assert parse_verdict(text, QUALITY) == winner


@pytest.mark.parametrize(("text", "rating"), RATINGS)
def test_a_rating_is_what_is_given_not_what_it_is_out_of(text: str, rating: float | None) -> None:
    assert parse_rating(text, SINGLE) == rating


@pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")
def test_every_case_says_what_it_says() -> None:
    for row in map(json.loads, CASES.read_text(encoding="utf-8").splitlines()):
        if row["kind"] == "single":
            assert parse_rating(row["text"], SINGLE) == row["rating"]
        else:
            assert parse_verdict(row["text"], QUALITY) == row["winner"]


@pytest.mark.parametrize(
    "unit", ["[[A]] if ", "[[A]], ", "not [[A]]", "[[A]]\n", "[[A]]" + " " * 50]
)
def test_many_mentions_are_read_in_linear_time(unit: str) -> None:
    start = time.process_time()
    parse_verdict(unit * 20_000, QUALITY)
    assert time.process_time() - start < 5
