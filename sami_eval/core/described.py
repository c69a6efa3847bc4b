"""What a key of a user's file means: said once, in the Annotated type of its field.

rpm: Annotated[float, Within(above=0), Says("Requests a minute there at most.", 500)]

is what the reader of the file knows, and what `sami-eval init` and an editor show of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from sami_eval.core.settings import in_toml

WIDTH, COLUMN = 100, 44  # of a file, and where what a key means begins


@dataclass(frozen=True, slots=True)
class Says:
    """The meaning of a key in one sentence, and a value that may stand there."""

    text: str
    example: object


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. kind: its type, with bounds and meaning."""

    name: str
    kind: Any
    says: Says


def keys_of(table: type) -> Iterator[Key]:
    """The keys of a table that say what they mean: fields of a dataclass or a TypedDict."""
    for name, kind in get_type_hints(table, include_extras=True).items():
        if (says := _says(kind)) is not None:
            yield Key(name, kind, says)


def _says(kind: Any) -> Says | None:
    """The meaning, on the type or on one of a union's."""
    own = next((one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Says)), None)
    return own or next(filter(None, map(_says, get_args(kind))), None)


def commented(name: str, about: str, keys: Iterable[tuple[str, Says]]) -> str:
    """A table of a TOML file, every line a comment: its keys with their examples and meanings.

    A key's line has no blank behind its #, so that it can be told from words.
    """
    header = [f"# {about}", *([f"#[{name}]"] if name else [])]
    return "\n".join([*header, *(_line(key, says) for key, says in keys), ""])


def _line(name: str, says: Says) -> str:
    setting, words = f"#{name} = {in_toml(says.example)}", f"# {says.text}"
    if max(len(setting) + 1, COLUMN) + len(words) <= WIDTH:
        return f"{setting:<{COLUMN - 1}} {words}"
    return "\n".join([*textwrap.wrap(words, WIDTH, subsequent_indent="# "), setting])
