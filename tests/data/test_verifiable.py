"""The constitutions and prompts that come with sami-eval: every check tells good from bad."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.core.types import Principle
from sami_eval.data.checks import meets
from sami_eval.data.constitutions import constitution_files, principles_for, read_constitution
from sami_eval.data.prompts import read_prompts
from tests import MTBENCH_CATEGORIES, ROOT, SHARED

PRINCIPLES = {one.id: one for one in read_constitution("verifiable")}
MATH = {one.id: one for one in read_constitution("verifiable-math")}
LONG = "The hall was old and its roof let in the rain. " * 13
ONE_LONG = (
    "So since he is older than she is and she is older than they are the oldest one must be he."
)

# By principle: what one writes who follows the strong phrasing, and who follows the antithesis.
ANSWERS = {
    "writing.1": ("Dear Ann, the dog will sleep inside from now on.", LONG),
    "writing.2": ("The sea was calm. Will you come along?", "Will you come? The sea is calm."),
    "writing.3": ("**The Night Train**\n\nSnow fell.", "Snow fell on the night train.\nIt slept."),
    "writing.4": ("The lamp is broken.", "The lamp is broken! I want another one."),
    "roleplay.1": ("I have crossed in worse fog.", "The captain has crossed in worse fog."),
    "roleplay.2": ("It is safe. I know the way. Sit down.", "It is safe. " * 6),
    "roleplay.3": ("It is safe. Where do you go?", "Where to? It is safe."),
    "roleplay.4": ("Well, it is safe.", "It is safe. Well done."),
    "reasoning.1": ("1. Sam is older than Nora.\n2. Nora is older than Piet.\nSam.", "It is Sam."),
    "reasoning.2": ("Nora is younger.\nAnswer: Sam", "The answer is Sam."),
    "reasoning.3": ("Sam is older. So Sam is the oldest.", ONE_LONG),
    "reasoning.4": ("Sam, because nobody is older.", "Sam. Nobody is older."),
    "math.1": ("14 + 9 = 23 loaves.", "Fourteen and nine make twenty-three."),
    "math.2": ("14 + 9 = 23\n**Answer:** 23", "The answer is 23."),
    "math.3": ("14 + 9 = 23", LONG),
    "math.4": ("1. Take 14.\n2. Add 9.\nThat is 23.", "Take 14 and add 9."),
    "coding.1": ("```python\ndef f(): ...\n```", "def f(): ..."),
    "coding.2": ("```python\n# adds\ndef f(): ...\n```", "```python\ndef f(): ...\n```"),
    "coding.3": ("```python\ndef f(): ...\n```\nIt adds.", f"```python\ndef f(): ...\n```\n{LONG}"),
    "coding.4": ("```\ndef f(): ...\n```\nExample: f() gives 1.", "It returns 1."),
    "extraction.1": ("- Oslo\n- Lisbon\n- Porto", "The text names Oslo, Lisbon and Porto."),
    "extraction.2": ("Oslo, Lisbon, Porto", "Here is the list: Oslo, Lisbon, Porto"),
    "extraction.3": ("Oslo, Lisbon, Porto", LONG),
    "extraction.4": ("- Oslo\n- Lisbon\nTotal: 2", "- Oslo\n- Lisbon"),
    "stem.1": ("Ice is lighter. So it floats.", "Ice is light. " * 8),
    "stem.2": ("Ice is light. For example, a berg floats.", "Ice is light."),
    "stem.3": ("Ice is lighter than water.", "Ice, being lighter, floats on water."),
    "stem.4": ("Why does ice float? It is lighter.", "It is lighter. Why? Nobody knows."),
    "humanities.1": ("Towns are safe.\n\nTowns are loud.", "Towns are safe. Towns are loud."),
    "humanities.2": ("Towns are safe. However, they are loud.", "Towns are safe and rich."),
    "humanities.3": ("Towns grew.\nIn short, they paid.", "In short, towns grew.\nThey paid."),
    "humanities.4": ("Towns are safe.", "To my mind towns are safe."),
}
MATH_ANSWERS = {
    "math.1": ANSWERS["math.4"],
    "math.2": ANSWERS["math.1"],
    "math.3": ANSWERS["math.2"],
    "math.4": (ANSWERS["math.3"][0], LONG * 2),
}


@pytest.mark.parametrize(
    ("principle", "answers"),
    [
        *((PRINCIPLES[name], both) for name, both in ANSWERS.items()),
        *((MATH[name], both) for name, both in MATH_ANSWERS.items()),
    ],
    ids=lambda one: one.id if isinstance(one, Principle) else "",
)
def test_a_check_takes_what_strong_asks_for_and_no_antithesis(
    principle: Principle, answers: tuple[str, str]
) -> None:
    good, bad = answers
    assert principle.check is not None
    assert meets(principle.check, "A question?", good)
    assert not meets(principle.check, "A question?", bad)


def test_every_bundled_principle_has_answers() -> None:
    assert set(ANSWERS) == set(PRINCIPLES)
    assert set(MATH_ANSWERS) == set(MATH)


def test_the_number_of_a_check_stands_in_the_strong_phrasing() -> None:
    words = {"two": "2", "three": "3", "four": "4", "no ": "0"}
    for one in (*PRINCIPLES.values(), *MATH.values()):
        said = one.strong.casefold()
        numbers = {*re.findall(r"\d+", said), *(n for word, n in words.items() if word in said)}
        assert set(re.findall(r"\d+", one.check or "")) <= {*numbers, "1"}, one.id


def test_every_category_of_mt_bench_has_four_principles_of_its_own() -> None:
    for category in MTBENCH_CATEGORIES:
        assert len(principles_for(category, tuple(PRINCIPLES.values()))) == 4
    assert len({text for one in PRINCIPLES.values() for text in (one.weak, one.strong)}) > 50


def test_all_bundled_constitutions_can_be_read() -> None:
    assert {"verifiable", "verifiable-few", "verifiable-math"} <= set(constitution_files())
    assert set(constitution_files()) == {p.stem for p in (ROOT / "constitutions").glob("*.toml")}
    assert all(read_constitution(path) for path in constitution_files().values())


def test_the_few_are_of_the_many_one_a_category() -> None:
    few = read_constitution("verifiable-few")
    assert [replace(PRINCIPLES[one.id], weak=one.weak) for one in few] == list(few)
    assert sorted(name for one in few for name in one.categories) == sorted(MTBENCH_CATEGORIES)


def test_there_are_twenty_prompts_a_category_and_none_twice() -> None:
    prompts = read_prompts(Path("verifiable"))
    assert Counter(one.category for one in prompts) == dict.fromkeys(MTBENCH_CATEGORIES, 20)
    assert len({one.turns for one in prompts}) == len({one.id for one in prompts}) == 160
    assert all(len(one.turns) == 1 for one in prompts)


def runs(text: str, n: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


QUESTIONS = SHARED / "data" / "mt_bench" / "question.jsonl"


@pytest.mark.skipif(not QUESTIONS.is_file(), reason="no MT-Bench here")
def test_no_prompt_shares_six_words_in_a_row_with_a_question_of_mt_bench() -> None:
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    theirs = {run for line in lines for run in runs(" ".join(json.loads(line)["turns"]), 6)}
    assert len(theirs) > 1000
    shared = [one.id for one in read_prompts(Path("verifiable")) if runs(one.turns[0], 6) & theirs]
    assert shared == []


def test_a_file_of_the_folder_goes_before_a_name_of_ours_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verifiable").mkdir()
    assert len(read_constitution("verifiable")) == 32
    (tmp_path / "verifiable").rmdir()
    own = (
        '[[principle]]\nid = "a"\ncategories = ["*"]\nweak = "x"\nstrong = "y"\nantithesis = "z"\n'
    )
    (tmp_path / "verifiable").write_text(own, encoding="utf-8")
    assert [one.id for one in read_constitution("verifiable")] == ["a"]
