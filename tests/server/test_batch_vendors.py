"""Batch jobs in other forms than OpenAI's: Anthropic's, Gemini's, and files for vLLM."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.server.batch import kinds
from sami_eval.server.batch.messages import native
from tests.loopback_batches import Job, LoopbackBatches
from tests.loopback_judge import Behaviour, completion, draw, reply_text
from tests.records import write_records, write_rows

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
N_CALLS = 16  # 4 questions x 2 turns x 2 orders


@pytest.fixture
def folder(folder: Path) -> Path:
    write_records(folder, 4, one=9, two=1)
    return folder


def judged(
    server: LoopbackBatches, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, *more: str
) -> int:
    """A comparison judged at a server of one's own that is asked as a vendor's would be."""
    monkeypatch.setitem(kinds.KINDS, server.host, kind)
    monkeypatch.setenv("THEIR_KEY", "key-of-theirs")
    url = f"http://{server.host}/{path}"
    Path("sami-eval.toml").write_text(
        f'[servers.them]\nbase_url = "{url}"\nkey = "THEIR_KEY"\n'
        '[prices."loopback"]\ninput = 2.0\noutput = 10.0\nbatch = 0.5\n'
    )
    return cli.run([*RECORDS, "--judge-model", "them:loopback", "--json", *more])


def test_anthropics_batches_are_asked_in_its_own_form_and_with_its_own_header(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackBatches(Behaviour(better_rate=0.7)) as server:
        assert judged(server, monkeypatch, "anthropic", "v1", "--batch") == 0
        (job,) = server.jobs
        body = job.rows[0]["body"]
        assert {row["role"] for row in body["messages"]} == {"user"}
        assert body["max_tokens"] == 2048
        for headers in server.headers:
            assert headers["x-api-key"] == "key-of-theirs"
            assert headers["anthropic-version"] == "2023-06-01"
            assert "authorization" not in headers
        by_batch = json.loads(capsys.readouterr().out)
        # What calls to the compatible address are kept under.
        assert judged(server, monkeypatch, "anthropic", "v1") == 0
        assert server.live == []
    found = json.loads(capsys.readouterr().out)
    assert found["comparisons"] == by_batch["comparisons"]
    assert by_batch["tokens"] == {"prompt": 100 * N_CALLS, "completion": 10 * N_CALLS}


def test_a_message_is_asked_with_its_system_apart_and_without_what_messages_do_not_have() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "Be fair."}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
        "temperature": 0.0,
        "stop": ["\n"],
        "seed": 1,
        "thinking": {"type": "enabled", "budget_tokens": 8},
    }
    assert native(body) == {
        "model": "m",
        "system": "Be fair.",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.0,
        "stop_sequences": ["\n"],
        "thinking": {"type": "enabled", "budget_tokens": 8},
    }


def test_anthropics_results_are_read_by_their_kind(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fates = ["expired", "status 529 overloaded", "cancelled", "answered"]

    def fate(number: int, body: Mapping[str, Any]) -> str:
        return fates[int(4 * draw(body["messages"]))] if number == 0 else "answered"

    with LoopbackBatches(fate=fate) as server:
        write_records(folder, 12, one=9, two=1)
        assert judged(server, monkeypatch, "anthropic", "v1", "--batch") == 0
        assert len(server.jobs) == 2
        assert 0 < len(server.jobs[1].rows) < 48
    assert json.loads(capsys.readouterr().out)["calls"] == {"made": 48, "from_ledger": 0}


def test_a_message_batch_that_was_not_seen_to_begin_is_told_from_a_strangers_of_its_size(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(event: str, job: Job) -> None:
        if event == "created" and job.number == 0:
            strangers = [{**row, "custom_id": f"x{i}"} for i, row in enumerate(job.rows)]
            server.begin(strangers)  # younger, so it is looked at first
            raise ConnectionError

    with LoopbackBatches(hook=hook, course=("in_progress", "completed")) as server:
        assert judged(server, monkeypatch, "anthropic", "v1", "--batch") == 0
        assert [len(job.rows) for job in server.jobs] == [N_CALLS, N_CALLS]
        assert max(server.asked.values()) == 1
    assert "it is `batch_0`" in capsys.readouterr().err


def test_gemini_takes_files_by_googles_protocol_and_batches_by_openais(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(event: str, job: Job) -> None:
        if event == "created":
            raise ConnectionError  # found by its file: no mark goes with it

    with LoopbackBatches(hook=hook) as server:
        assert judged(server, monkeypatch, "gemini", "v1beta/openai", "--batch") == 0
        (job,) = server.jobs
        assert job.metadata is None
        assert job.file == "files/0"
        beside = [one for one in server.headers if "x-goog-api-key" in one]
        assert {one["x-goog-api-key"] for one in beside} == {"key-of-theirs"}
        assert [one.get("x-goog-upload-command") for one in beside] == [
            "start", "upload, finalize", None, None
        ]  # fmt: skip
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["wins"] == 8


def by_file(*more: str) -> int:
    at = ["--base-url", "http://127.0.0.1:9/v1", "--judge-model", "openai:org/judge"]
    return cli.run([*RECORDS, *at, "--json", "--batch-file", *more])


def test_a_file_for_vllm_is_written_then_read_by_the_same_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_file() == 1
    error = capsys.readouterr().err
    assert "16 requests wait in a file for vLLM" in error
    command = shlex.split(error.partition("hint: ")[2].partition(";")[0])
    assert command[:3] == ["vllm", "run-batch", "-i"]
    assert command[-2:] == ["--model", "org/judge"]
    path, out = Path(command[3]), Path(command[5])
    assert by_file() == 1  # and no second file is written
    assert list(path.parent.iterdir()) == [path]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == N_CALLS
    # As vLLM writes them, one of them broken off.
    answers = [
        {
            "id": "vllm-1",
            "custom_id": row["custom_id"],
            "response": {
                "status_code": 200,
                "request_id": "r",
                "body": json.loads(completion(reply_text(row["body"]["messages"], Behaviour()))),
            },
            "error": None,
        }
        for row in rows
    ]
    lines = [json.dumps(row) for row in reversed(answers)]
    capsys.readouterr()
    out.write_text("\n".join([*lines[:-1], lines[-1][:40]]))
    os.utime(out, (0, 0))
    assert by_file() == 1
    assert "1 requests wait in a file" in capsys.readouterr().err
    (left,) = [p for p in path.parent.glob("*.jsonl") if "answers" not in p.name and p != path]
    left.with_name(f"{left.stem}.answers.jsonl").write_text(lines[-1])
    assert by_file() == 0
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["wins"] == 8


def test_a_file_that_waits_is_forgotten_by_cancel(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_file() == 1
    capsys.readouterr()
    assert cli.run(["ls", "batches", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["batches"]
    assert row["state"] == "to be run"
    assert cli.run(["cancel", row["batch"]]) == 0
    assert "is forgotten" in capsys.readouterr().out
    assert not list(Path(".sami-eval/batches").iterdir())
    assert cli.run(["ls", "batches", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batches"] == []


def test_samples_and_contrasts_of_a_server_go_in_batch_jobs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(3)]
    Path("p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with LoopbackBatches() as server:
        asked = ["--base-url", server.url, "--batch"]
        passk = ["passk", "openai:loopback", "--prompts", "p.jsonl", "--k", "1,2", "--json"]
        assert cli.run([*passk, "--samples", "2", "--no-greedy", *asked]) in (0, 1)
        assert [len(job.rows) for job in server.jobs] == [6]
        assert len({row["body"]["seed"] for row in server.jobs[0].rows}) == 2
        questions = [{"question_id": i, "category": "x", "turns": [f"a{i}?"]} for i in range(3)]
        write_rows(Path("w.jsonl"), *questions)
        Path("c.toml").write_text(
            '[[principle]]\nid = "w.1"\ncategories = ["*"]\n'
            'weak = "a"\nstrong = "b"\nantithesis = "c"\n'
        )
        contrast = ["contrast", "--model", "openai:loopback", "--prompts", "w.jsonl", "-q"]
        assert cli.run([*contrast, "--constitutions", "c.toml", *asked]) in (0, 1)
        assert [len(job.rows) for job in server.jobs[1:]] == [6]
        assert server.live == []
        assert {*server.asked.values()} == {1}
