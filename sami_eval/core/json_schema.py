"""Types as JSON Schema, 2020-12: what an editor knows of a user's file is what its reader knows."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from sami_eval.core.described import Says
from sami_eval.core.flags import Flag, Setting
from sami_eval.core.shape import Named, Whole, Within

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_PLAIN = {str: "string", Path: "string", bool: "boolean", int: "integer", float: "number"}
_BOUNDS = {
    "least": "minimum",
    "most": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}


def file_schema(title: str, body: Schema) -> Schema:
    """The schema of a whole file."""
    return {"$schema": DIALECT, "title": title, **body}


def schema_of(kind: Any, partial: bool = False) -> Schema:
    """The schema of a type. partial: a dataclass may be said in part."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Required, NotRequired):
        return schema_of(parts[0], partial)
    if origin is Annotated:
        return _annotated(schema_of(parts[0], partial), parts[1:])
    if origin in (Union, types.UnionType):
        several = [schema_of(one, partial) for one in parts if one is not types.NoneType]
        return several[0] if len(several) == 1 else {"anyOf": several}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": schema_of(parts[0], partial)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(parts[1], partial)}
    if is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return _table(kind, partial)
    return {"type": _PLAIN[kind]} if kind in _PLAIN else {}


def _annotated(found: Schema, rules: Iterable[object]) -> Schema:
    for rule in rules:
        if isinstance(rule, Within):
            said = {name: getattr(rule, field) for field, name in _BOUNDS.items()}
            found = {**found, **{name: one for name, one in said.items() if one is not None}}
        elif isinstance(rule, Named) and rule.numbers:
            found = {"type": ["string", "integer"]}
        elif isinstance(rule, Whole) and rule.filled and found.get("type") in ("string", "array"):
            found = {**found, "minLength" if found["type"] == "string" else "minItems": 1}
        elif isinstance(rule, Says):
            found = {**found, "description": rule.text}
        elif isinstance(rule, Flag):
            found = {**found, "description": rule.help}
    return found


def _table(kind: Any, partial: bool) -> Schema:
    """A table of named keys, and of no others."""
    hints = get_type_hints(kind, include_extras=True)
    if is_typeddict(kind):
        needed = [name for name in hints if name in kind.__required_keys__]
    else:
        missing = dataclasses.MISSING
        fields = dataclasses.fields(kind)
        needed = (
            [one.name for one in fields if {one.default, one.default_factory} == {missing}]
            if not partial
            else []
        )
    return table({name: schema_of(one, partial) for name, one in hints.items()}, needed)


def table(properties: Mapping[str, Schema], needed: Sequence[str] = ()) -> Schema:
    """A table that holds these keys alone."""
    found: Schema = {"type": "object", "properties": dict(properties)}
    return {
        **found,
        **({"required": list(needed)} if needed else {}),
        "additionalProperties": False,
    }


def named(each: Schema) -> Schema:
    """A table of tables, each by a name of the user's."""
    return {"type": "object", "additionalProperties": each}


def flags_schema(settings: Iterable[Setting], but: Sequence[str] = ()) -> Schema:
    """The flags of a command, each by its own name and by its field's."""
    properties: dict[str, Schema] = {}
    for one in settings:
        if one.name not in ("config", *but):
            found = schema_of(one.kind)
            if one.flag.read is not None:
                found = {"anyOf": [found, {"type": "string"}], "description": one.flag.help}
            elif found.get("type") == "array" and one.kind is not None:
                found = {**found, "description": one.flag.help}
            properties |= dict.fromkeys((one.name, one.typed_name.removeprefix("--")), found)
    return table(properties)
