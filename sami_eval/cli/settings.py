"""What can be set of a command: its flags, whichever class they are fields of."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from typing import Any, get_type_hints

from sami_eval.core.flags import Setting, flag_of, flags_of


def settings_of(run: Callable[..., None]) -> Iterator[Setting]:
    """Every flag of a command."""
    hints = get_type_hints(run, include_extras=True)
    for parameter in inspect.signature(run).parameters.values():
        name, kind = parameter.name, hints[parameter.name]
        if (settings := settings_class(kind)) is not None:
            yield from flags_of(name, settings, whole=settings is kind)
        elif (flag := flag_of(kind)) is not None:
            default = MISSING if parameter.default is parameter.empty else parameter.default
            yield Setting(name, name, kind, flag, default)


def settings_class(kind: Any) -> Any:
    """The class of settings that a parameter's type is or names, else None."""
    for one in (kind, *getattr(kind, "__metadata__", ())):
        if isinstance(one, type) and dataclasses.is_dataclass(one):
            return one
    return None
