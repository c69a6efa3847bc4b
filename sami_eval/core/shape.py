"""Does a value read from JSON have the shape of a type, and as what: dataclass, list, union, ...?

Annotations say what more is asked: Within bounds a number, Named wants a name, Whole tells of all.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from sami_eval.core.errors import shown

MISSING, UNKNOWN = object(), object()
T = TypeVar("T")
Read = Callable[[Any], Any]  # a value as its type has it; raises MisfitError


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


@dataclass(frozen=True, slots=True)
class Named:
    """A text that is a name (`is_name`). numbers: a whole number is the name of its digits."""

    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """What a value is to be, told of the whole value where only a part of it does not fit.

    filled: a blank text and an empty list do not fit. bare: a text is shown without its quotes.
    """

    wanted: str
    filled: bool = False
    bare: bool = False


Name = Annotated[str, Named()]
Id = Annotated[str, Named(numbers=True)]  # others' files number their questions
Text = Annotated[str, Whole("a text", filled=True, bare=True)]
Texts = Annotated[tuple[str, ...], Whole("a list of texts", bare=True)]
SomeTexts = Annotated[Texts, Whole("a list of texts", filled=True, bare=True)]
Objects = Annotated[tuple[dict[str, Any], ...], Whole("a list of objects", filled=True)]


class MisfitError(Exception):
    """A part of a value that does not fit. name: a path, "responses.0.turns"; "" is the value."""

    def __init__(self, value: object, rule: Whole | None = None) -> None:
        super().__init__()
        self.value, self.rule = value, rule
        self.path: list[str] = []

    def inside(self, name: object) -> MisfitError:
        """The same, seen from the value that holds it under this name."""
        self.path.insert(0, str(name))
        return self

    @property
    def name(self) -> str:
        """Where it lies."""
        return ".".join(self.path)

    @property
    def what(self) -> str:
        """What it is."""
        if self.value is MISSING:
            return "missing"
        if self.value is UNKNOWN:
            return "no field here"
        if self.rule is None:
            return shown(self.value)
        return f"{shown(self.value, self.rule.bare)}, not {self.rule.wanted}"


def misfit(value: object, kind: object) -> tuple[str, str] | None:
    """The first part of a value that does not fit, as (name, what it is); None where all fit.

    Lists stand for tuples, whole numbers for floats; true and false are no numbers, NaN is none.
    """
    try:
        _reader(kind, False)(value)
    except MisfitError as error:
        return error.name, error.what
    return None


def fit(value: object, kind: type[T]) -> T:
    """The value as its type has it: objects as dataclasses, lists as tuples, Ids as texts.

    Raises MisfitError for the first part that does not fit.
    """
    read: Read = _reader(kind, True)  # type: ignore[arg-type]
    found: T = read(value)
    return found


@cache
def _reader(kind: Any, build: bool) -> Read:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Required, NotRequired):
        return _reader(parts[0], build)
    if origin is Annotated:
        return _annotated(_reader(parts[0], build), parts[1:])
    if origin in (Union, types.UnionType):
        return _union([_reader(part, build) for part in parts], types.NoneType in parts)
    if origin in (list, tuple, Sequence):
        make = (list if origin is list else tuple) if build else None
        if origin is tuple and parts[-1] is not Ellipsis:
            return _items([_reader(part, build) for part in parts], len(parts), make)
        return _items(repeat(_reader(parts[0], build)), None, make)
    if origin in (dict, Mapping):
        return _mapping(_reader(parts[1], build), build)
    if is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return _fields(kind, build)
    return _scalar(kind)


def _annotated(read: Read, rules: Sequence[object]) -> Read:
    for rule in rules:
        if isinstance(rule, Within):
            read = _within(read, rule)
        elif isinstance(rule, Named):
            read = _name if not rule.numbers else _id
        elif isinstance(rule, Whole):
            read = _whole(read, rule)
    return read


def _within(read: Read, bounds: Within) -> Read:
    def bounded(value: Any) -> Any:
        found = read(value)
        if not bounds.holds(found):
            raise MisfitError(value)
        return found

    return bounded


def is_name(value: object) -> bool:
    """Whether a value can be shown as a name: text on one line that no terminal acts upon."""
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def _name(value: Any) -> str:
    if not is_name(value):
        raise MisfitError(None if value is MISSING else value)
    return str(value)


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _name(value)


def _whole(read: Read, rule: Whole) -> Read:
    def whole(value: Any) -> Any:
        try:
            found = read(value)
        except MisfitError as error:
            if error.value is UNKNOWN:  # a slip of the pen, which the whole would hide
                raise
            raise MisfitError(None if value is MISSING else value, rule) from None
        if rule.filled and (not found.strip() if isinstance(found, str) else found in ((), [])):
            raise MisfitError(value, rule)
        return found

    return whole


def _union(several: Sequence[Read], optional: bool) -> Read:
    def one_of(value: Any) -> Any:
        if optional and value is None:
            return None
        faults = []
        for read in several:
            try:
                return read(value)
            except MisfitError as error:
                faults.append(error)
        # The deepest complaint is about the alternative that was meant.
        raise max(faults, key=lambda error: len(error.path))

    return one_of


def _items(reads: Iterable[Read], n: int | None, make: Callable[[list[Any]], Any] | None) -> Read:
    """Of a list, each value read by its own; n: so many of them."""

    def items(value: Any) -> Any:
        if not isinstance(value, list | tuple) or n not in (None, len(value)):
            raise MisfitError(value)
        found: list[Any] = []
        try:
            for one, read in zip(value, reads, strict=False):
                found.append(read(one))
        except MisfitError as error:
            raise error.inside(len(found)) from None
        return make(found) if make else value

    return items


def _mapping(read: Read, build: bool) -> Read:
    def mapping(value: Any) -> Any:
        if not isinstance(value, dict):
            raise MisfitError(value)
        found = {}
        for name, one in value.items():
            try:
                found[name] = read(one)
            except MisfitError as error:
                raise error.inside(name) from None
        return found if build else value

    return mapping


def _fields(kind: Any, build: bool) -> Read:
    """Of a dataclass, which has no other fields; of a TypedDict, which may have others."""
    open_ = is_typeddict(kind)
    hints = get_type_hints(kind, include_extras=True)
    several = [
        (name, _reader(part, build), _is_needed(kind, name, part)) for name, part in hints.items()
    ]

    def fields(value: Any) -> Any:
        if not isinstance(value, dict):
            if not open_ and isinstance(value, kind):
                return value
            raise MisfitError(value)
        if not open_ and not value.keys() <= hints.keys():
            unknown = next(name for name in value if name not in hints)
            raise MisfitError(UNKNOWN).inside(unknown)
        found = {}
        for name, read, needed in several:
            if needed or name in value:
                try:
                    found[name] = read(value.get(name, MISSING))
                except MisfitError as error:
                    raise error.inside(name) from None
        if not build:
            return value
        return {**value, **found} if open_ else kind(**found)

    return fields


def _is_needed(kind: Any, name: str, part: Any) -> bool:
    if is_typeddict(kind):  # which cannot see NotRequired in an annotation that is a text
        return name in kind.__required_keys__ and get_origin(part) is not NotRequired
    field = kind.__dataclass_fields__[name]
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _scalar(kind: Any) -> Read:
    fits, plain = _test(kind), kind if kind in (str, int, bool) else None  # most values are

    def scalar(value: Any) -> Any:
        if type(value) is plain or fits(value):
            return value
        raise MisfitError(value)

    return scalar


def _test(kind: Any) -> Callable[[Any], bool]:
    if kind in (Any, object):
        return lambda value: value is not MISSING
    if get_origin(kind) is Literal:
        known = [(type(one), one) for one in get_args(kind)]
        return lambda value: any(type(value) is of and value == one for of, one in known)
    if kind is float:
        return _is_number
    if kind is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    kind = types.NoneType if kind is None else kind
    return lambda value: isinstance(value, kind)


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
