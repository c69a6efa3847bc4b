"""Settings that are what they say: a class of settings is checked against its own annotations.

A misspelt word, a text for a number or a number out of bounds is a UsageError wherever it comes
from: the command line, a file, or Python.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sami_eval.core.errors import UsageError
from sami_eval.core.shape import Within, misfit

Count = Annotated[int, Within(least=1)]
Amount = Annotated[int, Within(least=0)]
Positive = Annotated[float, Within(above=0)]
NotNegative = Annotated[float, Within(least=0)]
Temperature = Annotated[float, Within(least=0, most=2)]
TopP = Annotated[float, Within(least=0.01, most=1)]
Timeout = Annotated[float, Within(least=0.01)]  # seconds
PartOfOne = Annotated[float, Within(least=0, below=1)]
Share = Annotated[float, Within(least=0, most=1)]

MOST = 2**53  # beyond it a float skips whole numbers, and no library takes a larger seed
# Of a file of settings: whose they are, where it was typed, and SHA-256 of the files they name.
ABOUT = ("command", "folder", "files")
NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    Path: "a path",
    types.NoneType: "None",
}
Kind = TypeVar("Kind")


class Face(types.ModuleType):
    """A module that can be called: as its function of the same name.

    sami_eval.align(...) is a command, and a package that holds more.
    """

    def __call__(self, *given: Any, **settings: Any) -> Any:
        """What the function gives."""
        return self._function(*given, **settings)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)

    @property
    def _function(self) -> Any:
        return vars(self)[self.__name__.rpartition(".")[2]]


def unfit(value: object) -> str | None:
    """What is wrong with a value, whatever its type; None: nothing."""
    several = value if isinstance(value, list | tuple) else (value,)
    if any(one == "" for one in several):
        return "is empty"
    past = [one for one in several if isinstance(one, int | float) and one > MOST]
    return f"is {past[0]}; it is at most 2**53" if past else None


def check(settings: Any, called: str = "setting", hint: str = "") -> None:
    """Raise UsageError for the first field of a dataclass whose value does not fit its type.

    called: what a field is to the user. hint: how the user learns more.
    """
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    for name, value in values.items():
        if what := unfit(value):
            raise UsageError(f"{called} `{name}` {what}", hint or f"or leave {name} out")
    wrong = misfit(values, type(settings))
    if wrong is None:
        return
    path, found = wrong
    name = path.partition(".")[0]
    wanted = expected(hints(type(settings))[name])
    raise UsageError(
        f"{called} `{name}` is {found}; it is {wanted}", hint or f"or leave {name} out"
    )


def made(kind: type[Kind], command: str, given: Mapping[str, Any]) -> Kind:
    """Settings from what a person wrote in Python: paths as texts and lists for tuples are fine.

    Raises UsageError for a name that is no setting of the command.
    """
    known = hints(kind)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"perhaps `{near[0]}`" if near else f"settings are {', '.join(known)}"
            raise UsageError(f"{command} has no setting `{name}`", hint)
    return kind(**{name: converted(value, known[name]) for name, value in given.items()})


def hints(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass, bounds among them."""
    return get_type_hints(kind, include_extras=True)


def command_of(settings: Any) -> str:
    """The command that settings are of: their class is named after it."""
    return type(settings).__name__.removesuffix("Settings").lower()


def to_toml(settings: Any, folder: Path, files: Mapping[str, str] | None = None) -> str:
    """What was set, as a file that `--config` reads; what is as by default is left out.

    folder: where relative paths count from. files: what it names, as it is now.
    """
    command, fields = command_of(settings), dataclasses.fields(settings)
    chosen = {field.name: getattr(settings, field.name) for field in fields}
    said = {
        field.name: chosen[field.name] for field in fields if chosen[field.name] != field.default
    }
    about = dict(zip(ABOUT, (command, str(folder), files or {}), strict=True))
    lines = [f"{name} = {in_toml(value)}" for name, value in {**about, **said}.items()]
    return "\n".join([f"# sami-eval {command} --config THIS_FILE", *lines, ""])


def in_toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {in_toml(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str | Path):
        import json

        # JSON's texts are TOML's, but for one letter.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else in_toml(name)


def converted(value: Any, kind: Any) -> Any:
    """The value as its type has it, where another is commonly written for it.

    A list for a tuple, a text for a path, a path for a text. An empty text stays one: as a path it
    would be the current folder.
    """
    parts = [get_origin(part) or part for part in alternatives(kind)]
    if isinstance(value, list) and {tuple, Sequence} & set(parts):
        value = tuple(value)
    if isinstance(value, tuple):
        return tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in value)
    if isinstance(value, str) and value and Path in parts and str not in parts:
        return Path(value)
    if isinstance(value, os.PathLike) and str in parts and Path not in parts:
        return os.fspath(value)
    return value


def alternatives(kind: Any) -> list[Any]:
    """The types of a union, bare of what they are annotated with; of another type itself."""
    if get_origin(kind) in (Union, types.UnionType):
        return [one for part in get_args(kind) for one in alternatives(part)]
    return alternatives(get_args(kind)[0]) if get_origin(kind) is Annotated else [kind]


def expected(kind: Any) -> str:
    """What a value of this type is, in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return ", or ".join(map(expected, parts))
    if origin is Annotated:
        bounds = [str(part) for part in parts[1:] if isinstance(part, Within)]
        return ", ".join([expected(parts[0]), *bounds])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (list, tuple, Sequence):
        return f"a list, each {expected(parts[0])}"
    return NAMES.get(kind, getattr(kind, "__name__", str(kind)))
