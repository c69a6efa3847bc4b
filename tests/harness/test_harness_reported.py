"""lm-eval's side of the tasks people report: their baseline, and conversations given or long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lm_eval
import pytest
from huggingface_hub import constants

from sami_eval.data.answers import read_answers
from sami_eval.harness.command import TaskManager
from sami_eval.harness.model import SamiEvalLM
from tests.hub_cache import fetched
from tests.loopback_judge import LoopbackJudge
from tests.records import write_rows

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own, and its backends'


def evaluate(task: str, server: LoopbackJudge, **metadata: str) -> dict[str, Any]:
    judge = {"judge_model": "openai:judge", "base_url": server.url, "answers": "a.jsonl"}
    results = lm_eval.simple_evaluate(
        model=SamiEvalLM(engine="hf"),
        tasks=[task],
        task_manager=TaskManager(metadata={**judge, **metadata}),
        gen_kwargs={"max_gen_toks": 8},
        apply_chat_template=True,
    )
    assert results is not None
    figures: dict[str, Any] = results["results"][task]
    return figures


def test_alpaca_eval_is_judged_against_its_own_baseline(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    rows = [
        {"instruction": f"Ask {i}.", "output": "x" * 999, "generator": "old", "dataset": "small"}
        for i in range(2)
    ]
    fetched(folder / "hub", "tatsu-lab/alpaca_eval", "alpaca_eval_gpt4_baseline.json", *rows)
    with LoopbackJudge() as server:
        figures = evaluate("alpaca_eval_pairwise", server)
    assert "against the task's baseline `gpt4_1106_preview`, answers of old" in (
        capsys.readouterr().err
    )
    # The longer answer is better, by the probabilities of a judge of one token.
    assert 0 < figures["win_rate,none"] < 0.01
    assert figures["unparsed,none"] == 0


def test_a_given_conversation_and_three_turns_are_asked_in_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = (
        {"id": "g", "category": "x", "turns": ["Again."], "history": ["Sing.", "La la."]},
        {"id": "t", "category": "x", "turns": ["One.", "Two.", "Three."]},
    )
    write_rows("q.jsonl", *questions)
    old = ("o" * 99,) * 3
    write_rows(
        "old.jsonl",
        {"prompt_id": "g", "model": "old", "turns": old[:1]},
        {"prompt_id": "t", "model": "old", "turns": old},
    )
    with LoopbackJudge() as server:
        given = {"questions": "q.jsonl", "baseline": "old.jsonl", "judge": "quality"}
        figures = evaluate("mtbench_pairwise", server, **given)
    assert [len(one.turns) for one in read_answers(Path("a.jsonl"))] == [1, 3]
    assert figures["win_rate,none"] == 0
    shown = [call.body["messages"][-1]["content"] for call in server.calls]
    assert len(shown) == 2 * 4
    assert sum("<<<earlier answer 1>>>\nLa la." in text for text in shown) == 2
    assert sum("<<<answer B to message 3>>>" in text for text in shown) == 2
    assert "WARNING" not in capsys.readouterr().err
    manager = TaskManager(metadata={**given, "judge_model": "openai:judge", "base_url": server.url})
    task = manager.load(["mtbench_pairwise"])["tasks"]["mtbench_pairwise"]
    task.build_all_requests()
    asked = {one.doc["question_id"]: one.args[0] for one in task.instances}
    told = "Human: Sing.\n\nAssistant: La la.\n\nHuman: Again.\n\nAssistant:"
    assert asked == {"g": told, "t": "Human: One.\n\nAssistant:"}
