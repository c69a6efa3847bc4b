"""Answers that are not generated here: by a server, or recorded before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Prompt, Response
from sami_eval.data.answers import write_answers
from sami_eval.generate import EngineChoice, GenerateSettings, respond
from sami_eval.generate.models import resolve_all
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, error
from tests.records import write_rows

PROMPTS = [Prompt("1", "math", ("one", "two")), Prompt("2", "math", ("three",))]
QUICK = ClientSettings(timeout_s=30, max_retries=1, backoff_s=0.001, max_backoff_s=0.002)
SETTINGS = GenerateSettings(engine=EngineChoice(client=QUICK))


def echo(body: dict[str, Any]) -> Answer:
    """Says the last message and how many came before it."""
    messages = body["messages"]
    return 200, {}, completion(f"{messages[-1]['content']} after {len(messages) - 1}")


def ask(url: str, folder: Path) -> list[Response]:
    models = resolve_all(["openai:m"], config=Config(folder), base_url=url)
    with Ledger(folder / "l.db") as ledger:
        return respond(PROMPTS, models, SETTINGS, ledger, silent())["m"]


def test_a_server_answers_both_turns_and_is_asked_once(tmp_path: Path) -> None:
    with LoopbackJudge(Behaviour(script=echo)) as server:
        first = ask(server.url, tmp_path)
        again = ask(server.url, tmp_path)
        assert server.n_calls == 3
    assert [response.turns for response in first] == [
        ("one after 0", "two after 2"),
        ("three after 0",),
    ]
    assert first == again


def test_what_a_server_did_not_answer_is_asked_again_by_a_rerun(tmp_path: Path) -> None:
    ill = True

    def script(body: dict[str, Any]) -> Answer:
        if ill and body["messages"][-1]["content"] == "three":
            return 500, {}, error("out of order")
        return echo(body)

    with LoopbackJudge(Behaviour(script=script)) as server:
        with pytest.raises(SamiEvalError, match="1 of 2 requests failed: API failure: 500"):
            ask(server.url, tmp_path)
        ill, before = False, server.n_calls
        ask(server.url, tmp_path)
        assert server.n_calls - before == 2  # "three", and the second turn


def test_a_filtered_answer_is_empty_and_said(tmp_path: Path) -> None:
    said: list[str] = []

    def script(body: dict[str, Any]) -> Answer:
        if body["messages"][-1]["content"] == "three":
            return 200, {}, completion("", "content_filter")
        return echo(body)

    class Listening(type(silent())):  # type: ignore[misc]
        def say(self, text: str) -> None:
            said.append(text)

    with LoopbackJudge(Behaviour(script=script)) as server:
        models = resolve_all(["openai:m"], config=Config(tmp_path), base_url=server.url)
        with Ledger(tmp_path / "l.db") as ledger:
            responses = respond(PROMPTS, models, SETTINGS, ledger, Listening())["m"]
    assert responses[1].turns == ("",)
    assert said[1:] == ["1 empty answers of `m`: content filter"]


def record(path: Path, *responses: Response) -> str:
    write_answers(path, responses)
    return str(path)


def test_recorded_answers_are_matched_by_prompt(tmp_path: Path) -> None:
    two, one = Response("1", "sft", ("a", "b")), Response("2", "sft", ("c",))
    spec = record(tmp_path / "r.jsonl", one, two, Response("9", "sft", ("unasked",)))
    models = resolve_all([spec], config=Config(tmp_path))
    with Ledger(tmp_path / "l.db") as ledger:
        assert respond(PROMPTS, models, GenerateSettings(), ledger, silent()) == {"sft": [two, one]}


def test_a_file_of_two_models_is_two_contenders(tmp_path: Path) -> None:
    rows = [Response(p.id, name, ("x",)) for name in ("sft", "dpo") for p in PROMPTS]
    models = resolve_all([record(tmp_path / "r.jsonl", *rows)], config=Config(tmp_path))
    assert [model.name for model in models] == ["sft", "dpo"]
    with Ledger(tmp_path / "l.db") as ledger:
        by_model = respond(PROMPTS, models, GenerateSettings(), ledger, silent())
    assert {name: len(responses) for name, responses in by_model.items()} == {"sft": 2, "dpo": 2}


def test_a_renamed_record_keeps_its_answers(tmp_path: Path) -> None:
    spec = record(tmp_path / "r.jsonl", *(Response(p.id, "sft", ("x",)) for p in PROMPTS))
    models = [replace(model, name="mine") for model in resolve_all([spec], config=Config(tmp_path))]
    with Ledger(tmp_path / "l.db") as ledger:
        responses = respond(PROMPTS, models, GenerateSettings(), ledger, silent())["mine"]
    assert [response.model for response in responses] == ["mine", "mine"]


def test_a_record_without_a_question_is_refused(tmp_path: Path) -> None:
    models = resolve_all(
        [record(tmp_path / "r.jsonl", Response("1", "sft", ("a", "b")))], config=Config(tmp_path)
    )
    with Ledger(tmp_path / "l.db") as ledger, pytest.raises(UsageError) as caught:
        respond(PROMPTS, models, GenerateSettings(), ledger, silent())
    assert "answers 1 of 2 questions" in caught.value.message
    assert "`2`" in caught.value.message


def test_fastchats_samples_stay_apart(tmp_path: Path) -> None:
    choices = [{"index": 0, "turns": ["a", "b"]}, {"index": 1, "turns": ["c", "d"]}]
    rows = [{"question_id": i, "model_id": "m", "choices": choices} for i in (1, 2)]
    path = tmp_path / "m.jsonl"
    write_rows(path, *rows)
    models = resolve_all([str(path)], config=Config(tmp_path))
    with Ledger(tmp_path / "l.db") as ledger:
        responses = respond(PROMPTS, models, GenerateSettings(), ledger, silent())["m"]
    assert [(r.prompt_id, r.sample, r.turns) for r in responses] == [
        ("1", 0, ("a", "b")),
        ("1", 1, ("c", "d")),
        ("2", 0, ("a",)),
        ("2", 1, ("c",)),
    ]
