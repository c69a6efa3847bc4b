"""What the documents tell a reader to type is what the programs take; what they quote is said."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sami_eval import cli
from sami_eval.align import listing
from sami_eval.core.config import read_config
from sami_eval.data.constitutions import read_constitution
from sami_eval.experiment.reproduce.scale import read_scale
from sami_eval.judge import program, read_judge
from tests import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tasks" / "README.md"]
DOCUMENTS = [*PAGES, *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = typer.main.get_command(cli.app)
# Neither a network nor minutes, and nothing but the current folder is written.
CHEAP = ("sami-eval power ", "sami-eval ls ", "sami-eval tasks path")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path) -> str:
    """What stands in fenced blocks, continued lines joined."""
    found = re.findall(r"^```\w*\n(.*?)^```", text_of(path), re.S | re.M)
    return "\n".join(found).replace("\\\n", " ")


def lines(path: Path) -> list[str]:
    return [line.strip().removeprefix("$ ") for line in blocks(path).split("\n")]


def spans(path: Path) -> list[str]:
    """`code` inside the text."""
    prose = re.sub(r"^```.*?^```", "", text_of(path), flags=re.S | re.M)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


def typed(program: str, texts: list[str]) -> Iterator[list[str]]:
    """The program's arguments, comments and whatever launches it dropped."""
    for text in texts:
        line = re.sub(r"^accelerate launch .*\$\(command -v sami-eval\)", "sami-eval", text)
        if line.startswith(f"{program} "):
            yield shlex.split(line, comments=True)[1:]


def shown(program: str, inline: bool) -> list[tuple[str, list[str]]]:
    return [
        (path.name, arguments)
        for path in DOCUMENTS
        for arguments in typed(program, spans(path) if inline else lines(path))
    ]


def resolve(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command that is meant, and what it is given."""
    command, rest = PROGRAM, list(arguments)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
    group = hasattr(command, "commands")
    assert not group or not rest or rest[0].startswith(("-", "...")), f"no command `{rest[0]}`"
    return command, rest


def test_the_documents_show_commands() -> None:
    names = [name for name, _ in shown("sami-eval", inline=False)]
    assert names.count("README.md") >= 5
    assert {"alignment.md", "judges.md", "lm-eval.md", "passk.md", "scale.md"} <= set(names)


@pytest.mark.parametrize("case", shown("sami-eval", inline=False), ids=str)
def test_every_command_shown_is_taken(case: tuple[str, list[str]]) -> None:
    command, rest = resolve(case[1])
    with contextlib.suppress(typer.Exit):  # --help and --version
        command.make_context("sami-eval", rest)  # parses, converts, checks ranges; runs nothing


# The flags of `sami-eval lm-eval` are lm_eval's.
IN_PASSING = [case for case in shown("sami-eval", inline=True) if case[1][:1] != ["lm-eval"]]


@pytest.mark.parametrize("case", IN_PASSING, ids=str)
def test_every_flag_named_in_passing_exists(case: tuple[str, list[str]]) -> None:
    command, rest = resolve(case[1])
    offered = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    offered |= {"-h", "--help"}
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= offered


@pytest.mark.parametrize("case", shown("lm_eval", inline=False), ids=str)
def test_every_lm_eval_command_shown_is_taken(case: tuple[str, list[str]]) -> None:
    from lm_eval._cli.harness import HarnessCLI

    HarnessCLI()._parser.parse_args(["run", *case[1]])


CHEAP_LINES = sorted({one for path in DOCUMENTS for one in lines(path) if one.startswith(CHEAP)})


@pytest.mark.parametrize("line", CHEAP_LINES)
def test_a_cheap_command_runs_as_it_is_written(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(shlex.split(line, comments=True)[1:]) == 0


def test_power_prints_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(ROOT / "README.md")
    shown = text.partition("$ sami-eval power --win-rate 0.57 --questions 80\n")[2]
    assert cli.run(["power", "--win-rate", "0.57", "--questions", "80"]) == 0
    assert shown.startswith(capsys.readouterr().out)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_module_and_target_named_exists(path: Path) -> None:
    text = text_of(path)
    files = re.findall(r"\b(?:benchmarks|tests|docs|\.ci)/[\w./-]*\.\w+", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    modules = re.findall(r"python -m ((?:sami_eval|benchmarks|tests)[\w.]*)", text)
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.M))
    assert {*re.findall(r"`make ([a-z-]+)`", text), *made(path)} <= targets


def made(path: Path) -> list[str]:
    return [line.split()[1] for line in lines(path) if line.startswith("make ")]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as hosting sites make them."""
    heads = re.findall(r"^#+ (.*)$", text_of(path), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


EVERY_PAGE = [*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "sami_eval/embedded/base/README.md"]


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: path.name)
def test_every_link_inside_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", text_of(path)):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def files_shown(language: str) -> list[tuple[str, str]]:
    """Blocks of a language: the file their first comment names, else "", and the text."""
    found = []
    for path in DOCUMENTS:
        for text in re.findall(rf"^```{language}\n(.*?)^```", text_of(path), re.S | re.M):
            named = re.match(r"# ([\w/-]+\.\w+)", text)
            found.append((named[1] if named else "", text))
    return found


READERS: dict[str, Callable[[Path], object]] = {
    "judges/strict.toml": lambda path: read_judge(str(path)),
    "judges/brevity.toml": lambda path: program.load(read_judge(str(path))),
    "judges/helpful.toml": lambda path: read_judge(str(path)),
    "sami-eval.toml": read_config,
    "constitution.toml": read_constitution,
    "mine.toml": lambda path: read_scale(str(path)),
}


def test_every_file_shown_is_one(tmp_path: Path) -> None:
    shown = files_shown("toml")
    assert {name for name, _ in shown} - {""} == set(READERS)
    (code,) = (text for name, text in files_shown("python") if name == "judges/brevity.py")
    (tmp_path / "brevity.py").write_text(code, encoding="utf-8")
    for name, text in shown:
        tomllib.loads(text)
        path = tmp_path / (Path(name).name or "fragment.toml")
        path.write_text(text, encoding="utf-8")
        if name:
            READERS[name](path)


def test_the_method_shown_is_one(tmp_path: Path) -> None:
    ((name, text),) = (one for one in files_shown("python") if one[0].startswith("methods/"))
    (tmp_path / Path(name).name).write_text(text, encoding="utf-8")
    assert listing(tmp_path)[-1][:2] == ("short", "SFT on the contrasts whose responses are short.")
    assert "def train(contrasts, base, options, out, progress):" in text


def message_patterns() -> list[re.Pattern[str]]:
    """Every text in the package, what is filled in standing for anything; no short ones."""
    texts = []
    for file in (ROOT / "sami_eval").rglob("*.py"):
        for node in ast.walk(ast.parse(text_of(file))):
            if isinstance(node, ast.JoinedStr):
                texts.append([getattr(part, "value", None) for part in node.values])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append([node.value])
    fixed = [[part if isinstance(part, str) else None for part in text] for text in texts]
    return [
        re.compile("".join(".+" if part is None else re.escape(part) for part in text), re.S)
        for text in fixed
        if sum(len(part) for part in text if part is not None) >= 10
    ]


def quoted() -> list[str]:
    """The first column of the tables of what we say, up to what others say."""
    page = text_of(ROOT / "docs" / "troubleshooting.md").partition("## What others say")[0]
    cells = re.findall(r"^\| (`{1,2})(?! )(.+?) ?\1 \|", page, re.M)
    return [re.sub(r"^(error|WARNING): ", "", cell) for _, cell in cells]


def test_every_message_quoted_is_said_somewhere() -> None:
    patterns = message_patterns()
    assert len(quoted()) >= 30
    said = [one for one in quoted() if any(pattern.fullmatch(one) for pattern in patterns)]
    assert said == quoted()
