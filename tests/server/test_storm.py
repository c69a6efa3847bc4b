"""`compare` through a judge whose network fails, and through kills: the table stays the same."""

from __future__ import annotations

import hashlib
import json
import random
import re
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from tests.loopback_judge import (
    FAULTS,
    NO_VERDICT,
    Answer,
    Behaviour,
    LoopbackJudge,
    completion,
    reply_text,
)
from tests.processes import Started, finish, start
from tests.records import write_rows

N_QUESTIONS = 24
N_JUDGMENTS = 4 * N_QUESTIONS  # two turns in two orders
KNOWN = Behaviour(better_rate=0.8, first_rate=0.2, tie_rate=0.1)


@pytest.fixture
def folder(folder: Path) -> Path:
    write_records(folder)
    return folder


def write_records(folder: Path, n_questions: int = N_QUESTIONS) -> None:
    """Two records over questions of two turns; which one is better changes from one to the next."""
    numbers = range(1, n_questions + 1)
    questions = [
        {"question_id": i, "category": ("x", "y")[i % 2], "turns": ["a?", "b?"]} for i in numbers
    ]
    write_rows(folder / "q.jsonl", *questions)
    for name, strengths in (("one", (3, 5, 4)), ("two", (2, 1, 6))):
        rows = [
            {
                "question_id": i,
                "model_id": name,
                "choices": [
                    {"turns": [f"{name} {i}.{t} strength {strengths[i % 3]}" for t in (1, 2)]}
                ],
            }
            for i in numbers
        ]
        write_rows(folder / f"{name}.jsonl", *rows)


def job(server: LoopbackJudge, *flags: str) -> list[str]:
    asked = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
    return [*asked, "--judge-model", "openai:x", "--base-url", server.url, "--json", "-q", *flags]


def run(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], code: int = 0
) -> tuple[Any, str]:
    """The document printed, and what was said beside it."""
    assert cli.run(list(arguments)) == code
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def rows(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Every reply in the ledger by its key; none before there is one."""
    path = folder / ".sami-eval" / "ledger.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        try:
            return {row[0]: row for row in db.execute("SELECT * FROM replies")}
        except sqlite3.OperationalError:  # killed before its tables were made
            return {}


def calm_table(capsys: pytest.CaptureFixture[str]) -> Any:
    """The comparisons where nothing fails; the ledger begins anew after it."""
    with LoopbackJudge(KNOWN) as server:
        comparisons = run(capsys, job(server, "--out", "calm"))[0]["comparisons"]
    Path(".sami-eval").rename("calm-ledger")
    return comparisons


def test_a_storm_of_faults_changes_no_figure_and_every_call_is_accounted_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = calm_table(capsys)
    storm = Behaviour(
        better_rate=0.8, first_rate=0.2, tie_rate=0.1, fault_rate=0.3, faults=FAULTS, hang_s=60
    )
    with LoopbackJudge(storm) as server:
        document, _ = run(capsys, job(server, "--timeout", "1.5"))
        failed = [call.fault for call in server.calls if call.fault]
        assert set(failed) == set(FAULTS)
        assert server.n_calls == N_JUDGMENTS + len(failed)
        again, _ = run(capsys, job(server))
        assert server.n_calls == N_JUDGMENTS + len(failed)
    assert document["comparisons"] == again["comparisons"] == calm
    assert document["calls"] == {"made": N_JUDGMENTS, "from_ledger": 0}
    assert again["calls"] == {"made": 0, "from_ledger": N_JUDGMENTS}
    assert len(rows(folder)) == N_JUDGMENTS


def test_replies_without_a_verdict_are_reported_and_resolved_when_asked_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = calm_table(capsys)
    storm = Behaviour(
        better_rate=0.8,
        first_rate=0.2,
        tie_rate=0.1,
        fault_rate=0.3,
        faults=(*FAULTS, *NO_VERDICT),
        hang_s=60,
    )
    with LoopbackJudge(storm) as server:
        flags = ["--timeout", "1.5", "--out", "run"]
        document, said = run(capsys, job(server, *flags), code=1)
        row = document["comparisons"][0]
        wordless = [call for call in server.calls if call.fault in NO_VERDICT]
        assert row["unparsed"] == len(wordless) > 0.02 * N_JUDGMENTS
        assert row["n_verdicts"] == N_JUDGMENTS
        assert f"{len(wordless)} of {N_JUDGMENTS} judgments have no verdict" in said
        assert cli.run(["show", "run", "--unparsed"]) == 0
        listed = capsys.readouterr().out
        assert listed.count("shown in this order: empty") + listed.count(
            "shown in this order: no verdict"
        ) == len(wordless)
        assert run(capsys, job(server, *flags, "--max-unparsed", "1"))[0]["calls"]["made"] == 0
        for _ in range(storm.faults_in_a_row):
            missing = row["unparsed"]
            document, _ = run(
                capsys, job(server, *flags, "--retry-unparsed", "--max-unparsed", "1")
            )
            row = document["comparisons"][0]
            assert document["calls"] == {"made": missing, "from_ledger": N_JUDGMENTS - missing}
        failed = [call for call in server.calls if call.fault]
        assert server.n_calls == N_JUDGMENTS + len(failed)
    assert document["comparisons"] == calm
    assert len(rows(folder)) == N_JUDGMENTS


def signed(behaviour: Behaviour) -> Behaviour:
    """The same judge, opening each reply with what names its request."""

    def script(body: dict[str, Any]) -> Answer:
        return 200, {}, completion(f"{name_of(body)}: {reply_text(body['messages'], behaviour)}")

    return Behaviour(script=script, latency_s=0.02)


def name_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def stored_names(folder: Path) -> set[str]:
    """The requests whose replies the ledger holds."""
    found = [re.match(r"(\w{64}): ", str(row[2])) for row in rows(folder).values()]
    assert all(found)
    return {match[1] for match in found if match}


def kill_once(process: Started, reached: Callable[[], bool]) -> None:
    while not reached():
        try:
            process.wait(timeout=0.003)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"ended with {process.returncode} before it was killed")
    process.kill()
    process.wait()


@pytest.mark.slow
def test_fifty_kills_lose_no_verdict_and_repeat_no_stored_call(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    n_questions, n_kills, concurrency = 200, 50, 4
    for place in (undisturbed, killed):
        place.mkdir()
        write_records(place, n_questions)
    moments = random.Random(0)
    with LoopbackJudge(signed(KNOWN)) as server:
        command = job(server, "--concurrency", str(concurrency))
        expected = finish(undisturbed, command)
        server.calls.clear()
        before: dict[str, tuple[Any, ...]] = {}
        for _ in range(n_kills):
            seen, names = server.n_calls, stored_names(killed)
            until = seen + moments.randrange(0, 14)
            kill_once(start(killed, command), lambda until=until: server.n_calls >= until)
            asked = [name_of(call.body) for call in server.calls[seen:]]
            assert names.isdisjoint(asked)
            now = rows(killed)
            assert all(now[key] == row for key, row in before.items())
            assert len(now) - len(before) >= len(asked) - concurrency
            before = now
        seen, names = server.n_calls, stored_names(killed)
        document = finish(killed, command)
        asked = [name_of(call.body) for call in server.calls[seen:]]
    assert names.isdisjoint(asked)
    assert len(names) + len(asked) == 4 * n_questions
    assert document["comparisons"] == expected["comparisons"]
    assert document["calls"] == {"made": len(asked), "from_ledger": len(names)}
    assert len(rows(killed)) == 4 * n_questions


@pytest.mark.slow
def test_of_two_runs_on_one_ledger_one_is_killed_and_the_other_finishes(tmp_path: Path) -> None:
    write_records(tmp_path)
    concurrency = 4
    with LoopbackJudge(signed(KNOWN)) as server:
        command = job(server, "--concurrency", str(concurrency))
        first = start(tmp_path, command)
        while server.n_calls < 20:
            assert first.poll() is None
        second = start(tmp_path, [*command, "--out", "second"])
        kill_once(first, lambda: server.n_calls >= 50)
        text, _ = second.communicate()
        names = [name_of(call.body) for call in server.calls]
    assert second.returncode == 0
    document = json.loads(text)
    assert document["comparisons"][0]["n_verdicts"] == N_JUDGMENTS
    assert document["comparisons"][0]["unparsed"] == 0
    assert len(set(names)) == N_JUDGMENTS
    assert len(names) <= N_JUDGMENTS + concurrency
    assert stored_names(tmp_path) == set(names)
