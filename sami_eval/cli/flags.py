"""Commands from settings classes: a flag for every field that has one (core/flags.py)."""

from __future__ import annotations

import functools
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from sami_eval.cli.complete import completion
from sami_eval.cli.settings import settings_class, settings_of
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group, Setting
from sami_eval.core.settings import MOST, alternatives, converted
from sami_eval.core.shape import Within

HINT = "sami-eval --help lists the commands, COMMAND --help what each flag takes"
TYPED = ("COMMANDLINE", "PROMPT")

DryRun = Annotated[bool, Flag("Say what would be done, then stop.", Group.OUTPUT)]
Json = Annotated[bool, Flag("Print JSON instead of tables.", Group.OUTPUT, ("--json",))]
Quiet = Annotated[bool, Flag("No progress.", Group.OUTPUT, ("-q", "--quiet"))]
Verbose = Annotated[
    bool, Flag("More: stage times, memory, tracebacks.", Group.OUTPUT, ("-v", "--verbose"))
]
Html = Annotated[bool, Flag("Write the page report.html, and say where.", Group.OUTPUT)]
Open = Annotated[bool, Flag("Write the page and open it in a browser.", Group.OUTPUT, ("--open",))]
_FILE = Flag(
    "Flags as TOML, by their names; what is typed wins over it, --no-NAME over a switch.",
    Group.OUTPUT,
)


class Command:
    """A function for typer that reads the flags of `run` and calls it.

    run: its parameters are settings classes; Annotated[Mapping, CLASS], which gets what was given
        of the class and nothing else; and single flags. Any other parameter is left alone.
    What typer asks of a function is made when it asks: a start needs the flags of one command.
    """

    def __init__(self, run: Callable[..., None]) -> None:
        self.run, self.__name__, self.__doc__ = run, run.__name__, run.__doc__

    @functools.cached_property
    def settings(self) -> list[Setting]:
        """Every flag, `--config` the last of them."""
        file = Setting("config", "config", Path | None, _FILE, None)
        return [*settings_of(self.run), file]

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        context = inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        return inspect.Signature([context, *map(_parameter, self.settings)])

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return {name: one.annotation for name, one in self.__signature__.parameters.items()}

    def __call__(self, context: typer.Context, **values: Any) -> None:
        """Run the command with what was typed, what files say, and what is in the environment."""
        from sami_eval.core.settings_file import from_file

        given = _given(context, self.settings, values)
        path = given.get("config")
        name = context.command_path.partition(" ")[2]
        said = from_file(path, name, self.settings) if isinstance(path, Path) else {}
        sources = {name: context.get_parameter_source(name) for name in given}
        typed = {name for name, source in sources.items() if getattr(source, "name", "") in TYPED}
        # A file that was named is meant; the environment is only there.
        found = {**given, **said, **{name: given[name] for name in typed}}
        found = {**_of_folder(name, self.settings, found), **found}
        missing = (one.name for one in self.settings if one.default is MISSING)
        for name in missing:
            if name not in found:
                raise UsageError(f"Missing argument '{name}'.", f"{context.command_path} --help")
        self.run(**_arguments(self.run, self.settings, found))


def _of_folder(
    command: str, settings: Sequence[Setting], found: Mapping[str, object]
) -> Mapping[str, object]:
    """What `sami-eval.toml` says of the command's flags; what of it decides is said."""
    from sami_eval.core.config import decided_line, find_config
    from sami_eval.core.config_keys import COMMANDS
    from sami_eval.core.settings_file import from_config

    if command not in COMMANDS:
        return {}
    config = find_config(Path.cwd(), quiet=True)
    said, places = from_config(config, command, settings)
    deciding = [(places[name][-1], places[name], said[name]) for name in said if name not in found]
    if config.file is not None and deciding:
        print(decided_line(config.file, deciding), file=sys.stderr, flush=True)
    return said


def _given(
    context: typer.Context, settings: Sequence[Setting], values: Mapping[str, Any]
) -> dict[str, object]:
    """What was typed, or stands in the environment, as the types of the fields have it."""
    given = {}
    for one in settings:
        source = context.get_parameter_source(one.name)
        if source is not None and not source.name.startswith("DEFAULT"):
            _check(one.typed_name, context.params[one.name])
            given[one.name] = _value(one, values[one.name])
    return given


def _check(flag: str, value: object) -> None:
    """Refuse what typer's `min` and `max` let through, and empty texts."""
    several = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, str) and not one.strip() for one in several):
        # An unset variable, most often: the default in its stead would be a guess.
        raise UsageError(f"`{flag}` is empty", f"name one, or leave {flag} out")
    if isinstance(value, float | int) and not (math.isfinite(value) and value <= MOST):
        raise UsageError(f"`{flag} {value}`: must be finite, and at most 2**53", HINT)


def _value(setting: Setting, value: Any) -> object:
    if setting.flag.read is not None:
        return setting.flag.read(value)
    if isinstance(value, list) and len(value) == 1 and str in alternatives(setting.kind):
        return value[0]  # one, or several of them
    return converted(value, setting.kind)


def _arguments(
    run: Callable[..., None], settings: Sequence[Setting], found: Mapping[str, object]
) -> dict[str, object]:
    """The parameters of a command: its settings made, its single flags as they are."""
    hints = get_type_hints(run, include_extras=True)
    arguments: dict[str, object] = {}
    for owner in dict.fromkeys(one.owner for one in settings if one.owner in hints):
        of = {
            one.name: found[one.name]
            for one in settings
            if one.owner == owner and one.name in found
        }
        kind = settings_class(hints[owner])
        if kind is None:
            arguments |= of
        else:
            arguments[owner] = kind(**of) if kind is hints[owner] else of
    return arguments


def _parameter(setting: Setting) -> inspect.Parameter:
    """A setting as typer reads it, never required: a file may say it.

    Without a default of its own, so that what is given is known.
    """
    kind, within = _typers(setting), bounds(setting.kind) or Within()
    make = typer.Argument if setting.flag.positional else typer.Option
    info = make(
        *(() if setting.flag.positional else setting.names),
        envvar=setting.flag.envvar,
        help=_help(setting),
        metavar=_shown_value(setting),
        show_default=False,
        path_type=str,  # as it was typed: an empty path would be the current folder
        min=within.least,
        max=within.most,
        rich_help_panel=setting.flag.group.value,
        autocompletion=completion(setting),
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, info],
    )


def _typers(setting: Setting) -> Any:
    """The type by which typer converts what is typed."""
    every = alternatives(setting.kind)
    kinds = [one for one in every if one is not types.NoneType]
    if setting.flag.read is not None:
        return str
    kind = list[str] if _is_list(kinds) else kinds[0]
    return kind if kinds == every else kind | None


def _is_list(kinds: Sequence[Any]) -> bool:
    return any(get_origin(one) in (list, tuple, Sequence) for one in kinds)


def bounds(kind: Any) -> Within | None:
    """The bounds of a number's type, where it has some."""
    found = [one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Within)]
    parts = get_args(kind) if not found else ()
    return found[0] if found else next(filter(None, map(bounds, parts)), None)


def _shown_value(setting: Setting) -> str | None:
    """What stands for the value in the help; None for a switch."""
    (kind, *_) = [one for one in alternatives(setting.kind) if one is not types.NoneType]
    if setting.flag.positional:
        name = (setting.flag.value or setting.name.upper()) + "..." * _is_list([kind])
        return name if setting.default is MISSING else f"[{name}]"
    if kind is bool or setting.flag.value:
        return setting.flag.value
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    within = bounds(setting.kind) or Within()
    if kind is float and within.least == 0 and within.most == 1:
        return "SHARE"
    return {int: "N", float: "NUMBER", Path: "FILE"}.get(kind, "NAME")


def _help(setting: Setting) -> str:
    """The sentence, and the default and bounds behind it."""
    facts = [f"default: {_said(setting.default)}"] if _said(setting.default) else []
    facts += [f"variable: {setting.flag.envvar}"] if setting.flag.envvar else []
    facts += [_range(bounds(setting.kind) or Within())]
    facts = [fact for fact in facts if fact]
    return setting.flag.help + (f"  [{'; '.join(facts)}]" if facts else "")


def _range(within: Within) -> str:
    """The bounds of a number; none that every count has."""
    if within.least is not None and within.most is not None:
        return f"{within.least:g} to {within.most:g}"
    return "" if within == Within(least=within.least) and within.least in (0, 1) else str(within)


def _said(default: object) -> str:
    if isinstance(default, bool) or default is None or default is MISSING:
        return "yes" if default is True else ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
