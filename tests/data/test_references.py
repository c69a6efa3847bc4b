"""Reference answers: read, put to their questions, warned of, replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response
from sami_eval.data.prompts import read_prompts
from sami_eval.data.references import load, read_references, with_references
from sami_eval.data.tasks import read_task
from sami_eval.judge import read_judge, render
from sami_eval.judge.rendering import wrong_references
from tests import SHARED
from tests.loopback_judge import LoopbackJudge
from tests.records import write_rows

MT_BENCH = SHARED / "data" / "mt_bench"
RIGHT = {"question_id": 101, "model_id": "gpt-4", "choices": [{"index": 0, "turns": ["4", "5"]}]}
WRONG = {**RIGHT, "question_id": 104}
PROMPTS = [Prompt("101", "math", ("2+2?", "2+3?"), ("own", "own")), Prompt("104", "math", ("?",))]
REPORTED_WRONG = read_task("mtbench", "pairwise").wrong_references
QUALITY = read_judge("quality")


def test_references_go_to_the_questions_of_their_ids(tmp_path: Path) -> None:
    prompts, _ = load(PROMPTS, write_rows(tmp_path / "r.jsonl", RIGHT), None)
    assert [prompt.reference for prompt in prompts] == [("4", "5"), None]


def test_a_question_with_one_turn_takes_the_first_reference(tmp_path: Path) -> None:
    prompts, _ = load(PROMPTS, write_rows(tmp_path / "r.jsonl", WRONG), None)
    assert [prompt.reference for prompt in prompts] == [("own", "own"), ("4",)]


def test_references_reported_wrong_are_named_once(tmp_path: Path) -> None:
    prompts, wrong = load(
        PROMPTS, write_rows(tmp_path / "r.jsonl", RIGHT, WRONG), None, REPORTED_WRONG
    )
    said = wrong_references(prompts, QUALITY, wrong)
    assert said is not None
    assert "reported wrong upstream" in said
    assert ": 104;" in said
    assert "--fix-references" in said


def test_a_mended_reference_is_used_and_no_longer_warned_of(tmp_path: Path) -> None:
    mended = {**WRONG, "choices": [{"turns": ["mended"]}]}
    prompts, wrong = load(
        PROMPTS,
        write_rows(tmp_path / "r.jsonl", RIGHT, WRONG),
        write_rows(tmp_path / "f.jsonl", mended),
        REPORTED_WRONG,
    )
    assert prompts[1].reference == ("mended",)
    assert wrong_references(prompts, QUALITY, wrong) is None
    answers = [Response("104", name, (name,)) for name in ("x", "y")]
    shown = render(QUALITY, prompts[1], 0, answers[0], answers[1], "a")
    assert "<<<reference>>>\nmended\n" in shown[-1][1]


def test_a_wrong_reference_no_judge_is_shown_needs_no_warning() -> None:
    writing = [Prompt("104", "writing", ("?",), ("4",))]
    assert wrong_references(writing, QUALITY, frozenset(REPORTED_WRONG)) is None
    maths = [Prompt("104", "math", ("?",), ("4",))]
    assert wrong_references(maths, read_judge("rules"), frozenset(REPORTED_WRONG)) is None
    assert wrong_references(maths, QUALITY, frozenset(REPORTED_WRONG)) is not None


@pytest.mark.skipif(not MT_BENCH.is_dir(), reason="MT-Bench's files are not beside the checkout")
def test_mt_benchs_own_file_gives_thirty_references_thirteen_of_them_wrong() -> None:
    questions = read_prompts(MT_BENCH / "question.jsonl")
    prompts, wrong = load(
        questions, MT_BENCH / "reference_answer_gpt-4.jsonl", None, REPORTED_WRONG
    )
    with_two = [p.id for p in prompts if p.reference and len(p.reference) == 2]
    assert {str(number) for number in range(101, 131)} <= set(with_two)
    assert wrong == set(REPORTED_WRONG)
    assert len(wrong) == 13


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"choices": RIGHT["choices"]}, "`question_id` is `None`"),
        ({**RIGHT, "question_id": True}, "`question_id` is `True`"),
        ({**RIGHT, "question_id": ""}, "`question_id` is `''`"),
        ({**RIGHT, "question_id": [1]}, "`question_id` is `[1]`"),
        ({**RIGHT, "question_id": 104}, "question `104` has two references"),
        ({**RIGHT, "question_id": "104"}, "question `104` has two references"),
        ({"question_id": 101}, "`choices` is `None`"),
        ({**RIGHT, "choices": {}}, "`choices` is `{}`"),
        ({**RIGHT, "choices": []}, "`choices` is `[]`"),
        ({**RIGHT, "choices": ["4"]}, "`choices` is `['4']`"),
        ({**RIGHT, "choices": [{}]}, "`turns` is `None`"),
        ({**RIGHT, "choices": [{"turns": "4"}]}, "`turns` is `4`"),
        ({**RIGHT, "choices": [{"turns": []}]}, "`turns` is `[]`"),
        ({**RIGHT, "choices": [{"turns": ["4", 5]}]}, "`turns` is `['4', 5]`"),
        ({**RIGHT, "choices": [{"turns": ["4", " "]}]}, "`turns` holds an empty text"),
        ([RIGHT], "is not an object"),
    ],
)
def test_a_bad_field_is_named_with_its_line(tmp_path: Path, row: object, message: str) -> None:
    path = write_rows(tmp_path / "r.jsonl", WRONG, row)
    with pytest.raises(UsageError) as caught:
        read_references(path)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:2"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [(b"{\n", "not JSON", ":1"), (b'{"a": "\xff"}', "not UTF-8", ":1"), (b"\n", "no refe", "")],
)
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, content: bytes, message: str, line: str
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_references(path)
    assert caught.value.where == f"{path}{line}"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_references(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="cannot read"):
        read_references(tmp_path)


def test_references_to_other_questions_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "r.jsonl", {**RIGHT, "question_id": 7})
    with pytest.raises(UsageError, match="no reference for these questions"):
        with_references(PROMPTS, path, read_references(path))


def test_one_reference_for_two_turns_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "r.jsonl", WRONG, {**RIGHT, "choices": [{"turns": ["4"]}]})
    with pytest.raises(UsageError, match="has 2 turns, its reference 1") as caught:
        load(PROMPTS, path, None)
    assert caught.value.where == f"{path}:2"


def test_compare_shows_them_to_the_judge_and_says_which_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    question = {"question_id": 104, "category": "math", "turns": ["2+2?", "2+3?"]}
    write_rows(Path("q.jsonl"), question)
    write_rows(Path("r.jsonl"), WRONG)
    for name in ("x", "y"):
        answer = {"question_id": 104, "model_id": name, "choices": [{"turns": [name, name]}]}
        write_rows(Path(f"{name}.jsonl"), answer)
    command = "compare x.jsonl y.jsonl --prompts q.jsonl --judge quality --judge-model openai:j"
    with LoopbackJudge() as server:
        given = ["--references", "r.jsonl", "--base-url", server.url]
        assert cli.run([*command.split(), *given]) == 0
    shown = capsys.readouterr().err
    assert "reported wrong upstream" in " ".join(shown.split())
    assert all("<<<reference" in call.body["messages"][1]["content"] for call in server.calls)
