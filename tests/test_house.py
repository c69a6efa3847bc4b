"""The house: seven layers, imports point down only; read from the source, nothing is imported.

.venv/bin/python -m tests.test_house     prints the figures: rooms, floors, arrows, lines by folder
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "sami_eval"
# A module imports its own layer and those below. `align` and `judge` are strangers all the same.
LAYERS = (
    ("core", "stats"),
    ("embedded", "data", "ledger", "server"),
    ("generate",),
    ("judge", "align"),
    ("experiment",),
    ("report",),
    ("cli", "harness", "faces"),
)
LAYER = {folder: layer for layer, folders in enumerate(LAYERS) for folder in folders}
STRANGERS = {"align", "judge"}
LOOSE_AT_MOST = 3
# Tests of no one folder: of the documents, the names that stay, what is installed, and the house.
LOOSE_TESTS = {
    "test_documented_commands.py",
    "test_environment.py",
    "test_formats.py",
    "test_house.py",
    "test_public_names.py",
    "test_readme.py",
    "test_site.py",
    "test_wheel.py",
}
Graph = Mapping[str, frozenset[str]]


def module_name(file: Path) -> str:
    """`generate.hf` for sami_eval/generate/hf.py; a folder's own name for its `__init__`."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, known: Iterable[str]) -> Iterator[str]:
    """The package's modules that a source file imports, wherever in the file it does."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            top, _, inner = name.partition(".")
            if top == "sami_eval":
                yield inner if inner in known else inner.rpartition(".")[0]


def read_graph() -> Graph:
    """Which module of the package imports which others."""
    files = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}
    return {
        name: frozenset(imported(ast.parse(file.read_text("utf-8")), files)) - {name}
        for name, file in files.items()
    }


def room(module: str) -> str:
    """The folder a module lies in; "" for what stands at the package's top."""
    top = module.partition(".")[0]
    return top if top in LAYER else ""


def arrows_up(graph: Graph) -> list[str]:
    """Imports of a higher layer, of the package's top, and between the strangers."""
    found = []
    for module, targets in graph.items():
        here = room(module)
        for target in sorted(targets):
            there = room(target)
            up = not there or LAYER[there] > LAYER.get(here, len(LAYERS))
            if here and (up or {here, there} == STRANGERS):
                found.append(f"{module} -> {target or 'sami_eval'}")
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Modules that import one another in a round: strongly connected components (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(graph.get(module, ())):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in graph:
        if module not in index:
            visit(module)
    return found


def loose() -> list[str]:
    """Modules at the package's top besides `__init__` and `__main__`."""
    return [file.name for file in PACKAGE.glob("*.py") if not file.name.startswith("__")]


def test_imports_point_down_only() -> None:
    assert arrows_up(read_graph()) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circles(read_graph()) == []


def test_hardly_a_module_stands_loose() -> None:
    assert len(loose()) <= LOOSE_AT_MOST


def test_every_folder_has_a_layer_and_its_docstring_says_which() -> None:
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert folders == set(LAYER)
    for folder, layer in LAYER.items():
        text = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text("utf-8")))
        assert re.findall(r"^Layer (\d):", text or "", re.M) == [str(layer)], folder


def test_tests_lie_in_a_folder_of_the_name_of_the_code_they_speak_of() -> None:
    files = [file.relative_to(ROOT / "tests") for file in (ROOT / "tests").rglob("test_*.py")]
    assert {file.name for file in files if len(file.parts) == 1} == LOOSE_TESTS
    assert {file.parts[:-1] for file in files if len(file.parts) > 1} == {(name,) for name in LAYER}


def test_readmes_tree_names_every_folder() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    tree = set(re.findall(r"^sami_eval/(\w+)/", readme, re.M))
    assert tree == set(LAYER)


@pytest.mark.parametrize(
    ("graph", "wrong"),
    [
        ({"core.types": frozenset({"data.prompts"})}, ["core.types -> data.prompts"]),
        ({"align.chain": frozenset({"judge.files"})}, ["align.chain -> judge.files"]),
        ({"judge": frozenset({"align"})}, ["judge -> align"]),
        ({"report.html": frozenset({""})}, ["report.html -> sami_eval"]),
        ({"data.votes": frozenset({"ledger.store", "core.types"})}, []),
        ({"extract": frozenset({"stats.extract"})}, []),
    ],
)
def test_an_arrow_that_points_up_is_found(graph: Graph, wrong: list[str]) -> None:
    assert arrows_up(graph) == wrong


def test_a_circle_is_found_and_a_diamond_is_none() -> None:
    round_of_three = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")}
    diamond = {"a": frozenset("bc"), "b": frozenset("d"), "c": frozenset("d"), "d": frozenset()}
    assert circles(round_of_three) == [["a", "b", "c"]]
    assert circles(diamond) == []


def figures() -> str:
    """The picture in figures."""
    graph = read_graph()
    arrows = {
        (room(module), room(target))
        for module, targets in graph.items()
        for target in targets
        if room(module) and room(target) and room(module) != room(target)
    }
    lines = Counter[str]()
    for file in PACKAGE.rglob("*.py"):
        where = file.relative_to(PACKAGE).parts
        lines[where[0] if len(where) > 1 else "(top)"] += len(file.read_text("utf-8").splitlines())
    said = [
        f"{len(graph)} modules in {len(LAYER)} rooms on {len(LAYERS)} floors; {len(loose())} loose",
        f"{len(arrows)} arrows between rooms, {sum(map(len, graph.values()))} between modules",
        f"{len(arrows_up(graph))} point up; {len(circles(graph))} circles",
        f"{sum(lines.values()):,} lines: "
        + ", ".join(f"{folder} {n:,}" for folder, n in lines.most_common()),
    ]
    return "\n".join(said)


if __name__ == "__main__":
    print(figures())
