"""`--config run.toml`: a command's settings from a file, every value checked where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from sami_eval.cli.settings import Setting
from sami_eval.core.errors import UsageError
from sami_eval.core.files import Toml, read_toml
from sami_eval.core.settings import ABOUT, alternatives, converted, expected
from sami_eval.core.shape import misfit


def from_file(path: Path, command: str, settings: Sequence[Setting]) -> dict[str, object]:
    """What a file says, by the names of the settings (`from_toml`)."""
    return from_toml(read_toml(path, _help(command)), command, settings)


def _help(command: str) -> str:
    return f"sami-eval {command} --help"


def from_toml(file: Toml, command: str, settings: Sequence[Setting]) -> dict[str, object]:
    """What a file that was read says, by the names of the settings.

    Paths in it count from the current folder, as typed ones do. Raises UsageError for a name that
    is no setting of the command, and for a value that does not fit.
    """
    hint = _help(command)
    known = {name: one for one in settings for name in _names(one) if one.name != "config"}
    found: dict[str, object] = {}
    for key, value in file.data.items():
        if key in ABOUT:
            _check_about(file, key, value, command)
        elif key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"perhaps `{near[0]}`; {hint} lists them" if near else f"{hint} lists them"
            file.bad((key,), f"{command} has no setting `{key}`", meant)
        elif known[key].name in found:
            file.bad((key,), f"`{key}` is given twice, under two names", "remove one")
        else:
            found[known[key].name] = _value(file, key, value, known[key], hint)
    return found


def _names(setting: Setting) -> set[str]:
    """The field's name and the flag's."""
    names = {setting.name, setting.typed_name.removeprefix("--")}
    return names if setting.owner != setting.name else set()


def _check_about(file: Toml, key: str, value: object, command: str) -> None:
    if key == "command" and value != command:
        message = f"these are settings of `{value}`, not of `{command}`"
        file.bad((key,), message, f"sami-eval {value} --config {file.path}")


def _value(file: Toml, key: str, value: object, setting: Setting, hint: str) -> object:
    if setting.flag.read is not None and isinstance(value, str):
        return setting.flag.read(value)
    kinds = alternatives(setting.kind)
    if float in kinds and type(value) is int:
        value = float(value)  # as the command line reads it: 0 and 0.0 have keys of their own
    fitted = converted(value, setting.kind)
    wrong = misfit(fitted, setting.kind)
    if wrong is not None:
        file.bad((key,), f"`{key}` is {wrong[1]}; it is {expected(setting.kind)}", hint)
    if any(one == "" for one in (fitted if isinstance(fitted, list | tuple) else (fitted,))):
        raise UsageError(f"`{key}` is empty", f"or leave {key} out", file.where((key,)))
    return fitted
