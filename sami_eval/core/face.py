"""A function of Python that is a command: it takes its settings, and says what each of them is."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ParamSpec, TypeVar

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.flags import Group, Setting, flags_of
from sami_eval.core.settings import converted, hints

P = ParamSpec("P")
R = TypeVar("R")
Kind = TypeVar("Kind")


def face(*kinds: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Of a function whose keywords are the fields of its settings classes.

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

        called.__doc__ = "\n\n".join([inspect.getdoc(run) or "", *_paragraphs(kinds, known)])
        return called

    return of


def _paragraphs(kinds: tuple[type, ...], known: list[str]) -> list[str]:
    """The settings by their groups, a line each or more."""
    groups: dict[Group, list[Setting]] = {}
    for one in (one for kind in kinds for one in flags_of("", kind)):
        if one.name in known:
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
    names = [field.name for field in fields(kind) if field.name in given]  # type: ignore[arg-type]
    return kind(**{name: converted(given[name], known[name]) for name in names})
