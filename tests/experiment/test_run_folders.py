"""A run's folder: one run's alone, and another's as soon as anything differs that decides it."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import sami_eval
from sami_eval import cli
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import Started, count, start
from tests.records import vote, write_records, write_rows

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
N = 40  # 10 questions, 2 turns, 2 orders


@pytest.fixture
def folder(folder: Path) -> Path:
    write_records(folder)
    return folder


def judging(server: LoopbackJudge, *more: str) -> list[str]:
    asked = ["--judge-model", "openai:x", "--base-url", server.url, "--limit", "10"]
    return [*RECORDS, *asked, "--json", "--concurrency", "4", *more]


def reached(process: Started, folder: Path, n: int) -> None:
    while count(folder, "replies") < n:
        assert process.poll() is None
        time.sleep(0.01)


def test_two_commands_at_once_never_write_one_folder(folder: Path) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.3)) as server:
        first = start(folder, judging(server), err=True)
        reached(first, folder, 4)
        second = start(folder, judging(server), err=True)
        said = [process.communicate(timeout=120) for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0]
        one, two = (json.loads(text) for text, _ in said)
        assert two["run"] == f"{one['run']}-2"
        assert one["comparisons"] == two["comparisons"]
        assert "is being written by another command: this run takes the next" in said[1][1]
        assert server.n_calls == N
        # Neither is another's: the same settings find the first again.
        assert cli.run(judging(server)) == 0
    assert len(list((folder / "runs").iterdir())) == 2
    assert not list((folder / "runs").glob("*/.*"))


def test_a_folder_that_is_named_and_being_written_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.3)) as server:
        first = start(folder, judging(server, "--out", "x"))
        reached(first, folder, 4)
        assert cli.run(judging(server, "--out", "x")) == 2
        said = capsys.readouterr().err
        assert "error: `x` is being written by another command" in said
        first.kill()
        first.communicate()
        assert cli.run(judging(server, "--out", "x")) == 0  # a killed one holds nothing
        assert server.n_calls <= N + 4


def other_judge(folder: Path, server: LoopbackJudge) -> list[str]:
    (folder / "sami-eval.toml").write_text(f'[servers.s]\nbase_url = "{server.url}"\n')
    return [*RECORDS, "--judge-model", "s:y", "--limit", "10"]


def edited_record(folder: Path, server: LoopbackJudge) -> list[str]:
    path = folder / "one.jsonl"
    path.write_text(path.read_text().replace("strength 1", "strength 10"))
    return judging(server)


def votes(folder: Path, server: LoopbackJudge) -> list[str]:
    rows = [
        vote(i, "model_a", f"person {j}", model_a="one", model_b="two")
        for i in range(1, 11)
        for j in range(2)
    ]
    write_rows(folder / "votes.jsonl", *rows)
    return judging(server, "--votes", "votes.jsonl")


def other_votes(folder: Path, server: LoopbackJudge) -> list[str]:
    job = votes(folder, server)
    assert cli.run(job) == 0
    path = folder / "votes.jsonl"
    path.write_text(path.read_text().replace('"winner": "model_a"', '"winner": "tie"'))
    return job


@pytest.mark.parametrize(
    "change",
    [
        other_judge,
        edited_record,
        votes,
        other_votes,
        lambda folder, server: judging(server, "--rule", "average"),
    ],
    ids=["judge", "record", "votes", "other votes", "rule"],
)
def test_what_decides_a_figure_decides_the_folder(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path, LoopbackJudge], list[str]],
) -> None:
    with LoopbackJudge() as server:
        assert cli.run(judging(server)) == 0
        capsys.readouterr()
        assert cli.run([*change(folder, server), "--json"]) == 0
        text = capsys.readouterr().out
        document = json.loads(text[text.rindex("\n{\n") if "\n{\n" in text else 0 :])
        assert document["run"].endswith(("-2", "-3"))
        assert cli.run(judging(server, "--seed", "7", "--out", document["run"])) == 2


def test_a_contender_at_another_address_is_another_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as one, LoopbackJudge() as two:
        found = []
        for server in (one, two):
            (folder / "sami-eval.toml").write_text(f'[servers.s]\nbase_url = "{server.url}"\n')
            asked = ["compare", "s:a", "two.jsonl", *RECORDS[3:], "--limit", "2", "--json"]
            assert cli.run([*asked, "--judge-model", "s:j"]) == 0
            found.append(json.loads(capsys.readouterr().out))
        assert found[0]["run"] != found[1]["run"]
        assert one.n_calls == two.n_calls > 0
        assert found[0]["contenders"][0]["fingerprint"] != found[1]["contenders"][0]["fingerprint"]


def test_a_record_of_fewer_turns_has_one_folder_however_often_it_is_run(folder: Path) -> None:
    path = folder / "one.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**r, "turns": r["turns"][:1]}) + "\n" for r in rows))
    with LoopbackJudge() as server:
        for _ in range(2):
            assert cli.run(judging(server)) == 0
    assert len(list((folder / "runs").iterdir())) == 1


def test_ctrl_c_in_a_notebook_ends_the_spending(folder: Path) -> None:
    settings = {"prompts": Path("q.jsonl"), "judge": "quality", "concurrency": 4}
    asked = {**settings, "judge_model": "openai:x", "limit": 40}

    async def cell(url: str) -> None:
        sami_eval.compare("one.jsonl", "two.jsonl", base_url=url, **asked)

    with LoopbackJudge(Behaviour(latency_s=0.1)) as server:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        def press() -> None:  # a system may give a signal to any thread
            while server.n_calls < 8:
                time.sleep(0.01)
            signal.pthread_kill(threading.get_ident(), signal.SIGALRM)

        signal.signal(signal.SIGALRM, interrupt)
        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(cell(server.url))
        n_calls = server.n_calls
        assert n_calls < 40
        time.sleep(0.5)
        assert server.n_calls == n_calls
    assert n_calls - count(folder, "replies") <= 4


def test_one_model_under_two_names_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("copy.jsonl").write_bytes(Path("one.jsonl").read_bytes())
    with LoopbackJudge() as server:
        assert cli.run(judging(server)) == 0
        assert "one and the same" not in capsys.readouterr().err
        for other in ("one.jsonl", "copy.jsonl"):
            assert cli.run(["compare", "one.jsonl", other, *judging(server)[3:]]) == 0
            said = "`one` and `one (2)` are one and the same: they answer alike\n"
            assert said in capsys.readouterr().err
