"""The hub's local cache with small data sets of our own in it, as if they had been fetched."""

from __future__ import annotations

import json
from pathlib import Path

COMMIT = "a" * 40


def fetched(cache: Path, repo: str, name: str, *rows: object) -> Path:
    """A file of rows in a data set's repository: a JSON list, or lines by its ending."""
    repository = cache / f"datasets--{repo.replace('/', '--')}"
    path = repository / "snapshots" / COMMIT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(json.dumps(rows) if path.suffix == ".json" else lines, encoding="utf-8")
    return path
