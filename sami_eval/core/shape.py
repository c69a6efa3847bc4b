"""Does a value read from JSON have the shape of a type: dataclass, TypedDict, list, union, ...?"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from sami_eval.core.errors import shown

MISSING = object()


@dataclass(frozen=True, slots=True)
class Within:
    """Bounds of a number, in an Annotated type. least and most are allowed, above and below not."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: Any) -> bool:
        """Whether a number lies within."""
        return not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        said = {"at least": self.least, "above": self.above}
        said |= {"at most": self.most, "below": self.below}
        return ", ".join(f"{text} {n:g}" for text, n in said.items() if n is not None)


def misfit(value: object, kind: object) -> tuple[str, str] | None:
    """The first part of a value that does not fit, as (name, what it is); None where all fit.

    Lists stand for tuples, whole numbers for floats; true and false are no numbers, NaN is none.
    A name is a path: "responses.0.turns"; "" is the value itself.
    """
    return next(_misfits(value, kind, ""), None)


def _misfits(value: object, kind: Any, at: str) -> Iterator[tuple[str, str]]:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        wrong = list(_misfits(value, parts[0], at))
        yield from wrong
        bounds = [part for part in parts[1:] if isinstance(part, Within)]
        if not wrong and not all(within.holds(value) for within in bounds):
            yield at, shown(value)
    elif origin in (Union, types.UnionType):
        tried = [list(_misfits(value, part, at)) for part in parts]
        if all(tried):
            # The deepest complaint is about the alternative that was meant.
            yield max((found[0] for found in tried), key=lambda one: one[0].count("."))
    elif origin in (list, tuple, Sequence):
        yield from _in_list(value, origin, parts, at)
    elif origin in (dict, Mapping):
        yield from _in_mapping(value, parts[1], at)
    elif is_typeddict(kind) or dataclasses.is_dataclass(kind):
        if is_typeddict(kind) or not isinstance(value, kind):
            yield from _in_fields(value, kind, at)
    elif not _fits(value, kind):
        yield at, "missing" if value is MISSING else shown(value)


def _in_list(value: object, origin: Any, parts: Any, at: str) -> Iterator[tuple[str, str]]:
    fixed = origin is tuple and parts[-1] is not Ellipsis
    if not isinstance(value, list | tuple) or (fixed and len(value) != len(parts)):
        yield at, "missing" if value is MISSING else shown(value)
        return
    for i, one in enumerate(value):
        yield from _misfits(one, parts[i] if fixed else parts[0], _inside(at, str(i)))


def _in_mapping(value: object, part: Any, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield at, "missing" if value is MISSING else shown(value)
        return
    for name, one in value.items():
        yield from _misfits(one, part, _inside(at, str(name)))


def _in_fields(value: object, kind: Any, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield at, "missing" if value is MISSING else shown(value)
        return
    hints = get_type_hints(kind, include_extras=True)
    for name in value:
        if name not in hints and not is_typeddict(kind):
            yield _inside(at, name), "no field here"
    for name, part in hints.items():
        one = value.get(name, MISSING)
        if one is not MISSING or _is_needed(kind, name):
            yield from _misfits(one, part, _inside(at, name))


def _is_needed(kind: Any, name: str) -> bool:
    if is_typeddict(kind):
        return name in kind.__required_keys__
    field = kind.__dataclass_fields__[name]
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _fits(value: object, kind: Any) -> bool:
    if kind is Any:
        return value is not MISSING
    if get_origin(kind) is Literal:
        return any(type(value) is type(one) and value == one for one in get_args(kind))
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value)  # type: ignore[arg-type]
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if kind in (None, types.NoneType) else isinstance(value, kind)
