"""Markers: what reads the answer out of a text, and says whether it is the right one.

A marker is one Python file, ours in `markers/` beside this one or a user's in `./markers/`:

    def answer(text): ...     the value a text gives; None where it gives none
    def gold(text): ...       the value of a problem's gold text; else `answer` reads it
    def same(a, b): ...       whether b is worth a, the gold value or another answer's; else a == b
    def example(value): ...   how a worked example ends; else "The answer is VALUE."
    INSTRUCTION = "..."       before each question under a chat template; else nothing is
    TIMEOUT_S = 5.0           it runs in a process of its own, and no call there computes longer
    LIBRARIES = ("sympy",)    distributions it needs; their versions are part of what it is

Only `answer` must be there. Texts come without what a model thought. A value is shown by `str`, and
values that are shown alike are one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from sami_eval.core.errors import UsageError, did_you_mean, shown
from sami_eval.core.files import read_text
from sami_eval.core.source import binds, constant, parsed, sources
from sami_eval.ledger.store import key

DEFAULT: Final = "number"
BUNDLED: Final = Path(__file__).with_name("markers")
OWN: Final = Path("markers")
HINT = "sami-eval ls markers; docs/passk.md shows a whole marker"
# What markers of ours read by: another reading is another marker.
_READING = tuple(f"stats/{name}.py" for name in ("extract", "quantities", "doubtful"))
_READING += ("stats/number_words.py", "core/thoughts.py")


@dataclass(frozen=True, slots=True)
class Marker:
    """What marks a run's answers; nothing of it is run yet.

    sha256: of its file, of what ours read by or what a user's imports of their own modules, and of
        its libraries with their versions.
    """

    name: str
    file: str
    sha256: str
    instruction: str = ""
    timeout_s: float | None = None
    libraries: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What stands on a figure: "number", or "math (math-verify 0.9.0)"."""
        return f"{self.name} ({self.libraries[0]})" if self.libraries else self.name

    @property
    def about(self) -> str:
        """The first line of its docstring: what it reads."""
        return _about(Path(self.file))

    @property
    def is_ours(self) -> bool:
        """Whether it comes with sami-eval."""
        return Path(self.file).resolve().parent == BUNDLED.resolve()


def find_markers(folder: Path = OWN) -> dict[str, Path]:
    """Every marker by name, with its file; a user's wins over ours. Nothing is imported."""
    files = [*sorted(BUNDLED.glob("*.py")), *sorted(folder.glob("*.py"))]
    return {file.stem: file for file in files if not file.stem.startswith("_")}


def listing() -> Iterator[tuple[str, str, str]]:
    """Name, first line of its docstring and file of every marker; nothing is imported."""
    for name, file in find_markers().items():
        try:
            text = _about(file)
        except (OSError, SyntaxError, ValueError) as error:
            text = f"cannot be read: {error}"
        yield name, text, str(file)


def _about(file: Path) -> str:
    text = ast.get_docstring(parsed(file.read_text(encoding="utf-8-sig"))) or ""
    return text.partition("\n")[0]


def read_marker(name_or_path: str | None = None) -> Marker:
    """The marker of this name, or in this file; the default one for None.

    Raises UsageError where there is none, where a constant of it is wrong, and where a library it
    needs is not installed.
    """
    spec = name_or_path or DEFAULT
    known = find_markers()
    file = Path(spec).expanduser() if spec.endswith(".py") or "/" in spec else known.get(spec)
    if file is None:
        raise UsageError(f"no marker `{spec}`", f"{did_you_mean(spec, known)}; {HINT}")
    text = read_text(file, HINT)
    try:
        parsed(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UsageError(f"not Python: {error}", HINT, f"{file}:{line or 1}") from None
    found = Marker(file.stem, str(file), "", _instruction(file), _timeout(file))
    libraries = tuple(f"{one} {_version(one, found)}" for one in _libraries(file))
    package = Path(__file__).parents[1]
    ours = [package / one for one in _READING]
    read_by = [one.read_text("utf-8") for one in ours] if found.is_ours else sources(file)[1:]
    sha256 = key("marker", text, libraries, *read_by)
    return Marker(found.name, found.file, sha256, found.instruction, found.timeout_s, libraries)


def _instruction(file: Path) -> str:
    text = _constant(file, "INSTRUCTION", '"..."')
    if text is not None and not isinstance(text, str):
        raise _bad(file, "INSTRUCTION", text, 'write INSTRUCTION = "..."')
    return text or ""


def _timeout(file: Path) -> float | None:
    limit = _constant(file, "TIMEOUT_S", "5.0")
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < 1e6:
        raise _bad(file, "TIMEOUT_S", limit, "write TIMEOUT_S = 5.0")
    return float(limit)


def _libraries(file: Path) -> tuple[str, ...]:
    names = _constant(file, "LIBRARIES", '("sympy",)')
    if names is None:
        return ()
    if not isinstance(names, tuple) or not all(isinstance(one, str) for one in names):
        raise _bad(file, "LIBRARIES", names, 'write LIBRARIES = ("sympy",)')
    return names


def _constant(file: Path, name: str, like: str) -> object:
    """What a marker says of itself; refused where only running its code would tell."""
    found = constant(file, name)
    if found is None and binds(file, name):
        said = f"`{name}` is not written out, and it is read without running the code"
        raise UsageError(said, f"write {name} = {like}", str(file))
    return found


def _bad(file: Path, name: str, value: object, hint: str) -> UsageError:
    return UsageError(f"`{name}` is {shown(value)}", hint, str(file))


def _version(library: str, marker: Marker) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        install = f'pip install "sami-eval[{marker.name}]"' if marker.is_ours else None
        raise UsageError(
            f"the marker `{marker.name}` needs `{library}`, which is not installed",
            install or f"pip install {library}",
        ) from None
