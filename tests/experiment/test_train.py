"""`sami-eval train`: a constitution and prompts in, adapters that were compared out, in stages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli, embedded
from sami_eval.data.prompts import to_row
from tests.records import write_rows

STAGES = ["contrasts", "sft", "sft+sami", "base+dpo", "compare"]


def test_a_dry_run_says_every_stage_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", "--methods", "sami, base+dpo", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["stage"] for one in found["stages"]] == STAGES
    assert found["judges"] == ["rules"]
    assert all(one["cost_usd"] == 0 for one in found["stages"])
    assert cli.run(["train", "--limit", "8", "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "sft, sft+sami, sft+dpo trained on them, base embedded" in said
    assert "sami, dpo, base compared on 8 questions" in said
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["--methods", "sami,nothing"], 2, "no recipe `nothing`"),
        (["--methods", "sami,sami"], 2, "`sami` is named twice"),
        (["--methods", "base"], 2, "`base` is not trained by a method alone"),
        (["--methods", "sami@1"], 2, "`sami@1` is not trained"),
        (["--constitution", "absent.toml"], 2, "absent.toml"),
        (["--prompts", "absent.jsonl"], 2, "absent.jsonl"),
        (["--judge", "qualty"], 2, "no judge `qualty`"),
        (["--judge", "quality", "--judge-model", "openai:x"], 4, "needs a key"),
        (["--preset", "nothing"], 2, "`nothing`"),
        (["--from", "nothing"], 2, "`--from nothing`: no such stage"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(
    given: list[str], code: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", *given, "-q"]) == code
    assert said in capsys.readouterr().err
    assert not list(folder.rglob("*.safetensors"))


def job(folder: Path) -> list[str]:
    asked = embedded.prompts("alignment")[:8]
    write_rows("p.jsonl", *map(to_row, asked))
    return ["train", "--methods", "base+sft", "--prompts", "p.jsonl", "--limit", "4", "--json"]


@pytest.mark.slow
def test_a_killed_training_goes_on_where_it_was(folder: Path) -> None:
    command = [sys.executable, "-m", "sami_eval", *job(folder)]
    how: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **how) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("▸ sft"):
                break
        os.killpg(first.pid, signal.SIGKILL)
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert second.stderr.splitlines()[0].startswith("train: 8 prompts x 2 constitutions")
    assert re.search(r"^✓ contrasts ", second.stderr, re.M)
    assert "▸ contrasts" not in second.stderr
    third = subprocess.run(command, capture_output=True, text=True)
    assert "▸" not in third.stderr
    assert json.loads(third.stdout)["comparisons"] == json.loads(second.stdout)["comparisons"]
