"""Problems from every source, with gold answers and worked examples."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data import problem_sets
from sami_eval.data.markers.number import number_text
from sami_eval.data.problem_sets import Problem, draw_examples, read_problems
from tests import SHARED
from tests.records import write_rows

GSM8K = SHARED / "data" / "gsm8k" / "test.jsonl"
EGGS = {
    "question": "16 eggs, 7 are eaten. How many are left?",
    "answer": "16 - 7 = <<16-7=9>>9 eggs are left.\n#### 9",
}
HALF = {"question": "Half of 1,001?", "answer": "1001 / 2 = 500.5\n#### 500.5"}


def write(folder: Path, *rows: object) -> Path:
    return write_rows(folder / "problems.jsonl", *rows)


def test_a_gsm8k_file_has_questions_and_exact_gold_answers(tmp_path: Path) -> None:
    eggs, half = read_problems(write(tmp_path, EGGS, HALF))
    assert (eggs.prompt.id, half.prompt.id) == ("1", "2")
    assert eggs.question == EGGS["question"]
    assert (eggs.gold, half.gold) == ("9", "1001/2")


def test_our_own_format_is_read_too(tmp_path: Path) -> None:
    row = {"id": "x", "category": "math", "turns": ["1 + 1?"], "reference": ["2"]}
    (problem,) = read_problems(write(tmp_path, row))
    assert (problem.prompt.id, problem.gold) == ("x", "2")


def test_the_embedded_world_has_problems() -> None:
    problems = read_problems("embedded")
    assert len(problems) == 300
    assert len(read_problems("embedded", "development")) == 100
    assert all(problem.prompt.principles for problem in problems)


@pytest.mark.skipif(not GSM8K.is_file(), reason="GSM8K is not here")
def test_the_real_test_split_is_read() -> None:
    problems = read_problems(GSM8K)
    assert len(problems) == 1319
    assert problems[0].gold == "18"


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"question": "?"}, "`answer` is `None`"),
        ({"answer": "#### 1"}, "`question` is `None`"),
        ({**EGGS, "question": " "}, "`question` is ` `"),
        ({**EGGS, "question": 3}, "`question` is `3`"),
        ({**EGGS, "answer": ["#### 1"]}, "`answer` is"),
        ({**EGGS, "answer": "nine"}, "no gold answer"),
        ({**EGGS, "answer": "9 eggs\n####"}, "no gold answer"),
        ({**EGGS, "answer": "#### none"}, "no gold answer"),
        *(
            ({**EGGS, "answer": more}, "no gold answer")
            for more in (r"[0,\infty)", r"3\sqrt{13}", "(3,4)", "2516_8", "3 or 4")
        ),
        ({**EGGS, "id": True}, "`id` is `True`"),
        ({"id": "x", "category": "m", "turns": ["1 + 1?"]}, "no gold answer"),
        ({"id": "x", "category": "m", "turns": ["a", "b"], "reference": ["1"]}, "one turn, not 2"),
        ({"id": "x", "category": "m", "turns": [], "reference": ["1"]}, "`turns` has no text"),
        ("text", "is not an object"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(tmp_path: Path, bad: object, what: str) -> None:
    path = write(tmp_path, EGGS, bad)
    with pytest.raises(UsageError, match=what) as caught:
        read_problems(path)
    assert caught.value.where == f"{path}:2"


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="problem `7` occurs twice"):
        read_problems(write(tmp_path, {**EGGS, "id": 7}, {**HALF, "id": "7"}))


def test_a_problem_that_stands_twice_is_refused_with_both_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = {**EGGS, "question": f"  {EGGS['question']}\n"}
    path = write(tmp_path, EGGS, HALF, again)
    assert cli.run(["passk", "base", "--prompts", str(path), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert f"error: problem `3` is the one at `{path}:1` again" in said
    assert f"--> {path}:3" in said


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_problems(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="no problems"):
        read_problems(write(tmp_path))


def test_an_unknown_split_is_refused_and_a_file_has_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split `test`"):
        read_problems("embedded", "test")
    with pytest.raises(UsageError, match="is a file"):
        read_problems(write(tmp_path, EGGS), "train")


def problems(tmp_path: Path) -> list[Problem]:
    return read_problems(write(tmp_path, EGGS, HALF))


def test_a_worked_example_ends_with_its_answer_and_shows_no_calculator(tmp_path: Path) -> None:
    eggs, half = problems(tmp_path)
    assert eggs.solution == "16 - 7 = 9 eggs are left.\nThe answer is 9."
    assert half.solution == "1001 / 2 = 500.5\nThe answer is 500.5."
    assert read_problems("embedded")[0].solution.startswith("The answer is ")


def test_a_completion_shows_examples_and_ends_where_the_model_goes_on(tmp_path: Path) -> None:
    eggs, half = problems(tmp_path)
    assert problem_sets.completion_text(half) == "Question: Half of 1,001?\nAnswer:"
    assert problem_sets.completion_text(half, [eggs]) == (
        "Question: 16 eggs, 7 are eaten. How many are left?\n"
        "Answer: 16 - 7 = 9 eggs are left.\nThe answer is 9.\n\n"
        "Question: Half of 1,001?\nAnswer:"
    )
    assert problem_sets.paper_text(half) == "Q: Half of 1,001?\nA:"


def test_a_conversation_shows_examples_as_turns(tmp_path: Path) -> None:
    eggs, half = problems(tmp_path)
    roles = [role for role, _ in problem_sets.messages(half, [eggs])]
    assert roles == ["user", "assistant", "user"]
    texts = [text for _, text in problem_sets.messages(half, [eggs])]
    assert texts[0] == f"{problem_sets.INSTRUCTION}\n\n{eggs.question}"
    assert texts[1] == eggs.solution


def test_principles_stand_in_the_instruction_s_place() -> None:
    (role, system), (_, asked) = problem_sets.messages(read_problems("embedded")[0])
    assert role == "system"
    assert system.startswith("1. ")
    assert problem_sets.INSTRUCTION not in asked


def test_examples_are_never_problems_that_are_asked(tmp_path: Path) -> None:
    eggs, half = problems(tmp_path)
    for seed in range(5):
        assert draw_examples(lambda: [eggs, half], 1, seed, [eggs]) == [half]
    with pytest.raises(UsageError, match="there are 1"):
        draw_examples(lambda: [eggs, half], 2, 0, [eggs])


def test_without_examples_no_pool_is_read(tmp_path: Path) -> None:
    def pool() -> list[Problem]:
        raise AssertionError("read")

    assert draw_examples(pool, 0, 0, problems(tmp_path)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(18), "18"), (Fraction(-5, 2), "-2.5"), (Fraction(1, 3), "1/3")],
)
def test_a_number_is_written_as_a_person_would(value: Fraction, text: str) -> None:
    assert number_text(value) == text
