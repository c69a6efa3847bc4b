"""What is paid for is kept: a damaged, removed or full ledger loses no reply that arrived."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sami_eval import cli
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.processes import Started, command, count, start
from tests.records import write_records

N = 40  # 10 questions, 2 turns, 2 orders


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    (folder / "tmp").mkdir()
    write_records(folder)
    return folder


def judging(server: LoopbackJudge, *more: str) -> list[str]:
    asked = ["--judge", "quality", "--judge-model", "openai:x", "--base-url", server.url]
    records = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--limit", "10"]
    return [*records, *asked, "--json", "--concurrency", "4", *more]


def ledger_of(folder: Path) -> Path:
    return folder / ".sami-eval" / "ledger.db"


def edit(script: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript(script)

    return damage


def flip_a_page(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='replies'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def one_error(said: str) -> str:
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert "bug" not in said
    assert "Traceback" not in said
    return line


@pytest.mark.parametrize("damage", [flip_a_page, cut], ids=["page", "truncated"])
def test_a_damaged_ledger_is_one_line_and_what_it_still_holds_is_taken_over(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    with LoopbackJudge() as server:
        assert cli.run(judging(server)) == 0
        damage(ledger_of(folder))
        n_calls = server.n_calls
        capsys.readouterr()
        assert cli.run(judging(server)) == 1
        said = capsys.readouterr().err
        assert "is damaged" in one_error(said)
        assert server.n_calls == n_calls  # nothing is asked before it is mended
        hint = said[said.index("mv ") : said.index("; a new one")]
        subprocess.run(hint, shell=True, check=True)
        assert cli.run(judging(server)) == 0
        assert "were still readable in" in capsys.readouterr().err
        assert server.n_calls <= n_calls + N


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE replies RENAME TO r0; CREATE VIEW replies AS SELECT * FROM r0",
        "ALTER TABLE replies RENAME TO r0; CREATE TABLE replies AS SELECT * FROM r0",
        "CREATE TRIGGER t BEFORE INSERT ON replies BEGIN SELECT RAISE(IGNORE); END",
    ],
    ids=["view", "no-key", "trigger"],
)
def test_what_no_column_mends_is_said_before_anything_is_paid(
    folder: Path, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    with LoopbackJudge() as server:
        assert cli.run(judging(server)) == 0
        edit(script)(ledger_of(folder))
        n_calls = server.n_calls
        capsys.readouterr()
        assert cli.run(judging(server, "--repeats", "2")) == 1
        said = capsys.readouterr().err
        assert "is damaged" in one_error(said)
        assert server.n_calls == n_calls
        hint = said[said.index("mv ") : said.index("; a new one")]
        subprocess.run(hint, shell=True, check=True)
        assert cli.run(judging(server)) == 0
        assert server.n_calls == n_calls  # what it held is taken over


def test_the_log_of_a_killed_run_goes_with_its_damaged_ledger(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.1)) as server:
        process = start(folder, judging(server))
        while count(folder, "replies") < 12:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        path, n_calls = ledger_of(folder), server.n_calls
        assert path.with_name("ledger.db-wal").stat().st_size
        path.rename(path.with_name("ledger.db.damaged"))
        assert cli.run(judging(server)) == 0
        assert "were still readable in" in capsys.readouterr().err
        assert server.n_calls <= n_calls + N - 12
    assert count(folder, "replies") == N


@pytest.mark.parametrize(
    "damage",
    [
        edit("DROP TABLE replies"),
        edit("DROP TABLE leases"),
        edit("DROP TABLE owners"),
        edit("ALTER TABLE replies DROP COLUMN failure"),
        edit("ALTER TABLE replies DROP COLUMN finished"),
        edit("DROP INDEX replies_by_time; ALTER TABLE replies DROP COLUMN created"),
        edit("ALTER TABLE completions DROP COLUMN token_ids"),
        edit("UPDATE replies SET finished = 'abc', prompt_tokens = 'many'"),
        edit("UPDATE replies SET token_logps = '[[['"),
        edit("UPDATE replies SET text = x'00ff'"),
        empty,
    ],
    ids=[
        *("replies", "leases", "owners", "failure", "finished", "created", "token_ids"),
        *("types", "logps", "blob", "empty"),
    ],
)
def test_a_ledger_that_lacks_something_is_mended(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    with LoopbackJudge() as server:
        assert cli.run(judging(server)) == 0
        before = json.loads(capsys.readouterr().out)
        damage(ledger_of(folder))
        assert cli.run(judging(server)) == 0
        after, n_calls = json.loads(capsys.readouterr().out), server.n_calls
        assert after["comparisons"] == before["comparisons"]
        assert cli.run(judging(server)) == 0
        assert server.n_calls == n_calls
    assert count(folder, "replies") == N


def test_a_folder_in_the_ledger_s_place_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        ledger_of(folder).mkdir(parents=True)
        assert cli.run(judging(server)) == 1
        assert server.n_calls == 0
    assert "cannot write" in one_error(capsys.readouterr().err)


def run_beside(
    folder: Path, server: LoopbackJudge, at: int, act: Callable[[], None]
) -> tuple[int, str]:
    """A run as a process, in whose midst something happens; its exit code and what it said."""
    process = start(folder, judging(server), err=True)
    while server.n_calls < at:
        assert process.poll() is None
        time.sleep(0.01)
    act()
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.parametrize("what", ["file", "with its log", "folder"])
def test_a_ledger_removed_in_mid_run_is_written_again(folder: Path, what: str) -> None:
    def remove() -> None:
        if what == "folder":
            shutil.rmtree(folder / ".sami-eval")
        else:
            for path in folder.glob(".sami-eval/ledger.db*"):
                if what == "with its log" or path == ledger_of(folder):
                    path.unlink()

    with LoopbackJudge(Behaviour(latency_s=0.05)) as server:
        code, said = run_beside(folder, server, N // 2, remove)
        assert code == 0
        assert said.count("was removed while in use: written again") == 1
        assert count(folder, "replies") == server.n_calls == N
        assert cli.run(judging(server)) == 0
        assert server.n_calls == N


@pytest.mark.parametrize(
    "script", ["DROP TABLE replies", "ALTER TABLE replies DROP COLUMN failure"]
)
def test_a_ledger_damaged_in_mid_run_loses_nothing_that_was_answered_since(
    folder: Path, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.05)) as server:
        code, said = run_beside(folder, server, 12, lambda: edit(script)(ledger_of(folder)))
        assert code == 1
        assert "what was answered is kept in" in one_error(said)
        lines = (folder / ".sami-eval" / "ledger.rescue.jsonl").read_text().split()
        assert lines
        n_calls = server.n_calls
        lost = 12 if script.startswith("DROP") else 0  # what the table held is gone with it
        assert cli.run(judging(server)) == 0
        assert "are back, from" in capsys.readouterr().err
        assert N - n_calls <= server.n_calls - n_calls <= N - n_calls + lost
    assert count(folder, "replies") == N
    assert not list(folder.glob(".sami-eval/*rescue*"))


def limited(limit: int, *words: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    command(*words)


def test_a_file_that_may_not_grow_loses_no_reply(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        process = Started(folder, limited, 300_000, *judging(server), err=True)
        _, said = process.communicate()
        assert process.returncode == 1, said
        assert "cannot write" in one_error(said)
        n_calls = server.n_calls
        assert 0 < n_calls < N
        assert cli.run(judging(server)) == 0
        assert server.n_calls == N
    assert count(folder, "replies") == N


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk: needs to be root")
def test_a_full_disk_loses_no_reply(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this place may not mount a disk")
    long = "x" * 20_000

    def script(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, completion(f"{long} [[A]]")

    try:
        write_records(small)
        monkeypatch.chdir(small)
        with LoopbackJudge(Behaviour(script=script)) as server:
            assert cli.run(judging(server)) == 1
            said = capsys.readouterr().err
            assert "what was answered is kept in" in one_error(said)
            n_calls = server.n_calls
            assert 0 < n_calls < N
            subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
            assert cli.run(judging(server)) == 0
            assert server.n_calls == N
        assert count(small, "replies") == N
    finally:
        monkeypatch.chdir(folder)
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_number_beyond_64_bits_loses_no_later_reply(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        row = json.loads(completion("Neither. [[C]]"))
        row["usage"] = {"prompt_tokens": 10**30, "completion_tokens": 1}
        return 200, {}, json.dumps(row).encode()

    with LoopbackJudge(Behaviour(script=script)) as server:
        assert cli.run(judging(server)) == 0
        assert count(folder, "replies") == server.n_calls == N
        assert cli.run(judging(server)) == 0
        assert server.n_calls == N


def with_umask(umask: int, *words: str) -> None:
    os.umask(umask)
    command(*words)


def test_the_ledger_is_its_owner_s_alone_and_a_run_s_files_follow_the_umask(
    folder: Path,
) -> None:
    def rights(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    with LoopbackJudge(Behaviour(latency_s=0.02)) as server:
        for umask, wanted in (("002", 0o664), ("077", 0o600), ("022", 0o644)):
            out = f"run-{umask}"
            job = judging(server, "--out", out)
            process = Started(folder, with_umask, int(umask, 8), *job)
            if umask == "002":
                while count(folder, "replies") < 5:
                    time.sleep(0.01)
                beside = list(folder.glob(".sami-eval/ledger.db*"))
                assert {rights(path) for path in beside if "reserve" not in path.name} == {0o600}
                assert len(beside) >= 3
            assert process.wait() == 0
            assert {rights(path) for path in (folder / out).glob("[!.]*")} == {wanted}


def test_sigterm_ends_a_run_as_ctrl_c_does(folder: Path) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.1)) as server:
        process = start(folder, judging(server))
        while count(folder, "replies") < 8:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 130
        assert server.n_calls - count(folder, "replies") <= 4
        with closing(sqlite3.connect(ledger_of(folder))) as db:
            assert db.execute("SELECT count(*) FROM leases").fetchone() == (0,)
