"""What the built site has beyond the pages of docs/: a menu, the files they link to, all help.

mkdocs.yml names this file as its hook. docs/index.md is the one list of pages: its headings and
links are the menu.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File

from sami_eval import cli

ROOT = Path(__file__).resolve().parents[1]
BESIDE = "files"  # where what lies outside docs/ is found in the site
COMMANDS = "commands.md"
OUTWARD = re.compile(r"\]\(\.\./([\w./-]+)")


def menu(index: str) -> list[dict[str, Any]]:
    """The headings of the list of pages, each with the pages it links to."""
    rows: list[dict[str, Any]] = [{"sami-eval": "index.md"}]
    for part in re.split(r"^## ", index, flags=re.M)[1:]:
        links = re.findall(r"\]\(((?:\.\./)?[\w-]+\.md)\)", part)
        if links:
            found = [one.replace("../", f"{BESIDE}/") for one in dict.fromkeys(links)]
            rows.append({part.partition("\n")[0]: found})
    return [*rows, {"Every command's help": COMMANDS}]


def every_help() -> str:
    """The help of each command, as it is printed."""
    os.environ["COLUMNS"], os.environ["NO_COLOR"] = "100", "1"
    program = typer.main.get_command(cli.app)
    said = ["# Every command's help\n", f"```\n{_help(program, 'sami-eval')}\n```\n"]
    for name, command in sorted(program.commands.items()):  # type: ignore[attr-defined]
        inner = {name: command} | {
            f"{name} {of}": one for of, one in getattr(command, "commands", {}).items()
        }
        for called, one in inner.items():
            if called != "lm-eval":  # its flags are lm_eval's
                said.append(f"## {called}\n\n```\n{_help(one, f'sami-eval {called}')}\n```\n")
    return "\n".join(said)


def _help(command: Any, called: str) -> str:
    context = command.make_context(called, [], resilient_parsing=True)
    return str(command.get_help(context)).strip()


def on_config(config: Any) -> Any:
    """Give the site its menu."""
    config["nav"] = menu((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    return config


def outside() -> dict[str, str]:
    """The text of files outside of docs/ that pages lead to, and of those that these lead to."""
    pages = sorted((ROOT / "docs").glob("*.md"))
    ahead = [name for page in pages for name in OUTWARD.findall(page.read_text(encoding="utf-8"))]
    found: dict[str, str] = {}
    while ahead:
        name = ahead.pop()
        if name in found or not (ROOT / name).is_file():
            continue
        found[name] = (ROOT / name).read_text(encoding="utf-8")
        if name.endswith(".md"):
            inward = re.findall(r"\]\((?!docs/)([\w./-]+)", found[name])
            ahead += [str((ROOT / name).parent.joinpath(one).relative_to(ROOT)) for one in inward]
    return found


def on_files(files: Any, config: Any) -> Any:
    """Add every command's help, and the files outside of docs/ that a page leads to."""
    files.append(File.generated(config, COMMANDS, content=every_help()))
    for name, text in outside().items():
        up = "../" * (name.count("/") + 1)
        text = text.replace("](docs/", f"]({up}") if name.endswith(".md") else text
        files.append(File.generated(config, f"{BESIDE}/{name}", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links that leave docs/ to those files."""
    if page.file.src_uri.startswith(BESIDE):
        return markdown
    return OUTWARD.sub(rf"]({BESIDE}/\1", markdown)
