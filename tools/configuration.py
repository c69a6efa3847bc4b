"""The tables of docs/configuration.md, out of the classes that read the files.

python -m tools.configuration    # writes them into the page
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path

from sami_eval import cli
from sami_eval.cli.flags import Command
from sami_eval.cli.reproduce import app as reproduce
from sami_eval.core.config import Price
from sami_eval.core.config_keys import COMMANDS, DefaultKeys, ModelKeys
from sami_eval.core.described import keys_of
from sami_eval.core.flags import Setting
from sami_eval.core.servers import LimitKeys, ServerKeys
from sami_eval.core.settings import expected, in_toml

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
TABLES = {
    "at the top": DefaultKeys,
    "`[models.NAME]`": ModelKeys,
    "`[servers.NAME]`": ServerKeys,
    "`[servers.VENDOR]`": LimitKeys,
    '`[prices."MODEL"]`': Price,
}


def commands() -> Iterator[tuple[str, Command]]:
    """Every command that has a table of its flags in `sami-eval.toml`."""
    for app, before in ((cli.app, ""), (reproduce, "reproduce ")):
        for info in app.registered_commands:
            run = info.callback
            name = f"{before}{getattr(run, '__name__', '')}"
            if isinstance(run, Command) and name in COMMANDS:
                yield name, run


def default(setting: Setting) -> str:
    """A setting's default as a file says it; empty where there is none, or another place says."""
    value = setting.default
    if value is MISSING or value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def rows() -> Iterator[str]:
    """One row a key, type, default and meaning, with the commands that have it so."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for name, command in commands():
        for one in command.settings:
            if one.name == "config":
                continue
            kind = expected(one.kind).removesuffix(", or None").replace("`", "")
            kind = "true or false" if kind == "True or False" else kind
            key = one.typed_name.removeprefix("--")
            found.setdefault((key, kind, default(one), one.flag.help), []).append(name)
    for (key, kind, value, says), of in sorted(found.items()):
        cells = (f"`{key}`", kind, f"`{value}`" if value else "", ", ".join(of), says)
        yield f"| {' | '.join(one.replace('|', chr(92) + '|') for one in cells)} |"


def settings() -> str:
    """The keys of `--config`."""
    return "\n".join(["| key | takes | default | of | what it sets |", "|-|-|-|-|-|", *rows()])


def keys() -> str:
    """The keys of `sami-eval.toml`, table by table."""
    said = ["| table | key | says | for example |", "|-|-|-|-|"]
    for name, table in TABLES.items():
        for key in keys_of(table):
            example = in_toml(key.says.example).replace("|", "\\|")
            said.append(f"| {name} | `{key.name}` | {key.says.text} | `{example}` |")
    return "\n".join(said)


def written(page: str) -> str:
    """The page with its tables as they are now."""
    for name, made in (("keys", keys), ("settings", settings)):
        begin = f"<!-- {name}: python -m tools.configuration -->\n\n"
        end = f"\n\n<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        page = before + begin + made() + end + rest.partition(end)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
