"""GSM8K files for tests: the embedded world's word problems in GSM8K's format."""

from __future__ import annotations

import json
from pathlib import Path

from sami_eval.embedded import word_problems


def write_problems(path: Path, n: int = 20) -> Path:
    """The first n evaluation problems as GSM8K JSON lines."""
    rows = [
        {"question": prompt.turns[0], "answer": f"The sum gives it.\n#### {prompt.reference[0]}"}
        for prompt in word_problems("evaluation")[:n]
        if prompt.reference
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
