"""Files as a user has them: rows of JSON, questions, and the answers of recorded models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


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


def fastchat_pair(question: int = 81, winner: str = "model_1", **changes: Any) -> dict[str, Any]:
    """A line of FastChat's judgments of pairs, with one winner in both games unless told."""
    row = {"question_id": question, "model_1": "x", "model_2": "y", "judge": ["gpt-4", "pair-v2"]}
    return {**row, "g1_winner": winner, "g2_winner": winner, "turn": 1, **changes}


def vote(
    question: int = 81, winner: str = "model_a", voter: str = "author_1", **changes: Any
) -> dict[str, Any]:
    """A line of people's votes."""
    row = {"question_id": question, "model_a": "x", "model_b": "y", "winner": winner}
    return {**row, "judge": voter, "turn": 1, **changes}
