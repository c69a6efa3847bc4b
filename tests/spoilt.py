"""What a file that is read may hold, what no field of it may be, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Way = tuple[str | int, ...]
NO_TEXT: tuple[object, ...] = (None, "", " ", True, [], {"x": 1}, 1.5)
NO_TEXTS: tuple[object, ...] = (None, "x", 3, {"x": 1}, [3], [None], [["x"]])
NO_NUMBER: tuple[object, ...] = (None, "x", True, [1], {"x": 1}, -1, float("nan"), float("inf"))
NO_COUNT: tuple[object, ...] = (None, "x", True, [1], {"x": 1}, -1, 0.5, float("nan"))
NO_TABLE: tuple[object, ...] = (None, "x", 3, True, ["x"])


@dataclass(frozen=True)
class File:
    """A file that is read: its good content, what no field of it may be, and who reads it.

    rows: the objects of a JSONL file, or the one of a JSON or TOML file.
    spoilt: where a field lies in the first row -> values it cannot have.
    optional: fields that may be missing; null in JSON is a missing field, so it is no error there.
    """

    name: str
    rows: list[Any]
    spoilt: dict[Way, Sequence[object]]
    command: list[str]
    optional: tuple[Way, ...] = ()


def toml_lines(row: dict[str, Any], name: str = "") -> Iterator[str]:
    tables = {}
    for key, value in row.items():
        tabular = (
            isinstance(value, dict)
            and name.count(".") < 1
            and key in ("models", "mine", "prices", "x", "templates", "patterns")
        )
        if tabular or (isinstance(value, list) and value and isinstance(value[0], dict)):
            tables[key] = value
        else:
            yield f"{json.dumps(key)} = {toml_value(value)}"
    for key, value in tables.items():
        inside = f"{name}.{key}" if name else key
        if isinstance(value, list):
            for one in value:
                yield f"[[{inside}]]"
                yield from toml_lines(one, inside)
        else:
            yield f"[{inside}]"
            yield from toml_lines(value, inside)


def toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
    return {"NaN": "nan", "Infinity": "inf"}.get(text := json.dumps(value), text)


def text_of(file: File, first: Any) -> str:
    if file.name.endswith(".toml"):
        return "\n".join(toml_lines(first)) + "\n"
    if file.name.endswith(".json"):
        return json.dumps(first, indent=1)
    return "".join(json.dumps(row) + "\n" for row in [first, *file.rows[1:]])
