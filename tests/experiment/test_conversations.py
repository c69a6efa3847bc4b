"""Conversations of any length: three turns are answered and judged, and what is given is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.data.prompts import read_prompts
from tests.loopback_judge import LoopbackJudge
from tests.records import write_rows

GIVEN = ["Name a river.", "The Aare."]
QUESTIONS = [
    {"id": "long", "category": "writing", "turns": ["Sing.", "Louder.", "Softer."]},
    {
        "id": "given",
        "category": "writing",
        "turns": ["Another."],
        "history": GIVEN,
        "checklist": ["Is it a river?"],
    },
]
JOB = ["compare", "openai:talker", "one.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
JOB += ["--judge-model", "openai:judge", "-q", "--json"]


def asked(server: LoopbackJudge, model: str) -> list[list[dict[str, str]]]:
    return [call.body["messages"] for call in server.calls if call.body["model"] == model]


def run(capsys: pytest.CaptureFixture[str], server: LoopbackJudge, *flags: str) -> dict[str, Any]:
    said = ["Hm strength 90"] * 3
    rows = [{"prompt_id": "long", "model": "one", "turns": said}]
    rows += [{"prompt_id": "given", "model": "one", "turns": said[:1]}]
    write_rows("q.jsonl", *QUESTIONS)
    write_rows("one.jsonl", *rows)
    assert cli.run([*JOB, *flags, "--base-url", server.url]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_three_turns_and_a_given_conversation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        document = run(capsys, server)
    talks = [[one["content"] for one in messages] for messages in asked(server, "talker")]
    said = "I see no answers to compare."
    assert sorted(talks, key=len) == [
        ["Sing."],
        [*GIVEN, "Another."],
        ["Sing.", said, "Louder."],
        ["Sing.", said, "Louder.", said, "Softer."],
    ]
    assert len(asked(server, "judge")) == 2 * 4  # every turn in both orders
    row = document["comparisons"][0]
    assert (row["losses"], row["wins"]) == (4, 0)  # the record is stronger in every turn
    judged = [messages[-1]["content"] for messages in asked(server, "judge")]
    shown = [text for text in judged if "The Aare." in text and "Is it a river?" in text]
    assert len(shown) == 2
    assert read_prompts(Path(document["run"], "prompts.jsonl")) == read_prompts(Path("q.jsonl"))


def test_a_judge_that_cannot_show_what_was_said_is_refused_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["judge", "new", "strict"]) == 0
    with LoopbackJudge() as server:
        write_rows("q.jsonl", QUESTIONS[1])
        write_rows("one.jsonl", {"prompt_id": "given", "model": "one", "turns": ["x"]})
        job = [*JOB, "--base-url", server.url, "--judge", "strict"]
        assert cli.run(job) == 2
    assert not server.n_calls
    error = capsys.readouterr().err
    assert "prompt `given` follows 2 messages that judge `strict` does not show" in error
