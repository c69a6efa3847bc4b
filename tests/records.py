"""Files as a user has them: rows of JSON, questions, and the answers of recorded models."""

from __future__ import annotations

import json
from pathlib import Path


def write_rows(path: Path | str, *rows: object) -> Path:
    """A file with a line of JSON for each row."""
    file = Path(path)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_records(folder: Path, n: int = 40, **strengths: int) -> None:
    """Questions of two turns in two categories, and a record of each name as strong as it says."""
    numbers = range(1, n + 1)
    questions = [
        {"question_id": i, "category": "ab"[i % 2], "turns": [f"a{i}?", "b?"]} for i in numbers
    ]
    write_rows(folder / "q.jsonl", *questions)
    for name, strength in (strengths or {"one": 1, "two": 1}).items():
        turns = [f"{name} strength {strength}"] * 2
        rows = [{"prompt_id": str(i), "model": name, "turns": turns} for i in numbers]
        write_rows(folder / f"{name}.jsonl", *rows)
