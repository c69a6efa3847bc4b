"""Markers: values read and compared, by a program that may fail or never come back."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data.marker import Marker, read_marker
from sami_eval.data.marking import Marked, gold_of, mark
from sami_eval.data.problem_sets import messages, read_problems
from tests.records import write_rows

# What a slow machine and sympy's import cannot exceed by themselves, and a test can wait for.
SHORT = """
from sami_eval.data.markers.math import answer, gold, same
TIMEOUT_S = 1.0
"""


def own(folder: Path, code: str, name: str = "mine") -> Marker:
    file = folder / f"{name}.py"
    file.write_text(code, encoding="utf-8")
    return read_marker(str(file))


def right(name: str, gold_text: str, answer: str) -> bool | None:
    """Whether an answer is right; None where nothing is read."""
    marker = read_marker(name)
    (value,) = mark(marker, gold_text, [answer]).values
    return None if value is None else value == gold_of(marker, gold_text)


@pytest.mark.parametrize(
    ("gold", "answer", "is_right"),
    [
        (r"\frac{3}{4}", r"so it is \boxed{0.75}", True),
        (r"\frac{3}{4}", r"so it is \boxed{\dfrac34}.", True),
        (r"6\sqrt{5}", r"\boxed{\sqrt{180}}", True),
        (r"6\sqrt{5}", r"\boxed{6}", False),
        (r"[-3,8)", r"The range is $\boxed{[-3, 8)}$", True),
        (r"[-3,8)", r"The range is $\boxed{[-3, 8]}$", False),
        (r"\{2,5\}", r"\boxed{\{5, 2\}}", True),
        (r"\left(4,\frac{\pi}{3}\right)", r"\boxed{(4,\pi/3)}", True),
        (r"\left(4,\frac{\pi}{3}\right)", r"\boxed{(\pi/3,4)}", False),
        (r"\text{Tuesday}", r"It is \boxed{\text{Tuesday}}", True),
        (r"\text{Tuesday}", r"It is \boxed{\text{Monday}}", False),
        (r"2x - y", r"\boxed{-y+2x}", True),
        (r"The sum is $\boxed{7}$.", "7", True),
        ("All of it.\n#### 7", r"\boxed{7.0}", True),
        (r"5", "<think>Is it 5?</think> I do not know.", None),
    ],
)
def test_mathematics_is_equal_where_it_is_worth_the_same(
    gold: str, answer: str, is_right: bool | None
) -> None:
    assert right("math", gold, answer) is is_right


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("-5", "-$5"),  # a sign before a currency
        (r"\frac{3}{2}", "1 1/2"),  # a mixed number without a box
        ("-5", "The answer is −5"),  # the minus of typesetters
    ],
)
def test_what_math_verify_does_not_read_is_what_our_documents_say(gold: str, answer: str) -> None:
    assert right("math", gold, answer) is not True
    assert right("number", "1.5" if "frac" in gold else gold, answer) is True


def test_equal_answers_vote_as_one_under_the_first_that_was_given() -> None:
    texts = [r"\boxed{1/2}", r"\boxed{\frac{6}{2}}", r"\boxed{3}", "none", r"\boxed{0.5}"]
    marked = mark(read_marker("math"), r"\frac{2}{4}", texts)
    assert marked.values == ("1/2", "3", "3", None, "1/2")


def test_an_expression_without_end_is_no_answer_and_the_others_are_marked(tmp_path: Path) -> None:
    marker = own(tmp_path, SHORT)
    gold_of(marker, "4")  # sympy is imported before the clock runs
    tower, started = r"\boxed{9^{9^{9^{9}}}}", time.monotonic()
    marked = mark(marker, "4", [r"\boxed{2^2}", tower, r"\boxed{3}", tower, r"\boxed{4}"])
    assert marked == Marked(("4", None, "3", None, "4"), (False, True, False, True, False))
    assert mark(marker, "4", [tower]).ended == (True,)  # it is not tried again
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The answer is B.", "B"),
        ("the answer is (c), since it is red", "C"),
        ("**Answer: D**", "D"),
        (r"Hence $\boxed{\text{E}}$", "E"),
        (r"\boxed{(F)}", "F"),
        ("First I thought the answer is B. No: the answer is option A because of it.", "A"),
        ("G", "G"),
        ("(H) Paris", "H"),
        ("J. a dog", "J"),
        ("It must be this one:\n\n**B**", "B"),
        ("The answer is A) Paris", "A"),
        (r"So $\boxed{A}$ is it", "A"),
        ("The answer is **A** is what I say", "A"),
        ("The correct option is B", "B"),
        ("The answer is I - Rome", "I"),
        ("The answer is B, I think.", "B"),
        ("The answer is B or C", None),
        ("The answers are many, the answer is (a), (c)", None),
        ("The answer is a matter of taste", None),
        ("The answer is I think", None),
        ("A dog", None),
        ("The answer is Berlin", None),
        ("K", None),
        ("Both B and C could be it", None),
        ("", None),
    ],
)
def test_a_letter_is_chosen_where_it_is_said_and_a_word_is_none(
    answer: str, letter: str | None
) -> None:
    assert mark(read_marker("choice"), "(A)", [answer]).values == (letter,)


def test_a_number_is_read_as_ever_and_asked_for_as_ever() -> None:
    marked = mark(read_marker(), "1 + 1\n#### 1,000", ["$1000.00", "It is 7", "none", "1/3"])
    assert marked.values == ("1000", "7", None, "1/3")
    assert "The answer is NUMBER." in read_marker().instruction


OWN = '''"""The last word, whatever its case."""
INSTRUCTION = "Answer in one word."
def answer(text):
    return (text.split() or [None])[-1]
def same(a, b):
    return a.lower() == b.lower()
'''


def test_a_marker_of_ones_own_is_found_by_name_and_its_instruction_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("markers").mkdir()
    Path("markers/word.py").write_text(OWN, encoding="utf-8")
    write_rows("p.jsonl", {"question": "Which city?", "answer": "Rome"})
    (problem,) = read_problems("p.jsonl", marker="word")
    assert messages(problem) == (("user", "Answer in one word.\n\nWhich city?"),)
    assert mark(problem.marker, "Rome", ["It is ROME", "rome", ""]).values == ("Rome", "Rome", None)
    assert problem.solution == "The answer is Rome."
    assert "marker `word`: the code of markers/word.py is run" in capsys.readouterr().err
    assert cli.run(["ls", "markers"]) == 0
    listed = capsys.readouterr().out
    assert "The last word, whatever its case." in listed
    assert all(name in listed for name in ("number", "math", "choice"))


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("def gold(text): return text", "has no attribute 'answer'"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("def answer(text): return 1 / 0", "raised ZeroDivisionError"),
        ("TIMEOUT_S = 9.0\ndef answer(text): return 1 / 0", "raised ZeroDivisionError"),
        ("TIMEOUT_S = 9.0\nimport nothing_of_this_name", "No module named"),
        ("TIMEOUT_S = 0", "`TIMEOUT_S` is `0`"),
        ("INSTRUCTION = 3", "`INSTRUCTION` is `3`"),
        ("LIBRARIES = ('no-such-thing-here',)", "needs `no-such-thing-here`"),
        ("def answer(", "not Python"),
        ("INSTRUCTION = ' '.join('ab')", "`INSTRUCTION` is not written out"),
        ("from sami_eval.data.markers.number import INSTRUCTION", "`INSTRUCTION` is not written"),
        ("TIMEOUT_S: float = 0", "`TIMEOUT_S` is `0`"),
        ("def answer(text): raise SystemExit", "raised SystemExit"),
        ("TIMEOUT_S = 9.0\ndef answer(text): raise SystemExit", "raised SystemExit"),
        ("def answer(text): return object()", "of type object shows no more than its address"),
    ],
)
def test_a_marker_that_fails_is_one_clear_line(tmp_path: Path, code: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        gold_of(own(tmp_path, code), "1")
    assert "mine" in f"{caught.value.message} {caught.value.where}"


def test_a_marker_says_true_or_false_and_what_it_prints_is_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path / "p.jsonl", {"problem": "?", "answer": "B"})
    asked = ["passk", "base", "--prompts", str(path), "--k", "1", "--samples", "1", "--json"]
    own(tmp_path, "def answer(text):\n    print('note')\n    return text or None\n")
    assert cli.run([*asked, "-q", "--marker", str(tmp_path / "mine.py")]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["n_problems"] == 1
    assert "note" in said.err
    marker = own(tmp_path, "def answer(text): return text\ndef same(a, b): return 'no'", "other")
    with pytest.raises(UsageError, match="`same` gave 'no', neither True nor False"):
        mark(marker, "A", ["B"])


def test_a_name_that_is_no_marker_and_a_gold_text_it_cannot_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(
        tmp_path / "p.jsonl", {"problem": "?", "answer": "B"}, {"problem": "!", "target": "Paris"}
    )
    asked = ["passk", "base", "--prompts", str(path), "--dry-run", "--marker"]
    assert cli.run([*asked, "choise"]) == 2
    assert "did you mean `choice`?" in capsys.readouterr().err
    assert cli.run([*asked, "choice"]) == 2
    said = capsys.readouterr().err
    assert "no gold answer for the marker `choice` in `Paris`" in said
    assert "hint: A letter from A to J: the one in the last box" in said
    assert f"--> {path}:2" in said


def test_a_marker_edited_within_a_second_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    said = []
    for number in (10, 18):
        marker = own(tmp_path, f"def answer(text): return {number}")
        os.utime(marker.file, (1e9, 1e9))
        said.append(gold_of(marker, "?"))
    assert said == ["10", "18"]


def test_another_reading_is_another_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own(tmp_path, OWN)
    after = own(tmp_path, OWN.replace("lower", "upper"))
    assert before.name == after.name
    assert before.sha256 != after.sha256
    monkeypatch.syspath_prepend(tmp_path)
    said = set()
    for number in ("1", "22"):
        (tmp_path / "chosen_number.py").write_text(f"NUMBER = {number}")
        marker = own(tmp_path, "from chosen_number import NUMBER\ndef answer(text): return NUMBER")
        said.add((gold_of(marker, "?"), marker.sha256))
    assert {first for first, _ in said} == {"1", "22"}
    assert len({sha256 for _, sha256 in said}) == 2
    assert read_marker("math").said.startswith("math (math-verify ")
