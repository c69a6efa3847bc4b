"""Which questions a comparison asks: those of the contenders that were named."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval import cli, embedded
from sami_eval.core.config import Config, find_config
from sami_eval.core.errors import UsageError
from sami_eval.data.task_instead import prompts_in
from sami_eval.data.tasks import read_task
from tests import MTBENCH_CATEGORIES, SHARED
from tests.align_models import save_base
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import write_rows

DATA = SHARED / "data"
PAPER = DATA / "paper"
MT_BENCH = DATA / "mt_bench" / "question.jsonl"
AT_SERVER = ["--judge-model", "openai:j", "--base-url", "http://127.0.0.1:1/v1"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return find_config(tmp_path)


def answers(path: str, *questions: str) -> str:
    rows = ({"prompt_id": one, "model": path, "turns": ["x"]} for one in questions)
    return str(write_rows(path, *rows))


def mtbench(path: str) -> str:
    row = {"question_id": 81, "category": "writing", "turns": ["a?", "b?"]}
    return str(write_rows(path, row))


def paper(path: str) -> str:
    columns = {
        "question": {"0": "Write."},
        "category": {"0": "writing"},
        "constitution": {"0": "1. Be brief.\n2. Be kind."},
        "response": {"0": f"{path} strength 1"},
    }
    Path(path).write_text(json.dumps(columns))
    return path


def foreseen(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What a dry run says in JSON."""
    assert cli.run(["compare", *arguments, "--dry-run", "--json"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(["compare", *arguments, "--dry-run"]) == 2
    return capsys.readouterr().err


@pytest.fixture
def own(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """A model folder `own` that has nothing to do with the embedded base."""
    save_base(Path("own").absolute())
    capsys.readouterr()


def test_the_papers_records_bring_their_questions_and_that_is_said(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    row = foreseen(capsys, paper("a.json"), paper("b.json"), *AT_SERVER)
    assert (row["questions"], row["n_questions"], row["embedded"]) == ("a.json", 1, False)
    assert row["judges"][0]["name"] == "principles"
    assert "questions: those that `a.json` carries (others: --prompts FILE)" in row["notes"]


def test_a_file_of_prompts_wins_over_what_a_record_carries_and_gives_the_title(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("q.jsonl").write_text('{"id": "1", "category": "c", "turns": ["?"]}\n')
    for name in ("a", "b"):
        answers(f"{name}.jsonl", "1")
    row = foreseen(capsys, "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", *AT_SERVER)
    assert (row["task"], row["questions"], row["n_questions"]) == ("q.jsonl", "q.jsonl", 1)


@pytest.mark.parametrize("row", [{"prompt": "Why?"}, {"id": "1", "turns": ["Why?"]}], ids=str)
def test_a_file_of_prompts_needs_no_category_and_that_is_said(
    row: dict[str, Any], config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    file, asked = write_rows("own.jsonl", row), ["compare", "openai:a", "openai:b", *AT_SERVER]
    assert cli.run([*asked, "--prompts", str(file), "--dry-run", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert f"`{file}` names no category: all of its questions are of `own`" in notes
    named = write_rows("named.jsonl", {**row, "category": "named"})
    assert cli.run([*asked, "--prompts", str(named), "--dry-run", "--json"]) == 0
    assert "names no category" not in capsys.readouterr().out
    (prompt,) = prompts_in(read_task("mtbench", "pairwise"), file)
    assert (prompt.turns, prompt.category) == (("Why?",), "own")


def test_answers_to_the_embedded_world_keep_its_questions(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    every = [prompt.id for prompt in embedded.prompts("evaluation")]
    row = foreseen(capsys, answers("r.jsonl", *every), answers("s.jsonl", *every))
    assert (row["questions"], row["embedded"]) == ("the embedded world", True)
    assert row["judges"][0]["name"] == "rules"
    # Whatever recipes would stand on: none runs.
    Path("sami-eval.toml").write_text('base = "no/such"')
    assert cli.run(["compare", "r.jsonl", "s.jsonl", "--dry-run"]) == 2
    assert "`no/such`" in capsys.readouterr().err


def test_answers_to_mt_bench_without_its_questions_name_both_ways(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, answers("r.jsonl", "81", "82"), answers("s.jsonl", "81"))
    assert "`r.jsonl` holds answers, not questions" in said
    assert "--prompts question.jsonl" in said
    assert "HuggingFaceH4/mt_bench_prompts" in said


SERVED = ["openai:a", "openai:b"]


@pytest.mark.parametrize(
    "contenders", [SERVED, ["base", "openai:a"], ["own", "own"], ["base", "own"]], ids=" ".join
)
def test_none_but_the_embedded_base_is_ever_asked_the_embedded_world(
    contenders: list[str], own: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *contenders, *AT_SERVER)
    assert said.startswith("error: cannot read `HuggingFaceH4/mt_bench_prompts` from the hub")
    assert "--prompts question.jsonl (of train: --questions question.jsonl)" in said
    mtbench("question.jsonl")
    row = foreseen(capsys, *contenders, "--prompts", "question.jsonl", *AT_SERVER)
    assert (row["embedded"], row["max_tokens"], row["task"]) == (False, 1024, "question.jsonl")
    assert [judge["model"] for judge in row["judges"]] == ["j"]
    # Without a judge's model or its key that is what is wrong: no program judges instead.
    at = ["--prompts", "question.jsonl"]
    assert cli.run(["compare", *contenders, *at]) == 4
    assert "needs a key" in capsys.readouterr().err


def test_a_copy_of_the_embedded_base_is_the_embedded_base(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(embedded.BASE_DIR, "copy")
    row = foreseen(capsys, "base", "copy")
    assert row["embedded"]
    assert {one["base"] for one in row["contenders"]} == {"the embedded base"}
    assert row["notes"] == []


def test_each_contenders_base_and_address_and_their_difference_are_said(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    mtbench("question.jsonl")
    asked = ["base", "there", "--prompts", "question.jsonl", *AT_SERVER]
    there = "http://127.0.0.1:2/v1"
    Path("sami-eval.toml").write_text(f'[models.there]\nbase = "openai:m"\nbase_url = "{there}"')
    row = foreseen(capsys, *asked)
    each = [(one["base"], one["address"]) for one in row["contenders"]]
    assert each == [("the embedded base", None), (None, there)]
    assert row["judges"][0]["address"] == "http://127.0.0.1:1/v1"
    (note,) = [one for one in row["notes"] if one.startswith("different bases")]
    assert "`base` on the embedded base" in note
    assert f"`there` at {there}" in note
    assert cli.run(["compare", *asked, "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert f"\n            at {there}\n" in captured.out
    assert "\n            on the embedded base\n" in captured.out
    assert note in captured.err


def test_the_hub_gives_mt_bench_its_80_questions(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"category": category, "prompt": ["a?", "b?"], "reference": []}
        for category in MTBENCH_CATEGORIES
        for _ in range(10)
    ]
    monkeypatch.setattr("datasets.load_dataset", lambda name, split: rows)
    row = foreseen(capsys, *SERVED, *AT_SERVER)
    assert (row["task"], row["questions"]) == ("mtbench", "HuggingFaceH4/mt_bench_prompts")
    assert (row["n_questions"], row["n_turns"]) == (80, 160)


@pytest.mark.parametrize(
    "command",
    [
        ["compare", *SERVED, *AT_SERVER],
        ["passk", *SERVED[:1], "--base-url", "http://127.0.0.1:1/v1"],
        ["contrast", "--prompts", "someone/data", "--constitutions", "c.toml"],
    ],
)
def test_a_hub_out_of_reach_is_one_line_and_a_hint(
    config: Config,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise ConnectionError("Couldn't reach it\nat all")

    Path("c.toml").write_text(
        '[[principle]]\nid = "p"\ncategories = ["*"]\nweak = "a"\nstrong = "b"\nantithesis = "c"\n'
    )
    monkeypatch.setattr("datasets.load_dataset", unreachable)
    assert cli.run([*command, "--dry-run"]) == 2
    captured = capsys.readouterr()
    error, blank, hint, *rest = captured.err.splitlines()
    assert error.startswith("error: cannot ")
    assert error.endswith(": Couldn't reach it")
    assert (blank, hint[:6], rest, captured.out) == ("", "hint: ", [], "")


@pytest.mark.skipif(not MT_BENCH.is_file(), reason="MT-Bench's question file is not here")
def test_two_servers_answer_mt_benchs_own_questions_under_its_files_name(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(first_rate=0.5)) as server:
        asked = ["compare", *SERVED, "--prompts", str(MT_BENCH), "--limit", "8", "--json", "-q"]
        at = ["--judge-model", "openai:loopback", "--base-url", server.url]
        assert cli.run([*asked, *at]) == 0
        bodies = [call.body for call in server.calls]
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["embedded"]) == ("question.jsonl", False)
    assert document["judge"] == "quality"
    first = json.loads(MT_BENCH.read_text().split("\n")[0])["turns"][0]
    answered = [body for body in bodies if body["model"] in ("a", "b")]
    assert any(body["messages"][-1]["content"] == first for body in answered)
    assert {body["max_tokens"] for body in answered} == {1024}


def test_from_python_it_is_the_same(config: Config) -> None:
    with pytest.raises(UsageError, match="cannot read `HuggingFaceH4/mt_bench_prompts`"):
        sami_eval.compare(*SERVED, base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize("other", ["openai:a", "own"])
def test_pass_at_k_asks_its_own_problems_of_the_embedded_base_alone(
    other: str, own: None, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--base-url", "http://127.0.0.1:1/v1", "--dry-run"]
    assert cli.run(["passk", "base", other, *at]) == 2
    assert "openai/gsm8k" in capsys.readouterr().err
    Path("p.jsonl").write_text('{"question": "One and one?", "answer": "#### 2"}\n')
    assert cli.run(["passk", "base", other, *at, "--prompts", "p.jsonl", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["task"], row["problems"], row["embedded"]) == ("p.jsonl", "p.jsonl", False)
    assert row["max_tokens"] == 1024
    assert row["contenders"][0]["base"] == "the embedded base"
    assert any(note.startswith("different bases") for note in row["notes"])


@pytest.mark.parametrize("writer", ["openai:a", "own"])
def test_contrasts_of_the_embedded_world_are_written_by_its_base_alone(
    writer: str, own: None, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--base-url", "http://127.0.0.1:1/v1", "--dry-run", "--json"]
    assert cli.run(["contrast", "--model", writer, *at]) == 2
    captured = capsys.readouterr()
    assert "does not stand on the embedded base" in captured.err
    assert "--constitutions FILE --prompts FILE" in captured.err
    assert cli.run(["contrast", *at]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["base"], row["source"]) == ("the embedded base", "the embedded world")


def test_two_of_the_papers_records_are_compared_without_a_file_of_prompts(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", paper("a.json"), paper("b.json"), "--task", "mtbench", "--json"]
    with LoopbackJudge(Behaviour(first_rate=1.0)) as server:
        more = ["--judge-model", "openai:loopback", "--base-url", server.url]
        assert cli.run([*asked, *more]) == 0
    captured = capsys.readouterr()
    assert "questions: those that" in captured.err
    document = json.loads(captured.out)
    assert document["judge"] == "principles"
    assert document["comparisons"][0]["ties"] == 1


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's files are not here")
def test_the_papers_own_responses_bring_80_questions(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [str(PAPER / f"{name}_responses.json") for name in ("SFT", "DPO")]
    row = foreseen(capsys, *specs, *AT_SERVER)
    assert (row["n_questions"], row["judges"][0]["name"]) == (80, "principles")
