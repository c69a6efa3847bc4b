"""What can be set of a command: its flags, whichever class they are fields of."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass
from typing import Any, get_type_hints

from sami_eval.core.flags import Flag


@dataclass(frozen=True, slots=True)
class Setting:
    """One flag, and what it sets: a field of the parameter `owner`, or the parameter itself."""

    owner: str
    name: str
    kind: Any
    flag: Flag
    default: object

    @property
    def names(self) -> tuple[str, ...]:
        """As it is typed."""
        return self.flag.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def typed_name(self) -> str:
        """How an error calls it."""
        return max(self.names, key=len).partition("/")[0]


def settings_of(run: Callable[..., None]) -> Iterator[Setting]:
    """Every flag of a command."""
    hints = get_type_hints(run, include_extras=True)
    for parameter in inspect.signature(run).parameters.values():
        name, kind = parameter.name, hints[parameter.name]
        if (settings := settings_class(kind)) is not None:
            yield from _fields(name, settings, whole=settings is kind)
        elif (flag := flag_of(kind)) is not None:
            default = MISSING if parameter.default is parameter.empty else parameter.default
            yield Setting(name, name, kind, flag, default)


def settings_class(kind: Any) -> Any:
    """The class of settings that a parameter's type is or names, else None."""
    for one in (kind, *getattr(kind, "__metadata__", ())):
        if isinstance(one, type) and dataclasses.is_dataclass(one):
            return one
    return None


def _fields(owner: str, settings: Any, whole: bool) -> Iterator[Setting]:
    hints = get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        kind = hints[field.name]
        if (flag := flag_of(kind)) is not None:
            yield Setting(owner, field.name, kind, flag, field.default if whole else None)


def flag_of(kind: Any) -> Flag | None:
    """The flag that a type is annotated with."""
    found = (one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Flag))
    return next(found, None)
