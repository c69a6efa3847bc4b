"""Two live runs on one ledger ask for everything once; a dead one holds nothing."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.calls import Reply
from sami_eval.core.progress import silent
from sami_eval.ledger import leases, mounts
from sami_eval.ledger.leases import EXPIRE_S, is_alive, share
from sami_eval.ledger.mounts import network_type
from sami_eval.ledger.store import Ledger, connect
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import at_least, count, finish, kill_when, start
from tests.records import write_records

RECORDS = ("compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--json")
N_JUDGMENTS = 160


def judging(server: LoopbackJudge) -> list[str]:
    asked = ["--judge", "quality", "--judge-model", "openai:x", "--base-url", server.url]
    return [*RECORDS, *asked, "--concurrency", "4"]


def test_what_a_live_run_leases_is_waited_for(tmp_path: Path) -> None:
    keys, worked = ["1", "2", "3"], []
    with Ledger(tmp_path / "ledger.db") as one, Ledger(tmp_path / "ledger.db") as two:
        begun, at_work = threading.Event(), threading.Event()

        def slowly(mine: Sequence[str]) -> None:
            begun.set()
            assert at_work.wait(60)  # by now the other has asked for all it may
            one.add_replies((key, "quality", Reply("[[A]]")) for key in mine)

        def work(mine: Sequence[str]) -> None:
            worked.extend(mine)
            two.add_replies((key, "quality", Reply("[[B]]")) for key in mine)
            at_work.set()

        def second() -> None:
            begun.wait()
            share(["2", "3", "4"], two.replies, work, two, silent())

        other = threading.Thread(target=second)
        other.start()
        share(keys, one.replies, slowly, one, silent())
        other.join()
        assert worked == ["4"]
        assert {key: reply.text for key, reply in two.replies([*keys, "4"]).items()} == {
            "1": "[[A]]",
            "2": "[[A]]",
            "3": "[[A]]",
            "4": "[[B]]",
        }


def test_leases_end_with_the_work_even_where_it_fails(tmp_path: Path) -> None:
    def fails(keys: Sequence[str]) -> None:
        raise KeyboardInterrupt

    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(KeyboardInterrupt):
            share(["1"], ledger.replies, fails, ledger, silent())
        with closing(connect(ledger.path)) as db:
            assert db.execute("SELECT count(*) FROM leases").fetchone() == (0,)
            assert db.execute("SELECT count(*) FROM owners").fetchone() == (0,)


def test_what_was_stored_between_looking_and_leasing_is_not_asked(tmp_path: Path) -> None:
    asked: list[str] = []
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_replies([("1", "quality", Reply("[[A]]"))])
        share(["1", "2"], ledger.replies, asked.extend, ledger, silent())
    assert asked == ["2"]


def owner_of(pid: int) -> str:
    return f"{leases.this_node()}|{pid}|0"


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_an_owner_is_alive_while_it_beats_and_its_process_exists() -> None:
    assert is_alive(owner_of(os.getpid()), 0)
    assert not is_alive(owner_of(os.getpid()), EXPIRE_S)
    assert not is_alive(owner_of(gone()), 0)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a process's state stands there")
def test_a_killed_process_that_nobody_has_looked_after_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(owner_of(process.pid), 0)
    process.kill()
    while is_alive(owner_of(process.pid), 0):
        time.sleep(0.01)
    assert process.returncode is None  # its parent has not asked for it yet
    process.communicate()


def test_a_process_of_another_machine_is_judged_by_its_heart_alone() -> None:
    elsewhere = f"not-{platform.node()} pid:[1]|{gone()}|0"
    assert is_alive(elsewhere, EXPIRE_S - 1)
    assert not is_alive(elsewhere, EXPIRE_S)


@pytest.mark.parametrize(
    ("pid", "silent_s"), [(os.getpid(), EXPIRE_S + 1), (None, 0)], ids=["silent", "gone"]
)
def test_a_dead_owner_s_leases_are_taken_over(
    tmp_path: Path, pid: int | None, silent_s: float
) -> None:
    asked: list[str] = []
    owner = owner_of(pid or gone())
    with Ledger(tmp_path / "ledger.db") as ledger:
        with closing(connect(ledger.path)) as db:
            db.execute("INSERT INTO owners VALUES (?, ?)", (owner, time.time() - silent_s))
            db.execute("INSERT INTO leases VALUES ('1', ?)", (owner,))
        share(["1"], ledger.replies, asked.extend, ledger, silent())
    assert asked == ["1"]


def test_two_processes_on_one_ledger_ask_for_everything_once(tmp_path: Path) -> None:
    write_records(tmp_path)
    with LoopbackJudge(Behaviour(better_rate=0.7, latency_s=0.02)) as server:
        both = [start(tmp_path, [*judging(server), "--out", name]) for name in ("x", "y")]
        tables = [process.communicate()[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert server.n_calls == N_JUDGMENTS
    assert count(tmp_path, "replies") == N_JUDGMENTS
    one, two = (json.loads(table) for table in tables)
    assert one["comparisons"] == two["comparisons"]
    assert one["calls"]["made"] + two["calls"]["made"] == N_JUDGMENTS


def test_a_killed_owner_s_share_is_finished_by_the_run_that_waits(tmp_path: Path) -> None:
    write_records(tmp_path)
    with LoopbackJudge(Behaviour(better_rate=0.7, latency_s=0.05)) as server:
        job = judging(server)
        first = start(tmp_path, job)
        while count(tmp_path, "replies") < 10:
            time.sleep(0.02)
        second = start(tmp_path, job)
        while count(tmp_path, "replies") < 40:
            time.sleep(0.02)
        first.kill()
        first.communicate()
        second.communicate()
        assert second.returncode == 0
        assert N_JUDGMENTS <= server.n_calls <= N_JUDGMENTS + 4  # four were in flight
    assert count(tmp_path, "replies") == N_JUDGMENTS


def test_a_killed_run_holds_up_its_rerun_for_nothing(tmp_path: Path) -> None:
    write_records(tmp_path)
    with LoopbackJudge(Behaviour(latency_s=0.02)) as server:
        kill_when(tmp_path, at_least(tmp_path, 10), judging(server))
        begun = time.monotonic()
        finish(tmp_path, judging(server))
    assert time.monotonic() - begun < EXPIRE_S


def test_a_ledger_of_the_first_version_gets_its_leases(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.add_replies([("1", "quality", Reply("[[A]]"))])
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE leases; DROP TABLE owners; PRAGMA user_version = 1;")
    asked: list[str] = []
    with Ledger(path) as ledger:
        share(["1", "2"], ledger.replies, asked.extend, ledger, silent())
    assert asked == ["2"]


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
//server/share /mnt/team\\040share cifs rw 0 0
/dev/sdb1 /home/me/disk xfs rw 0 0
me@host: /mnt/host fuse.sshfs rw 0 0
10.0.0.1@tcp:/scratch /scratch lustre rw 0 0
tmpfs /home/me/again tmpfs rw 0 0
server:/b /home/me/again nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/.sami-eval/ledger.db", None),
        ("/home/me/ledger.db", "nfs4"),
        ("/homes/ledger.db", None),
        ("/home/me/disk/ledger.db", None),
        ("/mnt/team share/ledger.db", "cifs"),
        ("/mnt/host/a/ledger.db", "fuse.sshfs"),
        ("/scratch/ledger.db", "lustre"),
        ("/home/me/again/ledger.db", "nfs"),
    ],
)
def test_a_network_file_system_is_known_by_the_mount_table(path: str, kind: str | None) -> None:
    assert network_type(Path(path), MOUNTS) == kind


def test_no_mount_table_is_a_local_disk() -> None:
    assert network_type(Path("/home/me"), "") is None
    assert network_type(Path("/home/me"), "mangled\n\n") is None


def test_a_network_file_system_is_said_unless_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/home {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNT_TABLE", table)
    monkeypatch.chdir(tmp_path)
    write_records(tmp_path)
    for flags, times in (([], 1), (["-q"], 0)):
        assert cli.run([*RECORDS, "--judge", "rules", *flags]) == 0
        assert capsys.readouterr().err.count("lies on a network file system (nfs4)") == times
    with closing(sqlite3.connect(tmp_path / ".sami-eval" / "ledger.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
