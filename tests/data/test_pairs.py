"""Preference pairs as TRL's, alignment-handbook's and HH-RLHF's data sets hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast
from sami_eval.data.pairs import read_pairs
from sami_eval.data.prompt_sets import Source
from tests.records import write_rows


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def said(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """A conversation: the user first, then in turn."""
    before = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return before + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def read(tmp_path: Path, *rows: dict[str, Any], **source: Any) -> list[Contrast]:
    path = write_rows(tmp_path / "own.jsonl", *rows)
    return read_pairs(Source(str(path), **source))[0]


HH = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Bye\n\nAssistant: {}"


@pytest.mark.parametrize(
    ("row", "system", "turns", "earlier"),
    [
        pytest.param(
            {"prompt": "Hi", "chosen": "good", "rejected": "bad"}, "", ("Hi",), (), id="TRL"
        ),
        pytest.param(
            {"question": "Hi", "chosen": "good", "rejected": "bad"}, "", ("Hi",), (), id="a column"
        ),
        pytest.param(
            {"prompt": said("Hi"), "chosen": answer("good"), "rejected": answer("bad")},
            "",
            ("Hi",),
            (),
            id="TRL's messages",
        ),
        pytest.param(
            {
                "prompt": said("Hi", "Yes?", "Bye", system="Be kind."),
                "chosen": answer("good"),
                "rejected": answer("bad"),
            },
            "Be kind.",
            ("Hi", "Bye"),
            ("Yes?",),
            id="a talk as prompt",
        ),
        pytest.param(
            {
                "prompt": "Hi",
                "chosen": said("Hi", "good", system="Be kind."),
                "rejected": said("Hi", "bad", system="Be kind."),
            },
            "Be kind.",
            ("Hi",),
            (),
            id="alignment-handbook",
        ),
        pytest.param(
            {
                "chosen": said("Hi", "Yes?", "Bye", "good"),
                "rejected": said("Hi", "Yes?", "Bye", "bad"),
            },
            "",
            ("Hi", "Bye"),
            ("Yes?",),
            id="no prompt",
        ),
        pytest.param(
            {"chosen": HH.format("good"), "rejected": HH.format("bad")},
            "",
            ("Hi", "Bye"),
            ("Yes?",),
            id="HH-RLHF",
        ),
    ],
)
def test_every_layout_gives_the_chosen_response_first(
    tmp_path: Path,
    row: dict[str, Any],
    system: str,
    turns: tuple[str, ...],
    earlier: tuple[str, ...],
) -> None:
    (pair,) = read(tmp_path, row)
    assert pair.prompt.turns == turns
    assert pair.constitutions == (system, system)
    assert [one.turns for one in pair.responses] == [(*earlier, "good"), (*earlier, "bad")]


def test_a_message_may_hold_its_text_in_parts_but_no_image(tmp_path: Path) -> None:
    def row(*parts: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": [{"role": "user", "content": parts}], "chosen": "a", "rejected": "b"}

    texts = [{"type": "text", "text": text} for text in ("Look: ", "a cat")]
    (pair,) = read(tmp_path, row(*texts))
    assert pair.prompt.turns == ("Look: a cat",)
    with pytest.raises(UsageError, match=r"row 0 .*a message has a `role` and a text"):
        read(tmp_path, row(*texts, {"type": "image", "text": "cat.png"}))


def test_a_file_without_a_row_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("")
    with pytest.raises(UsageError, match="there is no row"):
        read_pairs(Source(str(tmp_path / "own.jsonl")))


def test_a_row_without_a_prompt_is_counted(tmp_path: Path) -> None:
    rows = [{"prompt": text, "chosen": "a", "rejected": "b"} for text in ("Hi", " ")]
    pairs, n_empty = read_pairs(Source(str(write_rows(tmp_path / "own.jsonl", *rows))))
    assert ([one.prompt.id for one in pairs], n_empty) == (["own/0"], 1)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": "Hi", "chosen": "a"}, "no column `rejected`"),
        ({"chosen": "a", "rejected": "b"}, "row 0 .*no prompt: `chosen` is an answer alone"),
        (
            {"chosen": said("Hi", "a"), "rejected": said("Ho", "b")},
            "row 0 .*answer two conversations",
        ),
        ({"chosen": said("Hi"), "rejected": said("Hi")}, "does not end with the assistant's"),
        ({"chosen": said("Hi", "a")[::-1], "rejected": said("Hi", "b")}, "does not end with"),
        (
            {"prompt": "Ho", "chosen": said("Hi", "a"), "rejected": said("Hi", "b")},
            "`chosen` is a conversation in which `prompt` is not asked",
        ),
        ({"prompt": "Hi", "chosen": 1, "rejected": 2}, "`chosen` is `1`, no text"),
        (
            {
                "chosen": [*said("Hi"), *said("Again", "a")],
                "rejected": [*said("Hi"), *said("Again", "b")],
            },
            "user, user; user and assistant in turn",
        ),
    ],
)
def test_what_is_no_pair_is_named_with_its_row(
    tmp_path: Path, row: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        read(tmp_path, row)
