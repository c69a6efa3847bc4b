"""The main job on the embedded base: real models, real training, killed and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.core.errors import UsageError
from tests.align_models import there
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import at_least, count, finish, kill_when
from tests.records import write_records

JOB = ("compare", "sami", "dpo", "--task", "mtbench", "--json")
RECORDS = ("compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--json")


def test_a_model_against_itself_is_all_ties_and_no_finding(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", "base", "base", "--limit", "8", "-q", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert row["ties"] == row["n_turns"] > 0
    assert row["win_rate"] == 0.5
    assert row["p_value"] == 1.0
    assert not row["significant"]
    assert row["questions_needed"] is None
    assert row["interval"][0] < 0.5 < row["interval"][1]


def test_the_base_answers_from_the_ledger_the_second_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", "base", "base", "--limit", "8", "-q", "--json"]
    assert cli.run(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    stored = count(folder)
    assert cli.run(arguments) == 0
    second = json.loads(capsys.readouterr().out)
    assert count(folder) == stored > 0
    assert second["comparisons"] == first["comparisons"]


def test_python_gives_the_document_the_command_prints(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = sami_eval.compare("base", "base", task="mtbench", limit=8)
    assert cli.run(["compare", "base", "base", "--limit", "8", "-q", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["comparisons"] == document["comparisons"]
    assert printed["run"] == document["run"]
    with pytest.raises(UsageError, match="colour"):
        sami_eval.compare("base", "base", colour="red")  # type: ignore[call-arg]


def test_another_limit_asks_only_for_what_is_new(folder: Path) -> None:
    assert cli.run(["compare", "base", "base", "--limit", "4", "-q", "--json"]) == 0
    few = count(folder)
    assert cli.run(["compare", "base", "base", "--limit", "8", "-q", "--json"]) == 0
    assert few < count(folder) <= 2 * few


def test_a_missing_adapter_of_another_base_names_the_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tiny_llama import save_base

    base = save_base(folder / "other")
    capsys.readouterr()
    questions = folder / "q.jsonl"
    questions.write_text('{"question_id": 1, "category": "math", "turns": ["1+1?"]}\n')
    asked = ["compare", "sami", "base", "--base", str(base), "--prompts", str(questions)]
    assert cli.run([*asked, "--judge", "rules"]) == 2
    error = capsys.readouterr().err
    assert "no adapter" in error
    assert "hint: sami-eval align sft" in error


def in_training(folder: Path, recipe: str) -> Callable[[], bool]:
    """Whether an adapter's unfinished folder has its first line of metrics."""
    log = f".{recipe}@0.*/**/training.jsonl"
    return lambda: bool(there(folder / "adapters" / "embedded", log))


@pytest.mark.slow
def test_sigkill_at_every_stage_changes_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = finish(whole, JOB)
    n_contrasts = 2 * 480

    kill_when(killed, lambda: count(killed) > 100, JOB)
    assert 100 < count(killed) < n_contrasts
    for recipe in ("sft", "sft+sami", "sft+dpo"):
        kill_when(killed, in_training(killed, recipe), JOB)
        assert not (killed / "adapters" / "embedded" / f"{recipe}@0").exists()
    kill_when(killed, lambda: count(killed) > n_contrasts + 50, JOB)
    assert count(killed) < count(whole)

    resumed = finish(killed, JOB)
    assert resumed["comparisons"] == expected["comparisons"]
    assert count(killed) == count(whole)
    assert not list((killed / "adapters" / "embedded").glob(".*"))


@pytest.mark.slow
def test_sigkill_while_judging_loses_and_repeats_nothing(tmp_path: Path) -> None:
    write_records(tmp_path)
    with LoopbackJudge(Behaviour(better_rate=0.7, latency_s=0.02)) as server:
        asked = ["--judge", "quality", "--judge-model", "openai:x", "--base-url", server.url]
        job = [*RECORDS, "--concurrency", "4", *asked]
        for stored in (10, 50, 90):
            kill_when(tmp_path, at_least(tmp_path, stored), job)
        before, asked_before = count(tmp_path, "replies"), len(server.calls)
        document = finish(tmp_path, job)
        asked_after = len(server.calls) - asked_before
    assert asked_after == 160 - before
    assert asked_before - before <= 3 * 4  # at most what was in flight at each kill
    assert document["calls"] == {"made": asked_after, "from_ledger": before}
