"""Prompts from data sets on disk; a hub id takes the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.data.prompt_sets import Source, read
from tests.records import write_rows

ROWS: list[dict[str, Any]] = [
    {"problem": "1 + 1?", "type": "algebra", "info": {"post": "A post."}},
    {"problem": " ", "type": "algebra", "info": {"post": "Another."}},
    {"problem": "2 + 2?", "type": "counting", "info": {"post": "A third."}},
]
TALK = [
    {"conversation": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]},
    {"conversation": [{"role": "user", "content": "Bye"}, {"role": "user", "content": "Well"}]},
]


def save(path: Path, rows: list[dict[str, Any]] = ROWS) -> str:
    path.parent.mkdir(exist_ok=True)
    return str(write_rows(path, *rows))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_a_folder_is_read_by_its_split_and_column(tmp_path: Path) -> None:
    save(tmp_path / "MATH" / "test.jsonl")
    source = Source(str(tmp_path / "MATH"), "problem", "math", split="test")
    prompts, n_empty = read(source)
    assert n_empty == 1
    assert [(p.id, p.category, p.turns) for p in prompts] == [
        ("MATH/0", "math", ("1 + 1?",)),
        ("MATH/2", "math", ("2 + 2?",)),
    ]


def test_the_usual_column_is_found_and_the_source_names_the_category(tmp_path: Path) -> None:
    prompts, _ = read(Source(save(tmp_path / "sums.jsonl"), split="train", category="sums"))
    assert [prompt.turns for prompt in prompts] == [("1 + 1?",), ("2 + 2?",)]
    prompts, _ = read(Source(save(tmp_path / "sums.jsonl"), "problem"))
    assert {prompt.category for prompt in prompts} == {"sums"}


def test_a_parquet_file_is_read_with_its_categories(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_list(ROWS).to_parquet(tmp_path / "rows.parquet")
    source = Source(str(tmp_path / "rows.parquet"), "info.post", category_column="type")
    prompts, _ = read(source)
    assert [(p.category, p.turns[0]) for p in prompts] == [
        ("algebra", "A post."),
        ("algebra", "Another."),
        ("counting", "A third."),
    ]


def test_of_messages_the_users_are_taken(tmp_path: Path) -> None:
    prompts, _ = read(Source(save(tmp_path / "talk.jsonl", TALK), "conversation"))
    assert [prompt.turns for prompt in prompts] == [("Hi",), ("Bye", "Well")]


def test_a_question_file_keeps_its_own_format(tmp_path: Path) -> None:
    row = {"question_id": 81, "category": "writing", "turns": ["Write.", "Again."]}
    prompts, _ = read(Source(save(tmp_path / "question.jsonl", [row])))
    assert (prompts[0].id, prompts[0].turns) == ("81", ("Write.", "Again."))


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"column": "text"}, "has no column `text`", "problem, type, info"),
        ({"category_column": "kind"}, "has no column `kind`", "problem, type, info"),
        ({"column": "type", "category_column": "info"}, "the category of row 0", "--category"),
        ({"column": "info"}, "no row of", "--prompt-column"),
        ({"split": "dev", "column": "problem"}, "cannot load", "--split"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, given: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(Source(save(tmp_path / "rows.jsonl"), **given))
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_data_set_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot load `no/such-set`"):
        read(Source("no/such-set", "prompt"))
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(UsageError, match="is no data set"):
        read(Source(str(tmp_path / "rows.txt")))


def test_lines_of_prompts_need_no_flag(tmp_path: Path) -> None:
    prompts, _ = read(Source(save(tmp_path / "own.jsonl", [{"prompt": "Hi"}, {"prompt": "Bye"}])))
    assert [(p.id, p.category, p.turns) for p in prompts] == [
        ("own/0", "own", ("Hi",)),
        ("own/1", "own", ("Bye",)),
    ]
