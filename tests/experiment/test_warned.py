"""What makes a run's figures doubtful is said on stderr and kept in its document."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, reply_text
from tests.records import write_records

JOB = ["compare", "one.jsonl", "gpt-4.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two records over 10 questions in two categories."""
    write_records(folder, 10, **{"one": 9, "gpt-4": 1})
    return folder


def warned(
    capsys: pytest.CaptureFixture[str], behaviour: Behaviour, judge: str, *more: str
) -> list[str]:
    """The warnings of a comparison's document, which stderr holds, too, a line each."""
    with LoopbackJudge(behaviour) as server:
        asked = [*JOB, "--judge-model", f"openai:{judge}", "--base-url", server.url, *more]
        assert cli.run([*asked, "--json"]) == 0
    out, err = capsys.readouterr()
    warnings: list[str] = json.loads(out)["warnings"]
    said = [line for line in err.split("\n") if line.startswith("warning: ")]
    assert [f"warning: {one}" for one in warnings] == said
    return warnings


def test_a_run_without_doubts_has_no_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warned(capsys, Behaviour(), "loopback") == []


def test_a_judge_of_a_contenders_family_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (said,) = warned(capsys, Behaviour(), "gpt-4o-mini")
    assert "`gpt-4o-mini` is of the same family (OpenAI) as `gpt-4`" in said
    assert "`one`" not in said


def test_a_server_that_answers_as_another_model_in_mid_run_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = count()

    def changing(body: dict[str, Any]) -> Answer:
        row = json.loads(completion(reply_text(body["messages"], Behaviour())))
        row["model"] = "judge-1" if next(calls) < 9 else "judge-2"
        return 200, {}, json.dumps(row).encode()

    (said,) = warned(capsys, Behaviour(script=changing), "loopback", "--concurrency", "1")
    assert "judge `quality`: its server answered as 2 models in this run: judge-1, judge-2" in said


def test_a_judge_that_goes_by_position_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (said,) = warned(capsys, Behaviour(first_rate=1.0), "loopback")
    assert "`one` : `gpt-4`: 0% of turns got the same winner in both orders" in said
    assert cli.run(["show"]) == 0
    assert "0% of turns got the same winner" in " ".join(capsys.readouterr().out.split())


def test_categories_of_fewer_than_five_questions_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (said,) = warned(capsys, Behaviour(), "loopback", "--limit", "9")
    assert said == "fewer than 5 questions in a category: a 4"


def test_a_contender_whose_server_changes_is_said_by_passk(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = count()

    def changing(body: dict[str, Any]) -> Answer:
        row = json.loads(completion("#### 2"))
        row["model"] = f"m-{next(calls) % 2}"
        return 200, {}, json.dumps(row).encode()

    Path("p.jsonl").write_text('{"question": "1 + 1?", "answer": "#### 2"}\n' * 1)
    with LoopbackJudge(Behaviour(script=changing)) as server:
        job = ["passk", "openai:m", "--prompts", "p.jsonl", "--k", "1", "--samples", "4"]
        more = ["--base-url", server.url, "--concurrency", "1", "--json"]
        assert cli.run([*job, *more]) == 0
    out, err = capsys.readouterr()
    (said,) = json.loads(out)["warnings"]
    assert said == "`m`: its server answered as 2 models in this run: m-0, m-1"
    assert f"warning: {said}" in err
