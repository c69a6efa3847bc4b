"""AlpacaEval, Arena-Hard and WildBench by `compare --task`: their columns, in words of our own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from sami_eval import cli
from sami_eval.data.prompts import read_prompts, text_id
from tests.hub_cache import fetched
from tests.judge.test_published import ARENA as ARENA_CONFIG
from tests.judge.test_published import UTILS
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion
from tests.records import write_rows

ALPACA = ("tatsu-lab/alpaca_eval", "alpaca_eval_gpt4_baseline.json")
ARENA = "lmarena-ai/arena-hard-auto"
JUDGE = ("--judge-model", "openai:judge", "--json")


@pytest.fixture
def cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def compared(
    capsys: pytest.CaptureFixture[str], server: LoopbackJudge, *job: str
) -> tuple[dict[str, Any], str]:
    assert cli.run(["compare", *job, *JUDGE, "--base-url", server.url]) == 0
    said = capsys.readouterr()
    document: dict[str, Any] = json.loads(said.out)
    return document, said.err


def alpaca(name: str, *strengths: int) -> list[dict[str, str]]:
    """A row an instruction, in AlpacaEval's columns."""
    return [
        {
            "dataset": "small",
            "instruction": f"Ask {i}.",
            "output": f"{name} strength {n}",
            "generator": name,
        }
        for i, n in enumerate(strengths)
    ]


def test_alpaca_eval_compares_with_its_recorded_baseline(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched(cache, *ALPACA, *alpaca("old", 5, 5, 5))
    for name, strength in (("mine", 9), ("other", 1)):
        Path(f"{name}.json").write_text(json.dumps(alpaca(name, *[strength] * 3)))
    kept = Path(".sami-eval/baselines")
    with LoopbackJudge() as server:
        before = sorted(Path().rglob("*"))
        compared(capsys, server, "mine.json", "--task", "alpaca_eval", "--dry-run")
        assert sorted(Path().rglob("*")) == before
        (kept / "of-long-ago").mkdir(parents=True)
        os.utime(kept / "of-long-ago", (1e9, 1e9))
        document, said = compared(capsys, server, "mine.json", "--task", "alpaca_eval")
        assert len(list(kept.iterdir())) == 1
        pair, _ = compared(
            capsys, server, "mine.json", "other.json", "--task", "alpaca_eval", "--against", "none"
        )
    assert "against task `alpaca_eval`'s baseline `gpt4_1106_preview`, answers of old" in said
    assert document["against"] == "gpt4_1106_preview"
    assert (document["judge"], document["rule"]) == ("choice", "average")
    assert document["settings"]["max_tokens"] == 4096
    row = document["comparisons"][0]
    assert (row["a"], row["b"], row["n_questions"]) == ("mine", "gpt4_1106_preview", 3)
    assert row["win_rate"] > 0.5
    ids = [one.id for one in read_prompts(Path(document["run"], "prompts.jsonl"))]
    assert ids == [text_id(f"Ask {i}.") for i in range(3)]
    assert (pair["against"], len(pair["comparisons"])) == (None, 1)
    assert pair["comparisons"][0]["b"] == "other"


def test_a_baseline_without_all_answers_is_refused_before_anything_is_asked(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched(cache, *ALPACA, *alpaca("old", 5, 5))
    write_rows("q.jsonl", {"id": "mine", "category": "x", "turns": ["Mine?"]})
    write_rows("a.jsonl", {"prompt_id": "mine", "model": "a", "turns": ["Yes."]})
    job = ["compare", "a.jsonl", "--task", "alpaca_eval", "--prompts", "q.jsonl", *JUDGE]
    assert cli.run(job) == 2
    said = capsys.readouterr().err
    assert (
        "baseline `gpt4_1106_preview` answers 0 of 1 questions; without an answer: `mine`" in said
    )
    assert "--against none" in said


def arena(uid: str, model: str, strength: int) -> dict[str, object]:
    said = {"role": "assistant", "content": {"answer": f"# {model}\n\nstrength {strength}"}}
    return {"uid": uid, "model": model, "messages": [{"role": "user", "content": "?"}, said]}


def grades(body: dict[str, Any]) -> Answer:
    """Far better by five points or more, else somewhat."""
    text = body["messages"][-1]["content"]
    a, b = map(int, re.findall(r"(?:<<<answer [AB]>>>|begins).*?strength (\d+)", text, re.S))
    said = "A=B" if a == b else ("A" if a > b else "B") + (">>" if abs(a - b) > 4 else ">")
    said += {"A": "B", "B": "A"}[said[0]] if said != "A=B" else ""
    return 200, {}, completion(f"So it is. [[{said}]]")


def test_arena_hard_has_a_baseline_a_category_and_controls_for_style(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uids = {"h1": "hard_prompt", "h2": "hard_prompt", "c1": "creative_writing"}
    asked = [
        {"uid": uid, "category": of, "subcategory": "x", "prompt": f"{uid}?"}
        for uid, of in uids.items()
    ]
    place = "data/arena-hard-v2.0"
    fetched(cache, ARENA, f"{place}/question.jsonl", *asked)
    for model, strength in (("o3-mini-2025-01-31", 4), ("gemini-2.0-flash-001", 9)):
        rows = [arena(uid, model, strength) for uid in uids]
        fetched(cache, ARENA, f"{place}/model_answer/{model}.jsonl", *rows)
    write_rows("mine.jsonl", *(arena(uid, "mine", 10) for uid in uids))
    with LoopbackJudge(Behaviour(script=grades)) as server:
        document, said = compared(capsys, server, "mine.jsonl", "--task", "arena_hard_v2")
    whose = "o3-mini-2025-01-31 (hard_prompt), gemini-2.0-flash-001 (creative_writing)"
    assert f"answers of {whose}" in said
    assert (document["judge"], document["rule"]) == ("graded", "average")
    row = document["comparisons"][0]
    assert row["style"] is not None
    verdicts = Path(document["run"], "verdicts.jsonl").read_text().splitlines()
    graded = {(one["prompt_id"], one["grade"]) for one in map(json.loads, verdicts)}
    assert graded == {("h1", 3), ("h2", 3), ("c1", 1)}  # 10 to 4, and 10 to 9
    for name, text in (("config/v2.yaml", ARENA_CONFIG), ("utils/judge_utils.py", UTILS)):
        Path(name).parent.mkdir()
        text = text.replace('"hard"', '"hard_prompt"').replace('"soft"', '"creative_writing"')
        Path(name).write_text(text)
    job = ("mine.jsonl", "--task", "arena_hard_v2", "--judge-prompts", "config/v2.yaml")
    with LoopbackJudge(Behaviour(script=grades)) as server:
        theirs, _ = compared(capsys, server, *job)
    assert (theirs["judge"], theirs["comparisons"][0]["wins"]) == ("arena-hard", row["wins"])
    systems = [call.body["messages"][0]["content"] for call in server.calls]
    assert sorted(systems) == ["Be hard.\nReally."] * 4 + ["Be soft."] * 2


def test_wild_bench_gives_the_conversation_and_asks_its_last_message(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [("user", "Hm."), ("assistant", "")]  # somebody's model had nothing to say
    said += [("user", "Name a river."), ("assistant", "The Aare."), ("user", "Another.")]
    rows = [
        {
            "session_id": f"w{n}",
            "conversation_input": [{"role": role, "content": text} for role, text in said[5 - n :]],
            "checklist": ["Is it a river?"],
            "primary_tag": "Coding & Debugging",
            "references": {"gpt-4": "The Emme."},
        }
        for n in (1, 3, 5)
    ]
    write_rows("rows.jsonl", *rows)
    for name, strength in (("mine", 9), ("old", 1)):
        output = [f"{name} strength {strength}"]
        answers = [
            {"session_id": n, "output": output, "generator": name} for n in ("w1", "w3", "w5")
        ]
        write_rows(f"{name}.jsonl", *answers)
    job = ("mine.jsonl", "old.jsonl", "--against", "old", "--task", "wildbench")
    with LoopbackJudge(Behaviour(script=grades)) as server:
        document, _ = compared(capsys, server, *job, "--prompts", "rows.jsonl")
    prompts = read_prompts(Path(document["run"], "prompts.jsonl"))
    assert [one.turns for one in prompts] == [("Another.",)] * 3
    given = ("Name a river.", "The Aare.")
    assert [one.history for one in prompts] == [(), given, ("Hm.", "", *given)]
    assert {one.category for one in prompts} == {"Coding & Debugging"}
    shown = [call.body["messages"][-1]["content"] for call in server.calls]
    assert all("1. Is it a river?" in text for text in shown)
    assert sum("The Aare." in text for text in shown) == 4
    assert (document["against"], document["comparisons"][0]["wins"]) == ("old", 3)
