from __future__ import annotations

from pathlib import Path

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response
from sami_eval.data.answers import read_answers, write_answers
from sami_eval.data.prompts import text_id
from tests import SHARED
from tests.records import write_rows

PAPER = SHARED / "data" / "paper"


def test_written_answers_are_read_back(tmp_path: Path) -> None:
    responses = [
        Response("81", "sft", ("a", "b"), ((5, 1), (6,)), 0, (True, False), (1, 1)),
        Response("81", "sft", ("c", "d"), sample=1),
    ]
    write_answers(tmp_path / "r.jsonl", responses)
    assert read_answers(tmp_path / "r.jsonl") == responses


def test_fastchat_answers_have_a_sample_a_choice(tmp_path: Path) -> None:
    row = {
        "question_id": 81,
        "answer_id": "x",
        "model_id": "vicuna",
        "choices": [{"index": 0, "turns": ["a", "b"]}, {"index": 1, "turns": ["c", "d"]}],
        "tstamp": 1.5,
    }
    assert read_answers(write_rows(tmp_path / "m.jsonl", row)) == [
        Response("81", "vicuna", ("a", "b")),
        Response("81", "vicuna", ("c", "d"), sample=1),
    ]


def test_the_papers_first_answer_belongs_to_question_81(tmp_path: Path) -> None:
    path = tmp_path / "SFT_responses.json"
    path.write_text('{"question": {"0": "?"}, "response": {"0": "hi", "1": "yo"}}')
    assert read_answers(path) == [
        Response("81", "SFT_responses", ("hi",)),
        Response("82", "SFT_responses", ("yo",)),
    ]


def test_arena_hard_s_answers_are_read_with_their_thoughts(tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Why?"}
    said = {"role": "assistant", "content": {"answer": "So.", "thought": "Hm."}}
    plain = {"role": "assistant", "content": "Because."}
    rows = [
        {"uid": "a1", "ans_id": "x", "model": "m", "messages": [asked, said], "tstamp": 1.5},
        {"uid": "a2", "model": "m", "messages": [asked, plain], "metadata": {"token_len": 1}},
    ]
    assert read_answers(write_rows(tmp_path / "m.jsonl", *rows)) == [
        Response("a1", "m", ("So.",), thoughts=("Hm.",)),
        Response("a2", "m", ("Because.",)),
    ]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_alpaca_eval_s_answers_go_by_the_instruction(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"dataset": "d", "instruction": text, "output": said, "generator": "m"}
        for text, said in (("Why?", "So."), ("How?", "Thus."), ("Why?", "Again so."))
    ]
    path = write_rows(tmp_path / f"a{suffix}", *(rows if suffix == ".jsonl" else [rows]))
    why, how, again = (text_id(*one) for one in (("Why?",), ("How?",), ("Why?", 2)))
    assert len({why, how, again}) == 3
    assert read_answers(path) == [
        Response(why, "m", ("So.",)),
        Response(how, "m", ("Thus.",)),
        Response(again, "m", ("Again so.",)),
    ]


def test_wild_bench_s_answers_have_a_sample_a_text(tmp_path: Path) -> None:
    row = {"session_id": "w1", "chat_history": ["Hi"], "output": ["a", "b"], "generator": "m"}
    path = write_rows(tmp_path / "m.json", [row])
    assert read_answers(path) == [
        Response("w1", "m", ("a",)),
        Response("w1", "m", ("b",), sample=1),
    ]


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's files are not here")
def test_the_papers_own_files_are_read() -> None:
    responses = read_answers(PAPER / "DPO_responses.json")
    assert [response.prompt_id for response in responses] == [str(i) for i in range(81, 161)]
    assert all(response.turns[0] for response in responses)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"model": "m", "turns": ["a"]}, "`prompt_id` is `None`"),
        ({"prompt_id": "1", "model": "", "turns": ["a"]}, "`model` is `''`"),
        ({"prompt_id": "1", "model": "m", "turns": "a"}, "`turns` is `a`"),
        ({"uid": "1", "model": "m", "messages": [{"role": "user"}]}, "`messages` has no answer"),
        ({"instruction": "?", "output": None, "generator": "m"}, "`output` is `None`"),
        ({"instruction": "?", "output": "a"}, "`generator`"),
        ({"session_id": "1", "output": [], "generator": "m"}, "`output` is `[]`"),
        ({"prompt_id": "1", "model": "m", "turns": []}, "`turns` is `[]`"),
        ({"prompt_id": "1", "model": "m", "turns": ["a"], "sample": -1}, "`sample` is `-1`"),
        ({"prompt_id": "1", "model": "m", "turns": ["a"], "finished": ["x"]}, "`finished`"),
        ({"prompt_id": "1", "model": "m", "turns": ["a"], "n_tokens": [1, 2]}, "list of 1"),
        ({"prompt_id": "1", "model": "m", "turns": ["a"], "token_ids": [["x"]]}, "`token_ids`"),
        ({"prompt_id": "1", "model": "m", "turns": ["a"], "extra": 1}, "unknown field `extra`"),
        ({"question_id": 1, "model_id": "m", "choices": []}, "`choices` is `[]`"),
        ({"question_id": 1, "model_id": "m", "choices": [{"turns": ["$ERROR$"]}]}, "call failed"),
    ],
)
def test_a_bad_field_names_its_line(tmp_path: Path, row: object, message: str) -> None:
    good = {"prompt_id": "0", "model": "m", "turns": ["a"]}
    path = write_rows(tmp_path / "r.jsonl", good, row)
    with pytest.raises(UsageError) as caught:
        read_answers(path)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:2"


def test_a_question_answered_twice_is_refused(tmp_path: Path) -> None:
    row = {"prompt_id": "1", "model": "m", "turns": ["a"]}
    with pytest.raises(UsageError, match="answers question `1` twice"):
        read_answers(write_rows(tmp_path / "r.jsonl", row, row))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no answers in the file"),
        ("[3]", "3. is not an object|`3` is not an object"),
        ('{"response": {}}', "`response` is `{}`"),
        ('{"response": {"x": "a"}}', "the row `'x'`"),
        ('{"response": {"0": null}}', "row 0 of `response` is `None`"),
    ],
)
def test_a_broken_paper_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_answers(path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_answers(tmp_path / "none.jsonl")


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for said in ("one", "two"):
        write_answers(file, [Response("81", "a", (said,))])
        assert [response.turns for response in read_answers(file)] == [(said,)]
        assert read_answers(file) == read_answers(file)
