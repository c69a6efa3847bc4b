"""`sami-eval init`: a `sami-eval.toml` in which every key is explained and commented out."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import MISSING
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal, get_args, get_origin

from sami_eval.cli.flags import bounds
from sami_eval.cli.schema import settings_named, write_schema
from sami_eval.core.described import Says
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group, Setting
from sami_eval.core.settings import alternatives
from sami_eval.core.shape import Within

GPUS = ("/dev/nvidia0", "/dev/kfd")  # NVIDIA's, AMD's; asking torch would take seconds
MOST_NAMED = 8
HEAD = """\
# What every command in this folder and below goes by; a flag that is typed wins over it.
# A # before a name or a [table] comments a setting out, shown by example: take it away to have it.
"""


def init(
    force: Annotated[bool, Flag("Replace the one that is here.", Group.OUTPUT)] = False,
) -> None:
    """Write a sami-eval.toml here: every key it may hold, explained and commented out."""
    from sami_eval.cli.output import write
    from sami_eval.core.config import FILE_NAME

    path = Path(FILE_NAME)
    if os.path.lexists(path) and not force:
        raise UsageError(f"`{path}` is here already", "sami-eval init --force writes it anew")
    line = f"#:schema ./{write_schema('sami-eval').as_posix()}\n"
    write(path, line + config_text(Path.cwd()))


def config_text(folder: Path) -> str:
    """The file: what is seen in the folder first, then every table."""
    from sami_eval.core.config import Price
    from sami_eval.core.config_keys import DefaultKeys, ModelKeys
    from sami_eval.core.described import commented, keys_of
    from sami_eval.core.servers import LimitKeys, ServerKeys

    tables = (
        ("", "Choices of every command.", DefaultKeys),
        ("models.mine", "A model by a name of your own, `mine`.", ModelKeys),
        (
            "servers.ours",
            "A server by a name of your own: `ours:MODEL` is asked there.",
            ServerKeys,
        ),
        ("servers.anthropic", "A vendor's server: its limits.", LimitKeys),
        ('prices."gpt-4o"', "What a model costs, for --dry-run and --max-cost.", Price),
    )
    saw = "; ".join(seen(folder))
    head = HEAD + textwrap.fill(
        f"Seen here: {saw}.", 100, initial_indent="# ", subsequent_indent="# "
    )
    several = [
        commented(name, about, [(key.name, key.says) for key in keys_of(table)])
        for name, about, table in tables
    ]
    return "\n".join([head, "", *several, *_flags()])


def _flags() -> Iterator[str]:
    """A table a command: each of its flags, with what it is by default."""
    from sami_eval.core.config_keys import COMMANDS
    from sami_eval.core.described import commented

    for name in COMMANDS:
        flags = [
            (one.typed_name.removeprefix("--"), Says(one.flag.help, example(one)))
            for one in settings_named(name)
            if one.name not in ("config", "base_url")
        ]
        about = f"Flags of `sami-eval {name}`: its own defaults, or else examples."
        yield commented(name.replace(" ", "."), about, flags)


def example(setting: Setting) -> object:
    """What may stand for a setting: its default, else a value of its type."""
    for usual in (setting.default, setting.usual):
        if usual is not None and usual is not MISSING:
            return usual
    (kind, *_) = [one for one in alternatives(setting.kind) if one is not NoneType]
    if kind is bool:
        return False
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if kind in (int, float):
        most = (bounds(setting.kind) or Within()).most
        usual = 100 if kind is int else 1.0
        return kind(usual if most is None else min(usual, most))
    text = setting.flag.value or setting.name.upper()
    return [text] if get_origin(kind) in (tuple, Sequence) else text


def seen(folder: Path) -> Iterator[str]:
    """What is there: keys by the names of their variables, adapters, a GPU; nothing is loaded."""
    from sami_eval.core.servers import VENDORS

    names = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", *(one.key for one in VENDORS.values()))
    keys = [name for name in names if name and os.environ.get(name)]
    yield "the key " + ", ".join(keys) if keys else "no key in the environment"
    found = [
        file.parent.relative_to(folder).as_posix()
        for depth in ("", "*/", "*/*/")
        for file in sorted(folder.glob(f"{depth}adapter_config.json"))
    ]
    yield "adapters in " + ", ".join(found[:MOST_NAMED]) if found else "no folder of an adapter"
    yield "a GPU" if any(map(os.path.exists, GPUS)) else "no GPU"
