"""Prompts are read from FastChat's format and ours; a bad line is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Principle, Prompt
from sami_eval.data.constitutions import principles_for, read_constitution
from sami_eval.data.prompts import limited, read_prompts, to_row, with_principles
from tests import SHARED
from tests.records import write_rows

SHARED = SHARED / "data"
GOOD: dict[str, Any] = {"question_id": 81, "category": "writing", "turns": ["Write.", "Shorter."]}


def test_fastchat_question_is_a_prompt(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "q.jsonl", {**GOOD, "required_temperature": 0.3, "reference": ["r"]}
    )
    assert read_prompts(path) == [
        Prompt("81", "writing", ("Write.", "Shorter."), ("r", ""), (), 0.3)
    ]


def test_our_own_rows_come_back_as_they_were(tmp_path: Path) -> None:
    prompts = [
        Prompt("x", "math", ("1+1?",), ("2",), ("Show steps.",), 0.7),
        Prompt("y", "writing", ("Hi.", "Again.")),
        Prompt("z", "writing", ("Again.",), history=("Hi.", "Hello."), checklist=("Polite?",)),
    ]
    assert read_prompts(write_rows(tmp_path / "p.jsonl", *map(to_row, prompts))) == prompts


@pytest.mark.skipif(not SHARED.exists(), reason="the real MT-Bench questions are not here")
def test_the_real_questions_are_80_in_8_categories() -> None:
    prompts = read_prompts(SHARED / "mt_bench" / "question.jsonl")
    assert [p.id for p in prompts] == [str(i) for i in range(81, 161)]
    assert len({p.category for p in prompts}) == 8
    assert all(len(p.turns) == 2 for p in prompts)


@pytest.mark.skipif(not SHARED.exists(), reason="the paper's responses are not here")
def test_the_paper_s_responses_hold_the_questions_with_their_constitutions() -> None:
    prompts = read_prompts(SHARED / "paper" / "SFT_responses.json")
    assert [p.id for p in prompts] == [str(i) for i in range(81, 161)]
    assert all(len(p.turns) == 1 and p.principles for p in prompts)
    assert not any(text[0].isdigit() for p in prompts for text in p.principles)


def test_a_json_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"question": ["a"]}')
    with pytest.raises(UsageError, match=r"`question` is .*, not an object of texts") as caught:
        read_prompts(path)
    assert caught.value.where == f"{path}:1"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"question_id": None}, "`question_id` is `None`"),
        ({"question_id": True}, "`question_id` is `True`"),
        ({"category": 3}, "`category` is `3`"),
        ({"category": ""}, "`category`"),
        ({"turns": "Write."}, "`turns` is `Write.`"),
        ({"turns": []}, "`turns`"),
        ({"turns": ["  "]}, "`turns`"),
        ({"turns": [1]}, "`turns`"),
        ({"reference": "r"}, "`reference` is `r`"),
        ({"reference": ["a", "b", "c"]}, "3 texts for 2 turns"),
        ({"principles": [3]}, "`principles`"),
        ({"history": ["a"]}, "`history` has 1 texts: its last message has no answer"),
        ({"checklist": "Short?"}, "`checklist` is `Short?`"),
        ({"required_temperature": -1}, "`required_temperature` is `-1`"),
        ({"required_temperature": "hot"}, "`required_temperature` is `hot`"),
        ({"colour": 1}, "`colour`"),
    ],
)
def test_a_bad_field_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = write_rows(tmp_path / "q.jsonl", {**GOOD, "question_id": 1}, {**GOOD, **change})
    with pytest.raises(UsageError) as caught:
        read_prompts(path)
    assert named.strip("`") in caught.value.message.replace("'", "")
    assert caught.value.where == f"{path}:2"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "where"),
    [(b'{"a"\n', ":1"), (b"\n[1]\n", ":2"), (b'\n\n{"a": "\xff"}', ":3")],
)
def test_a_broken_line_is_named(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_prompts(path)
    assert caught.value.where == f"{path}{where}"


def test_a_question_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`81` occurs twice"):
        read_prompts(write_rows(tmp_path / "q.jsonl", GOOD, GOOD))


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no prompts"):
        read_prompts(write_rows(tmp_path / "q.jsonl"))
    with pytest.raises(UsageError, match="no file"):
        read_prompts(tmp_path / "absent.jsonl")


def test_a_limit_takes_from_each_category_in_turn() -> None:
    prompts = [Prompt(f"{c}{i}", c, ("?",)) for c in "abc" for i in range(3)]
    assert [p.id for p in limited(prompts, 4)] == ["a0", "a1", "b0", "c0"]
    assert limited(prompts, None) == limited(prompts, 99) == prompts


PRINCIPLES = """
[[principle]]
id = "w.1"
categories = ["writing"]
weak = "Be warm."
strong = "Be very warm indeed."
antithesis = "Be cold."
"""


def test_constitution_gives_each_prompt_its_category_s_principles(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PRINCIPLES)
    principles = read_constitution(path)
    assert principles == (
        Principle("w.1", ("writing",), "Be warm.", "Be very warm indeed.", "Be cold."),
    )
    prompts = [Prompt("1", "writing", ("?",)), Prompt("2", "math", ("?",), None, ("Old.",))]
    assert [p.principles for p in with_principles(prompts, principles)] == [("Be warm.",), ()]
    assert [p.principles for p in with_principles(prompts, None)] == [(), ()]
    assert principles_for("math", principles) == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('id = "w.1"', "id = 3", "`id`"),
        ('weak = "Be warm."', "", "`weak`"),
        ('strong = "Be very warm indeed."', 'strong = " "', "`strong`"),
        ('["writing"]', '"writing"', "`categories`"),
        ("[[principle]]", "[[principles]]", "unknown key `principles`"),
        ("[[principle]]", "[[principle", "not TOML"),
    ],
)
def test_a_bad_principle_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PRINCIPLES.replace(old, new))
    with pytest.raises(UsageError) as caught:
        read_constitution(path)
    assert named in caught.value.message
    assert str(caught.value.where).startswith(f"{path}:")


def test_a_principle_id_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PRINCIPLES + PRINCIPLES)
    with pytest.raises(UsageError, match=r"`w\.1` occurs twice"):
        read_constitution(path)
