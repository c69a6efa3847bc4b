"""`--help` in groups: plain text, words whole, at any width."""

from __future__ import annotations

import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from sami_eval.cli.examples import EXAMPLES
from sami_eval.core.flags import Group

COLUMN = 26  # where the text begins; a longer flag stands on a line of its own


class Grouped(TyperCommand):
    """A command whose `--help` lists arguments and flags under the headings of their groups.

    Any: typer carries click inside from 0.26 on and stands on the click package before.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the command: its arguments by the names of their help."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *map(_typed, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write every group that has flags, in the order of `Group`."""
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in Group}
        for one in self.get_params(ctx):
            heading = getattr(one, "rich_help_panel", None) or Group.OUTPUT
            rows[heading].append((_typed(one), getattr(one, "help", None) or ""))
        for heading, of in rows.items():
            if of:
                with formatter.section(heading):
                    for typed, text in of:
                        formatter.write(_folded(typed, text, formatter.width))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what is typed most."""
        name = ctx.command_path.partition(" ")[2]
        with formatter.section("Examples"):
            for line in EXAMPLES[name]:
                formatter.write(f"  sami-eval {line}\n")


class Listing(TyperGroup):
    """A group whose `--help` lists its commands, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a row for every command."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            for name, one in commands.items():
                text = ((one and one.help) or "").partition("\n\n")[0]
                formatter.write(_folded(name, text, formatter.width, column=12))


def _typed(parameter: Any) -> str:
    """A flag as it is typed, with what stands for its value."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    # Every switch can be taken back; where it is off by default the help need not say by what name.
    on = (getattr(parameter, "help", None) or "").endswith(("[default: yes]",))
    taken_back = [f"--no-{name[2:]}" for name in parameter.opts if name.startswith("--")]
    off = parameter.secondary_opts if on or parameter.secondary_opts != taken_back else []
    pairs = (sorted(parameter.opts, key=len), off)
    names = " / ".join(", ".join(names) for names in pairs if names)
    return f"{names} {parameter.metavar}" if parameter.metavar else names


def _folded(typed: str, text: str, width: int, column: int = COLUMN) -> str:
    lines = textwrap.wrap(
        text, width - column - 2, break_long_words=False, break_on_hyphens=False
    ) or [""]
    if len(typed) > column - 2:
        lines.insert(0, "")
    first, *rest = lines
    shown = [f"  {typed:<{column}}{first}", *(" " * (column + 2) + line for line in rest)]
    return "".join(f"{line.rstrip()}\n" for line in shown)
