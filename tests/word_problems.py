"""GSM8K files for tests: the embedded world's word problems in GSM8K's format."""

from __future__ import annotations

from pathlib import Path

from sami_eval.embedded import word_problems
from tests.records import write_rows


def write_problems(path: Path, n: int = 20) -> Path:
    """The first n evaluation problems as GSM8K JSON lines."""
    rows = [
        {"question": prompt.turns[0], "answer": f"The sum gives it.\n#### {prompt.reference[0]}"}
        for prompt in word_problems("evaluation")[:n]
        if prompt.reference
    ]
    return write_rows(path, *rows)
