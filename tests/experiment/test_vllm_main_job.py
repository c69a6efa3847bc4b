"""The main job on a real vLLM, beside the same job on transformers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import COMMAND

# Greedy, so that both engines should say the same but where two tokens are nearly equal.
JOB = ["compare", "sami", "dpo", "--task", "mtbench", "--temperature", "0", "--limit", "80"]


def run(folder: Path, engine: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, *JOB, "--engine", engine, "--json"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def texts(folder: Path, document: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    lines = (folder / document["run"] / "responses.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    return {(row["prompt_id"], row["model"]): row["turns"] for row in rows}


@pytest.mark.vllm
def test_the_main_job_gives_the_same_table_on_vllm(tmp_path: Path) -> None:
    by_hf = run(tmp_path, "hf")
    by_vllm = run(tmp_path, "vllm")
    assert by_vllm["settings"]["engine"] == "vllm"
    assert by_vllm["run"] != by_hf["run"]
    ours, theirs = texts(tmp_path, by_hf), texts(tmp_path, by_vllm)
    assert ours.keys() == theirs.keys()
    same = sum(ours[key] == theirs[key] for key in ours)
    assert same >= 0.9 * len(ours)
    rates = [document["comparisons"][0]["win_rate"] for document in (by_hf, by_vllm)]
    assert abs(rates[0] - rates[1]) <= 0.05
