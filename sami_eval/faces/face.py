"""What every face does alike: it takes its command's settings, and says what each is."""

from __future__ import annotations

import functools
import inspect
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sami_eval.core.config import Config, find_config
from sami_eval.core.errors import SamiEvalError, UsageError, did_you_mean
from sami_eval.core.flags import Group, Setting, flags_of
from sami_eval.core.progress import Progress, from_python
from sami_eval.core.settings import converted, hints
from sami_eval.experiment.frame import Experiment, run
from sami_eval.experiment.plan import Plan, Settings
from sami_eval.faces.result import Result

P = ParamSpec("P")
R = TypeVar("R")
Kind = TypeVar("Kind")
T = TypeVar("T", bound=Settings)
F = TypeVar("F", bound=Plan)
A = TypeVar("A")
S = TypeVar("S")
D = TypeVar("D", bound=Mapping[str, Any])


def face(kind: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Of a function whose keywords are the fields of a settings class.

    Its documentation lists them as `--help` does; another name is a UsageError that knows better.
    """

    def of(run: Callable[P, R]) -> Callable[P, R]:
        known = list(inspect.signature(run).parameters)

        @functools.wraps(run)
        def called(*given: P.args, **named: P.kwargs) -> R:
            for name in named:
                if name not in known:
                    what = f"{run.__name__} has no setting `{name}`"
                    raise UsageError(what, did_you_mean(name, known, "settings are "))
            return run(*given, **named)

        called.__doc__ = "\n\n".join([inspect.getdoc(run) or "", *_paragraphs(kind)])
        return called

    return of


def _paragraphs(kind: type) -> list[str]:
    """The settings by their groups, a line each or more."""
    groups: dict[Group, list[Setting]] = {}
    for one in flags_of("", kind):
        groups.setdefault(one.flag.group, []).append(one)
    return [
        "\n".join([f"{group}:", *map(_line, groups[group])]) for group in Group if group in groups
    ]


def _line(one: Setting) -> str:
    return textwrap.fill(f"{one.name}: {one.flag.help}", 92, initial_indent="    ",
                         subsequent_indent="        ")  # fmt: skip


def asked(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    """The settings among what a face was given. Raises UsageError for one that does not fit."""
    known = hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: converted(given[name], known[name]) for name in names})


def nearest(config: Config | None) -> Config:
    """The configuration that is given, else the nearest."""
    return config or find_config(Path.cwd())


def finished(
    kind: Experiment[T, F, A, S, D], settings: T, config: Config | None, progress: Progress | None
) -> Result[D]:
    """An experiment, done and saved."""
    where = nearest(config)
    document = run(kind, settings, where, progress or from_python())
    return Result(document, where.root / document["run"])


def doubt(check: Callable[P, None], *given: P.args, **named: P.kwargs) -> None:
    """Warn of what the command exits 1 for: the figures are there, and not to be trusted alone."""
    try:
        check(*given, **named)
    except SamiEvalError as error:
        warnings.warn(f"{error.message}: {error.hint}", stacklevel=4)
