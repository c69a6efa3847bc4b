"""Values that no flag takes: numbers that typer's `min` and `max` let through, and empty texts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import typer

from sami_eval.core.errors import UsageError

MOST = 2**53  # beyond it a float skips whole numbers, and no library below takes a larger seed
HINT = "sami-eval --help lists the commands, COMMAND --help what each flag takes"


def check_numbers(app: typer.Typer) -> None:
    """Have every command of an app, and of the apps inside it, refuse such numbers."""
    for command in app.registered_commands:
        if command.callback is not None and not hasattr(command.callback, "settings"):
            command.callback = finite(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_numbers(group.typer_instance)


def finite(command: Callable[..., object]) -> Callable[..., object]:
    """The command, refusing NaN, infinities, endless whole numbers and empty texts in any flag."""

    @functools.wraps(command)
    def checked(**flags: object) -> object:
        for name, value in flags.items():
            flag = "--" + name.replace("_", "-")
            if any(isinstance(one, str) and not one.strip() for one in _each(value)):
                # An unset variable, most often: the default in its stead would be a guess.
                raise UsageError(f"`{flag}` is empty", f"name one, or leave {flag} out")
            if isinstance(value, float | int) and not (math.isfinite(value) and value <= MOST):
                raise UsageError(f"`{flag} {value}`: must be finite, and at most 2**53", HINT)
        return command(**flags)

    return checked


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else (value,)
