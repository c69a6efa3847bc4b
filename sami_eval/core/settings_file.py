"""Settings from a TOML file: every value checked where it stands, by the fields of their class.

`--config run.toml`, a command's table in `sami-eval.toml`, a run's settings.toml and the steps of a
reproduction are read alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from sami_eval.core.config import Config
from sami_eval.core.config_keys import COMMANDS
from sami_eval.core.files import Toml, read_toml
from sami_eval.core.flags import Setting
from sami_eval.core.settings import ABOUT, alternatives, converted, expected, unfit
from sami_eval.core.shape import misfit


class Stated(Protocol):
    """What knows on which line of a file a setting stands."""

    def bad(self, names: Sequence[str], message: str, hint: str, /) -> NoReturn:
        """Raise UsageError at that line."""


def from_file(path: Path, command: str, settings: Sequence[Setting]) -> dict[str, object]:
    """What a file says, by the names of the settings (`from_toml`)."""
    return from_toml(read_toml(path, _help(command)), command, settings)


def from_config(
    config: Config, command: str, settings: Sequence[Setting]
) -> tuple[dict[str, object], dict[str, Sequence[str]]]:
    """What `sami-eval.toml` says in a command's table, by the names of the settings.

    Beside it under which tables and key each stands.
    """
    names, file = command.split(), config.file
    if file is None or command not in COMMANDS:
        return {}, {}
    table: object = file.data
    for i, name in enumerate(names, 1):
        table = table.get(name, {}) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            file.bad(
                names[:i], f"`{'.'.join(names[:i])}` is no table", f"write [{'.'.join(names)}]"
            )
    assert isinstance(table, dict)
    own = file.table(names, table) if table else file
    for key in {"base-url", "base_url"} & table.keys():
        # The key of the environment follows an address that was typed, and never a file's.
        own.bad(
            (key,), f"`{key}` stands at the top of the file", 'base-url = "...", for every command'
        )
    known = _known(settings)
    found = from_table(table, own, command, settings)
    return found, {known[key].name: (*names, key) for key in table}


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
    known = _known(settings)
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


def _known(settings: Sequence[Setting]) -> dict[str, Setting]:
    """Every setting by its field's name and by its flag's; but where it is read is typed alone."""
    return {
        name: one
        for one in settings
        for name in (one.name, one.typed_name.removeprefix("--"))
        if one.name != "config"
    }


def _value(stated: Stated, key: str, value: object, setting: Setting, hint: str) -> object:
    if what := unfit(value):
        stated.bad((key,), f"`{key}` {what}", "name one, or remove the line")
    if setting.flag.read is not None and isinstance(value, str):
        return setting.flag.read(value)
    kinds = alternatives(setting.kind)
    if float in kinds and type(value) is int:
        value = float(value)  # as the command line reads it: 0 and 0.0 have keys of their own
    fitted = converted(value, setting.kind)
    wrong = misfit(fitted, setting.kind)
    if wrong is not None:
        stated.bad((key,), f"`{key}` is {wrong[1]}; it is {expected(setting.kind)}", hint)
    return fitted
