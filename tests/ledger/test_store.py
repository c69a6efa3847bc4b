"""The ledger keeps what exists, across processes and kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sami_eval.core.calls import Completion, Reply, Sampling, TokenLogps
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.types import Usage
from sami_eval.ledger.store import Ledger, atomic_write, key


def test_completion_comes_back_as_it_was(tmp_path: Path) -> None:
    completion = Completion("héllo", (1, 2, 3), True, 3)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_completions([("k", "sft", completion)])
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.completions(["k", "absent"]) == {"k": completion}


def test_unknown_stays_unknown(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_completions([("k", "sft", Completion("x"))])
        ledger.add_replies([("r", "quality", Reply("y"))])
        assert ledger.completions(["k"])["k"].finished is None
        assert ledger.completions(["k"])["k"].n_tokens is None
        assert ledger.replies(["r"])["r"] == Reply("y")


def test_reply_comes_back_as_it_was(tmp_path: Path) -> None:
    reply = Reply("[[A]]", "gpt-4o-2024", Usage(100, 7), False, "content filter")
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_replies([("r", "quality", reply)])
        assert ledger.replies(["r"]) == {"r": reply}


LOGPS = (TokenLogps("A", (("A", -0.25), (" A", -3.5), ("B", -1e-9))), TokenLogps("é", ()))


def test_log_probabilities_come_back_as_they_were(tmp_path: Path) -> None:
    completion, reply = Completion("Aé", token_logps=LOGPS), Reply("Aé", token_logps=LOGPS)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_completions([("k", "sft", completion)])
        ledger.add_replies([("r", "choice", reply)])
        assert ledger.completions(["k"]) == {"k": completion}
        assert ledger.replies(["r"]) == {"r": reply}


def test_a_completion_can_be_read_without_its_tokens(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_completions([("k", "sft", Completion("A", (1, 2), True, 2, LOGPS, "so"))])
        found = ledger.completions(["k"], ids=False)
    assert found == {"k": Completion("A", (), True, 2, LOGPS, "so")}


def test_long_rows_take_about_their_own_room(tmp_path: Path) -> None:
    path, words = tmp_path / "ledger.db", "word " * 240  # 1,200 bytes, as a judge writes
    with Ledger(path) as ledger:
        rows = [(key(i), words, tuple(range(1_000, 1_100))) for i in range(600)]
        ledger.add_replies((k, "quality", Reply(text, "judge")) for k, text, _ in rows)
        ledger.add_completions((k, "sft", Completion(text, ids)) for k, text, ids in rows)
    of_text = 600 * (2 * len(words) + len(str(list(range(1_000, 1_100)))))
    assert path.stat().st_size < 1.5 * of_text  # 3.2 where each has a page to itself


# What versions 1 and 2 of the ledger were made by.
VERSION_1 = """
CREATE TABLE completions (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, token_ids TEXT NOT NULL,
    finished INTEGER, n_tokens INTEGER, created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
CREATE TABLE replies (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, text TEXT NOT NULL, model_reported TEXT,
    prompt_tokens INTEGER, completion_tokens INTEGER, finished INTEGER, failure TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
INSERT INTO completions (key, model, text, token_ids, finished, n_tokens)
    VALUES ('k', 'sft', 'old', '[1, 2]', 1, 2);
INSERT INTO replies VALUES ('r', 'quality', '[[A]]', 'm', 9, 3, 0, NULL, '2026-01-01');
PRAGMA user_version = 1;
"""
VERSION_2 = (
    VERSION_1
    + """
CREATE TABLE owners (owner TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX leases_by_owner ON leases (owner);
INSERT INTO owners VALUES ('n|1|x', 1.0);
PRAGMA user_version = 2;
"""
)
VERSION_3 = (
    VERSION_2
    + """
ALTER TABLE completions ADD COLUMN token_logps TEXT;
ALTER TABLE replies ADD COLUMN token_logps TEXT;
PRAGMA user_version = 3;
"""
)


@pytest.mark.parametrize("script", [VERSION_1, VERSION_2, VERSION_3], ids=["1", "2", "3"])
def test_an_older_ledger_keeps_all_it_holds(tmp_path: Path, script: str) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    for _ in range(2):
        with Ledger(path) as ledger:
            assert ledger.completions(["k"]) == {"k": Completion("old", (1, 2), True, 2)}
            assert ledger.replies(["r"]) == {"r": Reply("[[A]]", "m", Usage(9, 3), False)}
    with Ledger(path) as ledger:
        said = Reply("A", token_logps=LOGPS, thoughts="B is shorter.")
        ledger.add_replies([("new", "choice", said)])
        assert ledger.replies(["new"])["new"] == said
        for thoughts in (None, "", "Well."):  # None: nobody has looked
            k = f"spoken {thoughts}"
            ledger.add_completions([(k, "sft", Completion("A", thoughts=thoughts))])
            assert ledger.completions([k])[k].thoughts == thoughts
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() >= (4,)
        assert db.execute("SELECT created FROM replies WHERE key = 'r'").fetchone() == (
            "2026-01-01",
        )


def test_more_keys_than_one_statement_takes(tmp_path: Path) -> None:
    rows = [(str(i), "sft", Completion(str(i))) for i in range(1234)]
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.add_completions(rows)
        assert len(ledger.completions(str(i) for i in range(2000))) == 1234


def test_key_depends_on_each_part_and_on_nothing_else() -> None:
    assert key("a", Sampling(seed=1)) == key("a", Sampling(seed=1))
    assert key("a", Sampling(seed=1)) != key("a", Sampling(seed=2))
    assert key("ab", "c") != key("a", "bc")
    assert key((1, 2)) == key([1, 2])


def test_two_ledgers_on_one_file_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as one, Ledger(path) as two:
        one.add_completions([("1", "m", Completion("one"))])
        two.add_completions([("2", "m", Completion("two"))])
        assert set(one.completions(["1", "2"])) == set(two.completions(["1", "2"])) == {"1", "2"}


def test_a_file_that_is_no_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("not a database, " * 100)
    with pytest.raises(UsageError, match="not a ledger"):
        Ledger(path)
    assert path.read_text().startswith("not a database")


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UsageError, match="newer"):
        Ledger(path)


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SamiEvalError, match="cannot write"):
        Ledger(tmp_path / "file" / "ledger.db")
    with pytest.raises(SamiEvalError, match="cannot write"):
        atomic_write(tmp_path / "file" / "out.json", "{}")


def test_atomic_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a" / "out.json", "1")
    atomic_write(tmp_path / "a" / "out.json", "2")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["out.json"]
    assert (tmp_path / "a" / "out.json").read_text() == "2"


WRITER = """
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sami_eval.ledger.store import Ledger
from sami_eval.core.calls import Completion
with Ledger(Path(sys.argv[1])) as ledger:
    i = 0
    while True:
        ledger.add_completions([(str(i), "m", Completion(str(i)))])
        print(i, flush=True)
        i += 1
"""


def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    last = -1
    while last < 50:
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    last = int(rest[-1]) if rest else last
    with Ledger(path) as ledger:
        stored = ledger.completions(str(i) for i in range(last + 2))
    assert {str(i) for i in range(last + 1)} <= set(stored)


def test_many_may_open_a_new_ledger_at_once(tmp_path: Path) -> None:
    def open_and_store(place: Path, number: int, together: threading.Barrier) -> None:
        together.wait()
        with Ledger(place / "ledger.db") as ledger:
            ledger.add_replies([(str(number), "quality", Reply("[[A]]"))])

    for attempt in range(20):
        together = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            work = [
                pool.submit(open_and_store, tmp_path / str(attempt), number, together)
                for number in range(6)
            ]
        assert [one.result() for one in work] == [None] * 6
        with Ledger(tmp_path / str(attempt) / "ledger.db") as ledger:
            assert len(ledger.replies([str(number) for number in range(6)])) == 6
