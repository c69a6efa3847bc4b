"""Constitution files: principles in three phrasings, in TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from sami_eval.files import Toml, read_toml, shown
from sami_eval.types import Principle

EXAMPLE = (
    'each [[principle]] needs id = "writing.1", categories = ["writing"], weak = "...", '
    'strong = "...", antithesis = "..."'
)
_TEXTS = ("id", "weak", "strong", "antithesis")


def read_constitution(path: Path) -> tuple[Principle, ...]:
    """Principles of a TOML file, in file order.

    Raises UsageError for a file that cannot be read or a principle with a bad field.
    """
    file = read_toml(path, EXAMPLE)
    for name in file.data:
        if name != "principle":
            file.bad((name,), f"unknown key `{name}`", EXAMPLE)
    rows = file.data.get("principle")
    if not isinstance(rows, list) or not rows:
        file.bad(("principle",), "the constitution has no `[[principle]]`", EXAMPLE)
    principles: dict[str, Principle] = {}
    for number, row in enumerate(rows, 1):
        principle = _principle(row, number, file)
        if principle.id in principles:
            said = f"principle id `{principle.id}` occurs twice"
            file.bad(("principle", "id"), said, EXAMPLE, number)
        principles[principle.id] = principle
    return tuple(principles.values())


def _principle(row: Any, number: int, file: Toml) -> Principle:
    if not isinstance(row, dict):
        file.bad(("principle",), f"principle {number} is {shown(row)}, not a table", EXAMPLE)

    def bad(field: str, said: str) -> NoReturn:
        file.bad(("principle", field), f"principle {number}: {said}", EXAMPLE, number)

    for field in row:
        if field not in (*_TEXTS, "categories"):
            bad(field, f"unknown field `{field}`")
    texts = {}
    for field in _TEXTS:
        value = row.get(field)
        if not isinstance(value, str) or not value.strip():
            bad(field, f"`{field}` is {shown(value)}")
        texts[field] = value.strip()
    categories = row.get("categories")
    if not isinstance(categories, list) or not categories or not all(map(_is_name, categories)):
        bad("categories", f"`categories` is {shown(categories)}")
    return Principle(categories=tuple(categories), **texts)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def principles_for(category: str, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
    """The principles that are relevant for a prompt category."""
    return tuple(principle for principle in principles if category in principle.categories)
