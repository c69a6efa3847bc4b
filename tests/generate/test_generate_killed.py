"""A command that is killed while it generates has stored every answer that had ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import Config
from sami_eval.generate import format_of
from sami_eval.generate.hf import HfEngine
from sami_eval.generate.models import resolve_all
from tests.processes import count, kill_when, start
from tests.tiny_llama import save_base

JOB = ["passk", "base", "--k", "1", "--samples", "8", "--limit", "12", "--no-greedy"]
JOB += ["--engine", "hf", "--engine-arg", "batch_rows=8", "--out", "run", "-q"]
N_ANSWERS = 8 * 12


def answers(folder: Path) -> dict[str, str]:
    """The ledger's texts by their keys."""
    with closing(sqlite3.connect(folder / ".sami-eval" / "ledger.db")) as db:
        return dict(db.execute("SELECT key, text FROM completions").fetchall())


def test_a_killed_command_is_asked_for_the_missing_answers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    killed.mkdir()
    unbroken.mkdir()
    kill_when(killed, lambda: count(killed) >= 3, JOB)
    kept = answers(killed)
    assert 3 <= len(kept) < N_ANSWERS
    asked: list[int] = []
    generate = HfEngine.generate

    def counting(engine: HfEngine, requests: Sequence[Request], *more: Any) -> None:
        asked.append(len(requests))
        generate(engine, requests, *more)

    monkeypatch.setattr(HfEngine, "generate", counting)
    for folder in (killed, unbroken):
        monkeypatch.chdir(folder)
        assert cli.run(JOB) == 0
    assert asked == [N_ANSWERS - len(kept), N_ANSWERS]
    assert answers(killed) == answers(unbroken)
    assert answers(killed).items() >= kept.items()


def test_of_two_commands_at_once_one_generates_and_both_have_the_answers(tmp_path: Path) -> None:
    one_by_one = ["passk", "base", "--k", "1", "--samples", "4", "--limit", "12", "--no-greedy"]
    one_by_one += ["--engine", "hf", "--engine-arg", "batch_rows=1", "--json", "--out"]
    both = [start(tmp_path, [*one_by_one, name]) for name in ("x", "y")]
    tables = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    one, two = (json.loads(table) for table in tables)
    assert one["contenders"] == two["contenders"]
    assert count(tmp_path) == 4 * 12


def test_an_answer_is_handed_over_when_it_ends(tmp_path: Path) -> None:
    model = resolve_all([str(save_base(tmp_path / "base"))], config=Config(tmp_path))[0]
    messages = (("user", "Hi"),)
    ids = format_of(model).render(messages)
    requests = [Request(model, messages, ids, Sampling(max_tokens=n)) for n in (9, 1, 5, 5)]
    handed_over: list[list[int]] = []
    HfEngine(model, {}).generate(requests, lambda rows: handed_over.append([i for i, _ in rows]))
    assert [sorted(places) for places in handed_over] == [[1], [2, 3], [0]]
