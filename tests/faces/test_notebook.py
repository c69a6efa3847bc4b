"""The faces in a notebook's kernel, which runs an event loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import Kernel, kernel
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import count
from tests.records import write_records

pytestmark = pytest.mark.slow  # imports again in a kernel: seconds
N_CALLS = 80


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    write_records(folder, 20)
    return folder


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Kernel]:
    with kernel(place) as one:
        one.run("import os\nos.environ.pop('OPENAI_API_KEY', None)\nimport sami_eval")
        yield one


def asked(url: str) -> str:
    return (
        "result = sami_eval.compare('one.jsonl', 'two.jsonl', prompts='q.jsonl', judge='quality', "
        f"judge_model='openai:loopback', base_url='{url}', concurrency=4)\nresult"
    )


def test_a_cell_is_interrupted_keeps_what_was_answered_and_goes_on(
    running: Kernel, place: Path
) -> None:
    interrupted = []

    def interrupt(message: dict[str, Any]) -> None:
        if not interrupted and "judging" in str(message["content"]) and count(place, "replies"):
            interrupted.append(True)
            running.manager.interrupt_kernel()

    with LoopbackJudge(Behaviour(latency_s=0.1)) as server:
        first = running.run(asked(server.url), interrupt)
        assert (first.status, first.error) == ("error", "KeyboardInterrupt")
        stored = count(place, "replies")
        assert 0 < stored < N_CALLS
        second = running.run(asked(server.url))
        assert second.status == "ok"
        assert second.value.startswith("undecided between one and two")
    assert running.run("result['calls']").value == str(
        {"made": N_CALLS - stored, "from_ledger": stored}
    )


def test_progress_is_one_output_that_is_written_over(running: Kernel, place: Path) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.02)) as server:
        ran = running.run(asked(server.url).replace("concurrency=4", "repeats=3"))
    assert len(ran.of_kind("display_data")) == 1
    updates = ran.of_kind("update_display_data")
    assert 1 < len(updates) < 100
    assert "judging 240/240 in" in updates[-1]["data"]["text/html"]
    assert ran.of_kind("stream") == []


def test_a_mistake_is_its_message_and_its_hint(running: Kernel) -> None:
    ran = running.run("sami_eval.compare('one.jsonl', 'two.jsonl', limt=3)")
    assert (ran.status, ran.error) == ("error", "UsageError")
    (shown,) = ran.of_kind("error")
    assert shown["traceback"] == [
        *("UsageError: compare has no setting `limt`", "", "hint: did you mean `limit`?")
    ]
    assert running.run("1 + 1").value == "2"


def test_a_result_is_shown_as_tables(running: Kernel) -> None:
    ran = running.run("sami_eval.show()")
    (shown,) = ran.of_kind("execute_result")
    assert "<table>" in shown["data"]["text/html"]
    assert "<script" not in shown["data"]["text/html"]


def test_an_editor_completes_every_setting(running: Kernel) -> None:
    code = "sami_eval.compare('one.jsonl', retry_"
    reply = running.client.complete(code, len(code), reply=True, timeout=60)
    assert "retry_unparsed=" in reply["content"]["matches"]
