"""`sami-eval init`: a `sami-eval.toml` in which every key is explained and commented out."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group

GPUS = ("/dev/nvidia0", "/dev/kfd")  # NVIDIA's, AMD's; asking torch would take seconds
MOST_NAMED = 8
HEAD = """\
# What every command in this folder and below goes by; a flag that is typed wins over it.
# A line that begins with # and no space is a setting as an example: take the # away to have it.
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
    write(path, config_text(Path.cwd()))


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
    return "\n".join([head, "", *several])


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
