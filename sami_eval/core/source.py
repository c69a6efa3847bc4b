"""Python source as its tree, of which nothing is run; and how a file of a user's is loaded."""

from __future__ import annotations

import ast
import importlib.util
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

# Two threads that parse at once break each other's before Python 3.12 (python/cpython#106905).
_PARSING = threading.Lock()
_INSTALLED = {Path(one).resolve() for one in (sys.prefix, sys.base_prefix)}
_APART = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # names in them are their own


def parsed(source: str) -> ast.Module:
    """The tree of a source, one thread at a time. Raises what `ast.parse` does."""
    with _PARSING:
        return ast.parse(source)


def constant(file: Path, name: str) -> object:
    """The literal that a source file gives a name at its top; None where it gives none.

    A file that cannot be read or parsed gives none: loading it says what is wrong.
    """
    for one in reversed(_top(file)):  # the last one counts
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value and _binds(one, name):
            try:
                return ast.literal_eval(one.value)
            except ValueError:
                return None
    return None


def binds(file: Path, name: str) -> bool:
    """Whether a source file gives a name a value outside its functions, whatever it is."""
    tops = [one for one in _top(file) if not isinstance(one, _APART)]
    return any(_binds(one, name) for top in tops for one in ast.walk(top))


def _top(file: Path) -> list[ast.stmt]:
    try:
        return parsed(file.read_text(encoding="utf-8-sig")).body
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []


def _binds(statement: ast.AST, name: str) -> bool:
    if isinstance(statement, ast.Assign):
        return name in map(ast.unparse, statement.targets)
    if isinstance(statement, ast.AnnAssign):
        return ast.unparse(statement.target) == name
    if isinstance(statement, ast.ImportFrom):
        return name in (one.asname or one.name for one in statement.names)
    return False


def sources(file: Path) -> list[str]:
    """The text of a user's Python file, and of every module of their own that it imports.

    What is installed is left out: its version says what it is.
    """
    return [one.read_text(encoding="utf-8-sig") for one in (file, *own_modules(file).values())]


def own_modules(file: Path) -> dict[str, Path]:
    """The modules that a file imports, and they in turn, by name: those that nobody installed."""
    roots = [file.parent, Path(), *filter(_is_own, map(Path, sys.path))]
    found: dict[str, Path] = {}
    waiting: list[tuple[Path, str]] = [(file, "")]
    while waiting:
        for name in _imported(*waiting.pop()):
            path = next(filter(None, (_module(root, name) for root in roots)), None)
            if path is not None and name not in found and path.resolve() != file.resolve():
                found[name] = path
                whole = name if path.name == "__init__.py" else name.rpartition(".")[0]
                waiting.append((path, whole))
    return dict(sorted(found.items()))


def _is_own(root: Path) -> bool:
    """Whether a place of modules is no part of a Python or of an environment."""
    whole = root.resolve()
    return not any(whole.is_relative_to(one) for one in {*_INSTALLED, Path(__file__).parents[2]})


def _imported(file: Path, package: str) -> Iterator[str]:
    """Names of modules, and what may be one: `from a import b` may mean a.b.

    package: which a dot stands for in this file.
    """
    for one in (node for top in _top(file) for node in ast.walk(top)):
        if isinstance(one, ast.Import):
            names = [alias.name for alias in one.names]
        elif isinstance(one, ast.ImportFrom):
            above = package.split(".")[: 1 - one.level or None] if one.level else []
            start = ".".join([*above, *filter(None, [one.module])])
            names = [start, *(f"{start}.{alias.name}" for alias in one.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _module(root: Path, name: str) -> Path | None:
    if name.partition(".")[0] in ("", "sami_eval"):  # its version says what it is
        return None
    path = root.joinpath(*name.split("."))
    both = path.with_name(f"{path.name}.py"), path / "__init__.py"
    return next((one for one in both if one.is_file()), None)


class _AsWritten(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def import_as_written(name: str, file: Path) -> ModuleType:
    """The module of a Python file as it stands, under a name of its own.

    The copy that Python keeps of a file edited twice within a second may be of the other code.
    Raises what the file raises.
    """
    spec = importlib.util.spec_from_file_location(name, file, loader=_AsWritten(name, str(file)))
    if spec is None or spec.loader is None:
        raise ImportError(f"`{file}` cannot be loaded")
    for own, path in own_modules(file).items():  # it may have been edited since it was imported
        before = getattr(sys.modules.get(own), "__file__", None)
        if before is not None and Path(before).resolve() == path.resolve():
            del sys.modules[own]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks its module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def fault(error: BaseException) -> str:
    """What code of others raised, in a line."""
    said = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {said}".rstrip(": ")
