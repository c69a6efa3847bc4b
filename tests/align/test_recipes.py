"""What the recipes do to the embedded base, on development prompts and over training seeds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

ROW = re.compile(r"^(\S+) +(0\.\d+) \[(0\.\d+), (0\.\d+)\] +(0\.\d+) +(0\.\d+) +([0-9. ]+)$", re.M)


@pytest.mark.slow
def test_every_recipe_follows_principles_better_than_what_it_started_from(tmp_path: Path) -> None:
    script = [sys.executable, "benchmarks/adherence.py", "base", "sft", "dpo", "sami"]
    done = subprocess.run(
        [*script, "--seeds", "1,2,3", "--split", "development", "--work", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = {row[0]: row for row in ROW.findall(done.stdout)}
    by_seed = {name: [float(value) for value in row[6].split()] for name, row in rows.items()}
    assert by_seed.keys() == {"base", "sft", "dpo", "sami"}
    assert 0.25 <= by_seed["base"][0] <= 0.45
    assert len(by_seed["sami"]) == 3
    for low, high in [("base", "sft"), ("sft", "dpo"), ("sft", "sami")]:
        assert max(by_seed[low]) < min(by_seed[high])
    assert all(float(row[5]) <= 0.05 for row in rows.values())  # rambling
