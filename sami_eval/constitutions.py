"""Constitution files: principles in three phrasings, in TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from sami_eval.errors import UsageError
from sami_eval.types import Principle

EXAMPLE = (
    'each [[principle]] needs id = "writing.1", categories = ["writing"], weak = "...", '
    'strong = "...", antithesis = "..."'
)


def read_constitution(path: Path) -> tuple[Principle, ...]:
    """Principles of a TOML file, in file order.

    Raises UsageError for a file that cannot be read or a principle with a bad field.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no constitution file `{path}`", EXAMPLE) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read constitution: {error}", EXAMPLE, str(path)) from None
    rows = data.get("principle")
    if not isinstance(rows, list) or not rows:
        raise UsageError("the constitution has no `[[principle]]`", EXAMPLE, str(path))
    principles = tuple(_principle(row, i, path) for i, row in enumerate(rows, 1))
    seen: set[str] = set()
    for principle in principles:
        if principle.id in seen:
            raise UsageError(f"principle id `{principle.id}` occurs twice", EXAMPLE, str(path))
        seen.add(principle.id)
    return principles


def _principle(row: Any, number: int, path: Path) -> Principle:
    texts = {}
    for field in ("id", "weak", "strong", "antithesis"):
        value = row.get(field) if isinstance(row, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"principle {number}: `{field}` is `{value!r}`", EXAMPLE, str(path))
        texts[field] = value.strip()
    categories = row.get("categories")
    if (
        not isinstance(categories, list)
        or not categories
        or not all(isinstance(category, str) for category in categories)
    ):
        raise UsageError(
            f"principle {number}: `categories` is `{categories!r}`", EXAMPLE, str(path)
        )
    return Principle(categories=tuple(categories), **texts)


def principles_for(category: str, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
    """The principles that are relevant for a prompt category."""
    return tuple(principle for principle in principles if category in principle.categories)
