"""Numbers that no flag takes: what typer's `min` and `max` let through."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import typer

from sami_eval.core.errors import UsageError

MOST = 2**53  # beyond it a float skips whole numbers, and no library below takes a larger seed
HINT = "sami-eval --help lists the commands, COMMAND --help what each flag takes"


def check_numbers(app: typer.Typer) -> None:
    """Have every command of an app, and of the apps inside it, refuse such numbers."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = finite(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_numbers(group.typer_instance)


def finite(command: Callable[..., object]) -> Callable[..., object]:
    """The command, refusing NaN, infinities and endless whole numbers in any of its flags."""

    @functools.wraps(command)
    def checked(**flags: object) -> object:
        for name, value in flags.items():
            if isinstance(value, float | int) and not (math.isfinite(value) and value <= MOST):
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"`{flag} {value}`: must be finite, and at most 2**53", HINT)
        return command(**flags)

    return checked
