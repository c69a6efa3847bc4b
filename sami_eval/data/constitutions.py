"""Constitution files: principles in three phrasings, in our TOML or the paper's two JSON formats.

| file            | a principle                                                         |
|-----------------|---------------------------------------------------------------------|
| TOML            | [[principle]] id, categories, weak, strong, antithesis              |
| JSON, MT-Bench  | "ID": {weak, strong, antithesis, relevant_for: [category, ...]}     |
| JSON, math      | "ID": {definition, paraphrases: [...], paraphrases_antithesis: ...} |

The math format names no categories: its principles are relevant for every prompt.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from sami_eval.core.errors import UsageError
from sami_eval.core.files import Toml, parse_json, read_text, read_toml, shown
from sami_eval.core.types import Principle

EXAMPLE = (
    'each [[principle]] needs id = "writing.1", categories = ["writing"], weak = "...", '
    'strong = "...", antithesis = "..."'
)
JSON_EXAMPLE = (
    '{"writing.1": {"weak": "...", "strong": "...", "antithesis": "...", "relevant_for": '
    '["writing"]}} or {"math.1": {"definition": "...", "paraphrases": ["..."], '
    '"paraphrases_antithesis": ["..."]}}'
)
EVERY = "*"
_TEXTS = ("id", "weak", "strong", "antithesis")
_BY_CATEGORY = ("weak", "strong", "antithesis", "relevant_for")
_OF_PHRASINGS = ("definition", "paraphrases", "paraphrases_antithesis")
_LISTS = ("relevant_for", "paraphrases", "paraphrases_antithesis")


def read_constitution(path: Path) -> tuple[Principle, ...]:
    """Principles of a file, in file order; a name that ends in .json is read as the paper's.

    Raises UsageError for a file that cannot be read or a principle with a bad field.
    """
    if path.suffix == ".json":
        return _read_json(path)
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
    return Principle(
        texts["id"], tuple(categories), texts["weak"], texts["strong"], texts["antithesis"]
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _read_json(path: Path) -> tuple[Principle, ...]:
    text = read_text(path, JSON_EXAMPLE)
    data = parse_json(text, JSON_EXAMPLE, path)
    if not isinstance(data, dict) or not data:
        raise UsageError("not an object of principles", JSON_EXAMPLE, f"{path}:1")
    return tuple(_json_principle(name, row, text, path) for name, row in data.items())


def _json_principle(name: str, row: Any, text: str, path: Path) -> Principle:
    def bad(said: str, field: str | None = None) -> NoReturn:
        raise UsageError(
            f"principle `{name}`: {said}", JSON_EXAMPLE, _line(text, name, field, path)
        )

    if not name.strip():
        bad("a principle needs a name")
    if not isinstance(row, dict):
        bad(f"{shown(row)} is not an object")
    fields = _OF_PHRASINGS if row.keys() & set(_OF_PHRASINGS) else _BY_CATEGORY
    for field in row:
        if field not in fields:
            bad(f"unknown field `{field}`", field)
    values = {}
    for field in fields:
        values[field] = _texts(row.get(field), several=field in _LISTS)
        if not values[field]:
            bad(f"`{field}` is {shown(row.get(field))}", field)
    if fields is _BY_CATEGORY:
        weak, strong, antithesis, categories = (values[field] for field in fields)
    else:
        (weak, strong, antithesis), categories = (values[field] for field in fields), (EVERY,)
    return Principle(
        name, categories, weak[0], strong[0], antithesis[0], strong[1:], antithesis[1:]
    )


def _texts(value: object, several: bool) -> tuple[str, ...]:
    """A text, or a list of several; empty for what is neither."""
    listed = value if several and isinstance(value, list) else [] if several else [value]
    texts = [one.strip() for one in listed if isinstance(one, str)]
    return tuple(texts) if len(texts) == len(listed) and all(texts) else ()


def _line(text: str, name: str, field: str | None, path: Path) -> str:
    """ "FILE:LINE" of a principle, or of one of its fields where it has that."""
    found = re.search(rf'"{re.escape(name)}"\s*:', text)
    start = found.end() if found else 0
    if found and field is not None:
        end = text.find("}", start)
        inside = re.compile(rf'"{re.escape(field)}"\s*:').search(text, start, max(end, start))
        start = inside.start() if inside else start
    return f"{path}:{text.count(chr(10), 0, start) + 1}"


def principles_for(category: str, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
    """The principles that are relevant for a prompt category."""
    return tuple(one for one in principles if {category, EVERY} & set(one.categories))
