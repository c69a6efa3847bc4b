"""Settings from a TOML file: every value checked where it stands, by the fields of their class.

`--config run.toml`, a run's settings.toml and the steps of a reproduction are read alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from sami_eval.core.files import Toml, read_toml
from sami_eval.core.flags import Setting
from sami_eval.core.settings import ABOUT, alternatives, converted, expected
from sami_eval.core.shape import misfit


class Stated(Protocol):
    """What knows on which line of a file a setting stands."""

    def bad(self, names: Sequence[str], message: str, hint: str, /) -> NoReturn:
        """Raise UsageError at that line."""


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
    said = file.data.get("command", command)
    if said != command:
        message = f"these are settings of `{said}`, not of `{command}`"
        file.bad(("command",), message, f"sami-eval {said} --config {file.path}")
    own = {key: value for key, value in file.data.items() if key not in ABOUT}
    return from_table(own, file, command, settings)


def from_table(
    table: Mapping[str, object], stated: Stated, command: str, settings: Sequence[Setting]
) -> dict[str, object]:
    """What a table says, by the names of the settings. stated: whose error a bad value is."""
    hint = _help(command)
    known = {name: one for one in settings for name in _names(one) if one.name != "config"}
    found: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"perhaps `{near[0]}`; {hint} lists them" if near else f"{hint} lists them"
            stated.bad((key,), f"{command} has no setting `{key}`", meant)
        elif known[key].name in found:
            stated.bad((key,), f"`{key}` is given twice, under two names", "remove one")
        else:
            found[known[key].name] = _value(stated, key, value, known[key], hint)
    return found


def _names(setting: Setting) -> set[str]:
    """The field's name and the flag's."""
    names = {setting.name, setting.typed_name.removeprefix("--")}
    return names if setting.owner != setting.name else set()


def _value(stated: Stated, key: str, value: object, setting: Setting, hint: str) -> object:
    if setting.flag.read is not None and isinstance(value, str):
        return setting.flag.read(value)
    kinds = alternatives(setting.kind)
    if float in kinds and type(value) is int:
        value = float(value)  # as the command line reads it: 0 and 0.0 have keys of their own
    fitted = converted(value, setting.kind)
    wrong = misfit(fitted, setting.kind)
    if wrong is not None:
        stated.bad((key,), f"`{key}` is {wrong[1]}; it is {expected(setting.kind)}", hint)
    if any(one == "" for one in (fitted if isinstance(fitted, list | tuple) else (fitted,))):
        stated.bad((key,), f"`{key}` is empty", f"or leave {key} out")
    return fitted
