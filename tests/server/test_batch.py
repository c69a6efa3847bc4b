"""`--batch` through the command line: the same table at half the price, and nothing asked twice."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.judge.test_thinking_judge import LONG, SECRET, thinker
from tests.loopback_batches import Job, LoopbackBatches
from tests.loopback_judge import Answer, Behaviour, completion, draw, reply_text
from tests.processes import start
from tests.records import write_records

PRICES = '[prices."loopback"]\ninput = 2.0\noutput = 10.0\nbatch = 0.5\n'
JUDGE = ["--judge", "quality", "--judge-model", "openai:loopback"]
RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl"]
N_CALLS = 24  # 6 questions x 2 turns x 2 orders
MIXED = Behaviour(better_rate=0.8, first_rate=0.2, tie_rate=0.1)


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two records over 6 questions of two turns, and the judge's price."""
    write_records(folder, 6, one=9, two=1)
    Path("sami-eval.toml").write_text(PRICES)
    return folder


def judged(server: LoopbackBatches, *more: str) -> int:
    return cli.run([*RECORDS, *JUDGE, "--base-url", server.url, "--json", *more])


def figures(text: str) -> dict[str, Any]:
    """What a comparison says, without what tells one run from another."""
    document = json.loads(text)
    return {name: document[name] for name in ("comparisons", "ranking", "tokens", "judges")}


def without_cost(found: dict[str, Any]) -> dict[str, Any]:
    judges = [
        {k: v for k, v in row.items() if k not in ("cost_usd", "price")} for row in found["judges"]
    ]
    return {**found, "judges": judges}


def test_a_comparison_by_batch_is_the_same_as_one_without_at_half_the_price(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with LoopbackBatches(MIXED) as server:
        assert judged(server, "--batch") == 0
        by_batch = capsys.readouterr()
        assert [len(job.rows) for job in server.jobs] == [N_CALLS]
        assert server.live == []
        # The same ledger without the flag: the keys are those of calls.
        assert judged(server) == 0
        assert server.live == []
        capsys.readouterr()
        elsewhere = tmp_path_factory.mktemp("live")
        monkeypatch.chdir(elsewhere)
        write_records(elsewhere, 6, one=9, two=1)
        Path("sami-eval.toml").write_text(PRICES)
        assert judged(server) == 0
        assert len(server.live) == N_CALLS
    live = capsys.readouterr().out
    assert without_cost(figures(by_batch.out)) == without_cost(figures(live))
    (cost,) = [row["cost_usd"] for row in figures(by_batch.out)["judges"]]
    assert cost == pytest.approx(figures(live)["judges"][0]["cost_usd"] / 2)
    assert "`batch_0`: in progress, 0 of 24 done" in by_batch.err
    assert "`batch_0`: completed, 24 of 24 done" in by_batch.err


@pytest.mark.parametrize("state", ["expired", "cancelled"])
def test_a_partial_job_is_used_and_the_rest_handed_in_again(
    folder: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    with LoopbackBatches(courses={0: (state,)}) as server:  # it has ended when it is first seen
        assert judged(server, "--batch") == 0
        first, second = server.jobs
        again = {row["custom_id"] for row in second.rows}
        assert 0 < len(again) < N_CALLS
        assert again < {row["custom_id"] for row in first.rows}
        assert sum(server.asked.values()) == N_CALLS + len(again)
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["wins"] == 12


def test_a_job_cancelled_while_it_is_waited_for_ends_the_run_and_the_next_asks_the_rest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(courses={0: ("in_progress", "cancelled")}) as server:
        assert judged(server, "--batch") == 1
        error = capsys.readouterr().err
        assert "`batch_0` was cancelled: " in error
        assert "of 24 requests have no answer" in error
        assert judged(server, "--batch") == 0
        assert len(server.jobs) == 2
    assert json.loads(capsys.readouterr().out)["calls"]["from_ledger"] > 0


def test_rows_that_fail_are_asked_again_three_times_and_then_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fate(number: int, body: Mapping[str, Any]) -> str:
        lot = draw(body["messages"])
        if lot < 0.3:
            return "status 500 the server stumbled"
        return ("missing" if lot < 0.6 else "status 0") if number == 0 else "answered"

    with LoopbackBatches(fate=fate) as server:
        assert judged(server, "--batch") == 1  # more than 2% without a verdict
        assert len(server.jobs) == 3
        assert {*server.asked.values()} == {2, 3}
        lasting = sum(n == 3 for n in server.asked.values())
    found = json.loads(capsys.readouterr().out)
    assert 0 < lasting < N_CALLS
    assert found["calls"] == {"made": N_CALLS - lasting, "from_ledger": 0, "failed": lasting}


def test_a_refused_parameter_is_left_out_of_the_next_job_and_known_to_later_calls(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fate(number: int, body: Mapping[str, Any]) -> str:
        if "max_tokens" in body:
            return "status 400 Unsupported parameter: 'max_tokens' is not supported"
        return "answered"

    with LoopbackBatches(fate=fate) as server:
        assert judged(server, "--batch") == 0
        assert len(server.jobs) == 2
        assert "max_completion_tokens" in server.jobs[1].rows[0]["body"]
        assert judged(server) == 0  # the keys are those of calls in that dialect
        assert judged(server, "--batch", "--repeats", "2") == 0
        assert len(server.jobs) == 3  # asked as the ledger knows it wants to be
        assert "max_completion_tokens" in server.jobs[2].rows[0]["body"]
        assert server.live == []


def test_a_full_queue_is_met_by_smaller_jobs_one_at_a_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    with LoopbackBatches(courses={0: ("failed",), 1: ("failed",)}, why=why) as server:
        assert judged(server, "--batch") == 0
        assert [len(job.rows) for job in server.jobs] == [24, 12, 6, 6, 6, 6]
    assert "one job of 6 at a time" in capsys.readouterr().err


def test_a_job_that_fails_twice_ends_the_run_in_the_vendors_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = [{"code": "model_not_found", "message": "no such model"}]
    with LoopbackBatches(course=("failed",), why=why) as server:
        assert judged(server, "--batch") == 1
        assert len(server.jobs) == 2
    error = capsys.readouterr().err
    assert "`batch_1` failed: model_not_found: no such model" in error


def test_a_job_whose_beginning_was_not_seen_is_found_and_not_begun_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hook(event: str, job: Job) -> None:
        if event == "created":
            raise ConnectionError  # after it was taken in

    with LoopbackBatches(hook=hook) as server:
        assert judged(server, "--batch") == 0
        assert len(server.jobs) == 1
        assert server.events["listed"] == 1
    assert "had begun: it is `batch_0`" in capsys.readouterr().err


def test_all_judges_jobs_are_handed_in_before_any_is_waited_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[int] = []

    def hook(event: str, job: Job) -> None:
        if event == "looked":
            begun.append(len(server.jobs))

    with LoopbackBatches(hook=hook) as server:
        write_records(folder, 6, one=9, two=1, three=4)
        more = ["three.jsonl", "--judge-model", "openai:other", "--batch"]
        assert judged(server, *more) == 0
        # One job a model: three pairs of two judges.
        assert [len(job.rows) for job in server.jobs] == [3 * N_CALLS, 3 * N_CALLS]
        assert set(begun) == {2}
        assert server.events["read"] == 4  # answers and errors of both, once
    found = json.loads(capsys.readouterr().out)
    assert found["calls"]["made"] == 6 * N_CALLS
    assert [row["calls"]["made"] for row in found["judges"]] == [3 * N_CALLS] * 2


def test_retry_unparsed_asks_again_by_a_job_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED, says={0: "no verdict"}) as server:
        assert judged(server, "--batch") == 1
        assert judged(server, "--batch") == 1  # stored as it is
        assert len(server.jobs) == 1
        assert judged(server, "--batch", "--retry-unparsed") == 0
        assert [len(job.rows) for job in server.jobs] == [N_CALLS, N_CALLS]


def test_max_cost_reckons_at_the_price_of_batches_and_goes_on_with_what_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED) as server:
        assert judged(server, "--batch", "--max-cost", "0.0001") == 1
        assert "`--max-cost 0.0001`" in capsys.readouterr().err
        assert server.jobs == []
        # 24 calls of at most 2,048 tokens out: $0.51 without batches, half of it with.
        assert judged(server, "--batch", "--max-cost", "0.15") == 0
        assert len(server.jobs) == 2
        assert {*server.asked.values()} == {1}
    assert json.loads(capsys.readouterr().out)["cost_usd"] < 0.15


def test_a_server_without_batches_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackBatches(has_batches=False) as server:
        assert judged(server, "--batch") == 2
    assert "takes no batch jobs" in capsys.readouterr().err


def test_batches_are_for_models_at_servers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*RECORDS, "--judge", "rules", "--batch"]) == 2
    assert "`--batch` is for models at servers" in capsys.readouterr().err
    assert cli.run([*RECORDS, *JUDGE, "--batch", "--batch-file"]) == 2
    assert "two ways to ask" in capsys.readouterr().err


def test_jobs_are_listed_and_cancelled_by_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["ls", "batches", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batches"] == []

    with LoopbackBatches(courses={0: ("in_progress",) * 99}) as server:
        killed_at(server, "looked", 2, folder)
        assert cli.run(["ls", "batches", "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["batches"]
        assert row == {
            "batch": "batch_0",
            "state": "in_progress",
            "requests": "24",
            "model": "loopback",
            "where": server.url,
        }
        assert cli.run(["cancel", "batch_0"]) == 0
        assert "is being cancelled" in capsys.readouterr().out
        assert cli.run(["cancel", "batch_9"]) == 2
        assert judged(server, "--batch") == 0  # reads what it answered, asks the rest
        assert len(server.jobs[1].rows) < N_CALLS


def leave_a_job(server: LoopbackBatches, capsys: pytest.CaptureFixture[str]) -> None:
    """A job of all judgments, left by a command that ended before it."""
    server.hidden = True
    assert judged(server, "--batch") == 4
    server.hidden = False
    capsys.readouterr()


def test_without_the_flag_nothing_is_called_for_that_a_job_has(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED) as server:
        leave_a_job(server, capsys)
        assert judged(server) == 2
        error = capsys.readouterr().err
        assert "24 requests are in batch job `batch_0` (validating): a call would pay" in error
        assert "hint: --batch reads it; `sami-eval cancel batch_0` gives it up" in error
        write_records(folder, 6, one=9, two=1, three=4)  # a third contender has no job
        assert judged(server, "three.jsonl") == 2
        assert server.live == []
        at = ["--base-url", server.url, "--dry-run"]
        assert cli.run([*RECORDS, *JUDGE, *at]) == 0
        assert (
            "`batch_0` (validating); without --batch the run would stop" in capsys.readouterr().out
        )
        assert judged(server, "--batch") == 0
        assert judged(server) == 0
        assert server.live == []


def test_who_cancels_a_job_may_call_and_is_told_what_is_left_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED) as server:
        leave_a_job(server, capsys)
        assert cli.run(["cancel", "batch_0"]) == 0
        capsys.readouterr()
        assert judged(server) == 0
        assert len(server.live) == N_CALLS
    said = "`batch_0` was cancelled: what it answered all the same is read by --batch alone"
    assert capsys.readouterr().err.count(said) == 1


def test_a_job_that_its_vendor_does_not_know_keeps_nobody_from_calling(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED) as server:
        leave_a_job(server, capsys)
        server.has_batches = False
        assert cli.run(["cancel", "batch_0"]) == 0
        assert "is unknown at" in capsys.readouterr().out
        assert judged(server) == 0
        assert len(server.live) == N_CALLS


def stored_replies(folder: Path) -> int:
    with closing(sqlite3.connect(folder / ".sami-eval" / "ledger.db")) as db:
        (n,) = db.execute("SELECT count(*) FROM replies WHERE judge = 'quality'").fetchone()
        return int(n)


def test_files_are_deleted_at_the_vendor_once_all_of_them_is_stored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored: list[int] = []

    def hook(event: str, job: Job) -> None:
        if event == "deleted":
            stored.append(stored_replies(folder))

    with LoopbackBatches(MIXED, hook=hook) as server:
        leave_a_job(server, capsys)
        assert judged(server, "--batch", "--limit", "3") == 0  # half of what the job has
        assert server.deleted == []
        assert judged(server, "--batch") == 0
        assert server.deleted == ["file-0", "answers-of-batch_0", "errors-of-batch_0"]
        assert len(server.jobs) == 1
    assert stored == [N_CALLS] * 3
    assert "lie at" not in capsys.readouterr().err


def test_a_file_that_is_not_deleted_is_a_note(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(MIXED, keeps_files=True) as server:
        assert judged(server, "--batch") == 0
        assert server.events["deleted"] == 3
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "`batch_0` lie at" in one]
    assert line.endswith("still: 500: not now")


def cluster(*urls: str) -> None:
    listed = ", ".join(f'"{url}"' for url in urls)
    Path("sami-eval.toml").write_text(f"{PRICES}[servers.ours]\nbase_url = [{listed}]\n")


def test_a_job_goes_to_the_next_replica_where_one_takes_none_and_is_read_where_it_went(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*RECORDS, "--judge", "quality", "--judge-model", "ours:loopback", "--batch"]
    with LoopbackBatches(has_batches=False) as without, LoopbackBatches(MIXED) as server:
        cluster(without.url, server.url)
        server.hidden = True
        assert cli.run(asked) == 4
        said = capsys.readouterr().err
        assert f"replica {without.url} of `loopback` is left out" in said
        assert f"at {server.url}, one of 2 addresses" in said
        server.hidden = False
        cluster(without.url)  # the job is where it went
        assert cli.run(asked) == 0
        assert [len(job.rows) for job in server.jobs] == [N_CALLS]
        assert server.live == without.live == []


def test_a_tier_of_its_vendors_is_refused_beside_batch_jobs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = '[models.cheap]\nbase = "openai:loopback"\nrequest = {{ service_tier = "{}" }}\n'
    asked = [*RECORDS, "--judge", "quality", "--judge-model", "cheap", "--batch"]
    asked += ["--base-url", "http://127.0.0.1:9/v1"]
    for more in ([], ["--dry-run"]):
        Path("sami-eval.toml").write_text(PRICES + table.format("flex"))
        assert cli.run([*asked, *more]) == 2
        assert "`service_tier = flex`, and `--batch` is a tier" in capsys.readouterr().err
    Path("sami-eval.toml").write_text(PRICES + table.format("default"))
    with LoopbackBatches(MIXED) as server:
        assert cli.run([*asked, "--base-url", server.url]) == 0


def test_a_dry_run_says_which_price_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(config: str, *more: str) -> str:
        Path("sami-eval.toml").write_text(config)
        cli.run([*RECORDS, *JUDGE, "--base-url", "http://127.0.0.1:9/v1", *more])
        found = capsys.readouterr()
        return " ".join((found.out + found.err).split())

    calls = PRICES.replace("batch = 0.5\n", "")
    lacking = '[prices."loopback"] of sami-eval.toml has no `batch`'
    assert f"cost not known: {lacking}" in said(calls, "--batch", "--dry-run")
    assert f"the price of `loopback`: {lacking}" in said(calls, "--batch", "--max-cost", "1")
    assert "cost at most $" in said(calls, "--dry-run")
    assert 'sami-eval.toml has no [prices."loopback"]' in said("", "--batch", "--dry-run")


def test_a_judge_that_thinks_gets_room_in_its_next_job(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackBatches(thinker("reasoning_content")) as server:
        assert judged(server, "--batch", "--out", "run") == 0
        # All of the first job is cut; the second has room, and the next run knows.
        rooms = [{row["body"]["max_tokens"] for row in job.rows} for job in server.jobs]
        assert rooms == [{2048}, {2048 + 8192}]
        document = json.loads(capsys.readouterr().out)
        assert judged(server, "--batch", "--repeats", "2") == 0
        assert {row["body"]["max_tokens"] for row in server.jobs[2].rows} == {2048 + 8192}
        assert len(server.jobs) == 3
    assert document["comparisons"][0]["win_rate"] == 1
    # Of the cut ones the tokens are paid, too, at half of 2 and 10 USD a million.
    written = N_CALLS * (2048 + LONG + 20)
    assert document["cost_usd"] == pytest.approx((2 * N_CALLS * 100 * 1 + written * 5) / 1e6)
    verdicts = [json.loads(line) for line in Path("run/verdicts.jsonl").read_text().splitlines()]
    assert {one["thoughts"] for one in verdicts} == {SECRET}
    assert not any(SECRET in one["text"] for one in verdicts)


def test_a_context_without_place_for_room_is_asked_without_in_a_job_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: dict[str, Any]) -> Answer:
        if body["max_tokens"] > 4096:
            words = b'{"error": {"message": "This model\'s maximum context length is 4096 tokens"}}'
            return 400, {}, words
        if not server.jobs[1:]:
            return 200, {}, completion("", "length", reasoning=SECRET)
        return 200, {}, completion(reply_text(body["messages"], Behaviour()), reasoning=SECRET)

    with LoopbackBatches(Behaviour(script=script)) as server:
        assert judged(server, "--batch") == 0
        rooms = [{row["body"]["max_tokens"] for row in job.rows} for job in server.jobs]
        assert rooms == [{2048}, {2048 + 8192}, {2048}]
        found = json.loads(capsys.readouterr().out)["comparisons"][0]
        assert (found["win_rate"], found["too_long"]) == (1, 0)
        assert judged(server, "--batch") == 0
        assert len(server.jobs) == 3


def killed_at(
    server: LoopbackBatches,
    event: str,
    at: int,
    folder: Path,
    wait_s: float = 0,
    at_most_s: float = 60,
) -> None:
    """Run the comparison in a process of its own, and SIGKILL it when an event has come so often.

    wait_s: later than the event by so much. Before its answer is sent, without.
    at_most_s: killed after so long in any case.
    """
    hook, gone = server.hook, threading.Event()
    process = start(folder, [*RECORDS, *JUDGE, "--base-url", server.url, "--batch", "-q"])
    seen = Counter[str]()

    def kill(happened: str, job: Job) -> None:
        seen[happened] += 1
        if happened == event and seen[event] == at:
            time.sleep(wait_s)
            process.kill()
            process.wait()
            gone.set()

    server.hook = kill
    try:
        process.wait(at_most_s)
    except subprocess.TimeoutExpired:  # where the event does not come
        process.kill()
        process.wait()
        gone.set()
    assert gone.wait(10) or process.returncode == 0
    server.hook = hook


@pytest.mark.parametrize("event", ["uploaded", "created", "looked", "read"])
def test_a_killed_run_finds_its_job_and_hands_nothing_in_twice(
    folder: Path, capsys: pytest.CaptureFixture[str], event: str
) -> None:
    with LoopbackBatches(MIXED) as server:
        killed_at(server, event, 1, folder)
        assert judged(server, "--batch") == 0
        assert {*server.asked.values()} == {1}
        assert sum(server.asked.values()) == N_CALLS
        assert server.events["created"] == 1
    assert json.loads(capsys.readouterr().out)["calls"]["made"] == N_CALLS


def next_event(server: LoopbackBatches, n_kills: int) -> str:
    """What the next run is sure to come to: by how far the last one got."""
    if n_kills < 5:
        return "uploaded"
    if not server.jobs:
        return "created"
    return "read" if server.jobs[0].state == "completed" else "looked"


@pytest.mark.slow
def test_fifty_kills_at_any_moment_hand_nothing_in_twice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lots, n_questions = random.Random(0), 100
    write_records(folder, n_questions, one=9, two=1)
    course = ("validating", *("in_progress",) * 30, "completed")  # fewer looks than kills
    with LoopbackBatches(MIXED, course=course) as server:
        for n_kills in range(50):
            event, wait_s = next_event(server, n_kills), lots.random() / 2
            killed_at(server, event, 1, folder, wait_s)
        assert server.jobs[0].state == "completed"
        assert judged(server, "--batch") == 0
        assert {*server.asked.values()} == {1}
        assert sum(server.asked.values()) == 4 * n_questions
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["n_questions"] == n_questions


@pytest.mark.slow
def test_two_thousand_judgments_give_the_same_table_with_and_without(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = []
    with LoopbackBatches(MIXED) as server:
        for more in (["--batch"], []):
            monkeypatch.chdir(place := tmp_path_factory.mktemp("asked"))
            write_records(place, 500, one=9, two=1)
            Path("sami-eval.toml").write_text(PRICES)
            assert judged(server, *more) == 0
            found.append(json.loads(capsys.readouterr().out))
        assert [len(job.rows) for job in server.jobs] == [2000] == [len(server.live)]
    by_batch, live = found
    assert by_batch["comparisons"] == live["comparisons"]
    assert by_batch["cost_usd"] == pytest.approx(live["cost_usd"] / 2)
