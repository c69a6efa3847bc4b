"""The task files there are, by name: those of `./tasks` and ours.

A file's name is lm-eval's name of the task and ends in its kind, `mine_pairwise.yaml`, since
lm-eval has many short names of its own; our commands take the name without that ending too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.files import bundled

Kind = Literal["pairwise", "passk"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COMMAND: dict[Kind, str] = {"pairwise": "compare", "passk": "passk"}
DEFAULT: dict[Kind, str] = {"pairwise": "mtbench", "passk": "gsm8k"}  # what a command asks
FOLDER = Path("tasks")


def task_files() -> dict[str, Path]:
    """Every task's file by its full name; the current folder's win."""
    files: dict[str, Path] = {}
    for folder in (FOLDER, bundled("tasks")):
        for path in sorted(folder.glob("*.yaml")):
            if kind_of(path.stem) is not None:
                files.setdefault(path.stem, path)
    return files


def kind_of(name: str) -> Kind | None:
    """The kind that a full name ends in; None for another name."""
    return next((kind for kind in KINDS if name.endswith(f"_{kind}") and name != f"_{kind}"), None)


def short_name(name: str) -> str:
    """A task's name as our commands take it: without its kind."""
    kind = kind_of(name)
    return name if kind is None else name.removesuffix(f"_{kind}")


def names(kind: Kind | None = None) -> list[str]:
    """The short names of all tasks, or of those of a kind."""
    known = [name for name in task_files() if kind is None or kind_of(name) == kind]
    return list(dict.fromkeys(map(short_name, known)))


def is_path(spec: str) -> bool:
    """Whether a task is named by its file."""
    return spec.endswith((".yaml", ".yml")) or "/" in spec


def files_named(spec: str) -> dict[Kind, Path]:
    """The files that a name means, by kind: the short name may mean one of each."""
    if is_path(spec):
        kind = kind_of(Path(spec).stem)
        return {} if kind is None else {kind: Path(spec).expanduser()}
    files = task_files()
    whole = {kind: spec if kind_of(spec) == kind else f"{spec}_{kind}" for kind in KINDS}
    return {kind: files[name] for kind, name in whole.items() if name in files}


def task_file(spec: str, kind: Kind) -> Path:
    """The file of a task of this kind. Raises UsageError where there is none, or another kind's."""
    found = files_named(spec)
    if kind in found:
        return found[kind]
    if found:
        ((other, path),) = found.items()
        said = f"task `{spec}` is of kind {other}, and `{COMMAND[kind]}` takes {kind}"
        raise UsageError(said, f"sami-eval {COMMAND[other]} --task {spec}", str(path))
    if is_path(spec):
        name = Path(spec).stem
        hint = f"its name says its kind: {name}_{kind}.yaml, and task: {name}_{kind} in it"
        raise UsageError(f"`{spec}` is the name of no task file", hint)
    raise UsageError(f"unknown task `{spec}`", unknown(spec, names(kind)))


def replaced(full: str, found: Path) -> str | None:
    """What to say where a file of the current folder stands in for our task of that name."""
    own = bundled("tasks") / f"{full}.yaml"
    if not own.is_file() or found.resolve() == own.resolve() or found.stem != full:
        return None
    return f"task `{short_name(full)}`: {found} is used, not the one that comes with sami-eval"


def unknown(spec: str, known: Iterable[str]) -> str:
    """The hint for a name that no task has."""
    return f"{did_you_mean(spec, known)}; sami-eval ls tasks"
