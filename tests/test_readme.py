"""Every sami-eval command the documents show is one the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sami_eval import cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(path: Path) -> list[list[str]]:
    """Commands in code blocks, continued lines joined, comments dropped."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").split("\n")
    typed = [line.strip().removeprefix("$ ") for line in lines]
    return [shlex.split(line, comments=True) for line in typed if line.startswith("sami-eval ")]


SHOWN = [(path.name, command) for path in DOCUMENTS for command in commands(path)]


def test_the_readme_shows_commands() -> None:
    assert len([name for name, _ in SHOWN if name == "README.md"]) >= 5


@pytest.mark.parametrize(("name", "command"), SHOWN, ids=lambda value: str(value)[:60])
def test_every_flag_shown_exists(
    name: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if command[1].startswith("-") or command[1] == "lm-eval":  # its flags are lm_eval's
        return
    assert cli.run([command[1], "--help"]) == 0
    offered = set(re.findall(r"--?[a-z][a-z-]*", capsys.readouterr().out))
    assert {word.partition("=")[0] for word in command[2:] if word.startswith("-")} <= offered


def test_power_prints_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition("$ sami-eval power --win-rate 0.57 --questions 80\n")[2]
    assert cli.run(["power", "--win-rate", "0.57", "--questions", "80"]) == 0
    assert shown.startswith(capsys.readouterr().out)
