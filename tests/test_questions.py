"""Which questions a comparison of records asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli, embedded
from sami_eval.config import Config, find_config
from sami_eval.errors import UsageError
from sami_eval.questions import load
from tests.loopback_judge import Behaviour, LoopbackJudge

PAPER = Path(__file__).parents[2] / "shared" / "data" / "paper"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return find_config(tmp_path)


def answers(path: str, *questions: str) -> str:
    rows = [{"prompt_id": one, "model": path, "turns": ["x"]} for one in questions]
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def paper(path: str) -> str:
    columns = {
        "question": {"0": "Write."},
        "category": {"0": "writing"},
        "constitution": {"0": "1. Be brief.\n2. Be kind."},
        "response": {"0": f"{path} strength 1"},
    }
    Path(path).write_text(json.dumps(columns))
    return path


def test_the_papers_records_bring_their_questions_and_that_is_said(config: Config) -> None:
    asked, is_embedded, said = load("mtbench", None, True, [paper("a.json")], config)
    assert [(p.id, p.turns, p.principles) for p in asked] == [
        ("81", ("Write.",), ("Be brief.", "Be kind."))
    ]
    assert not is_embedded
    assert said == ("questions: those that `a.json` carries (others: --prompts FILE)",)


def test_a_file_of_prompts_wins_over_what_a_record_carries(config: Config) -> None:
    Path("q.jsonl").write_text('{"id": "1", "category": "c", "turns": ["?"]}\n')
    asked, _, said = load("mtbench", Path("q.jsonl"), False, [paper("a.json")], config)
    assert [prompt.id for prompt in asked] == ["1"]
    assert said == ()


def test_answers_to_the_embedded_world_keep_its_questions(config: Config) -> None:
    known = embedded.prompts("evaluation")[0].id
    asked, is_embedded, _ = load("mtbench", None, True, [answers("r.jsonl", known)], config)
    assert is_embedded
    assert len(asked) >= 160


def test_answers_to_mt_bench_without_its_questions_name_both_ways(config: Config) -> None:
    with pytest.raises(UsageError, match=r"`r.jsonl` holds answers, not questions") as caught:
        load("mtbench", None, True, [answers("r.jsonl", "81", "82")], config)
    assert "--prompts question.jsonl" in caught.value.hint
    assert "HuggingFaceH4/mt_bench_prompts" in caught.value.hint


def test_a_base_of_ones_own_without_mt_bench_at_hand_is_told_so_in_one_line(
    config: Config,
) -> None:
    with pytest.raises(UsageError, match="cannot read `HuggingFaceH4/mt_bench_prompts`") as caught:
        load("mtbench", None, False, ["base", "sft"], config)
    assert "--prompts question.jsonl" in caught.value.hint


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
def test_the_papers_own_responses_bring_80_questions(config: Config) -> None:
    specs = [str(PAPER / f"{name}_responses.json") for name in ("SFT", "DPO")]
    asked, _, _ = load("mtbench", None, True, specs, config)
    assert len(asked) == 80
    assert all(prompt.principles for prompt in asked)
