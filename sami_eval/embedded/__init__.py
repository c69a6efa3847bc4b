"""The offline default: a tiny base model of our own, and a world of prompts a program can judge.

Figures from it show that the machinery works and say nothing about large models.

Layer 1: imports core, stats and data; generation and all above may import it.
"""

from __future__ import annotations

import json
from pathlib import Path

from sami_eval.core.types import Prompt

_HERE = Path(__file__).parent
BASE_DIR = _HERE / "base"
CONSTITUTION = _HERE / "constitution.toml"
PROMPTS = _HERE / "prompts.jsonl"
WORD_PROBLEMS = _HERE / "word_problems.jsonl"


def _read(path: Path, split: str) -> list[Prompt]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Prompt(
            id=row["id"],
            category=row["category"],
            turns=tuple(row["turns"]),
            reference=tuple(row["reference"]) if row["reference"] else None,
            principles=tuple(row["principles"]),
        )
        for row in rows
        if row["split"] == split
    ]


def prompts(split: str) -> list[Prompt]:
    """Prompts of a split: "alignment", "development" or "evaluation"."""
    return _read(PROMPTS, split)


def word_problems(split: str) -> list[Prompt]:
    """Word problems with exact answers: "development" or "evaluation"."""
    return _read(WORD_PROBLEMS, split)
