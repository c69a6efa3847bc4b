"""Which files of a user's a run was made of, and which of them are others by now."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sami_eval.core.config import Config
from sami_eval.core.files import bundled, read_toml
from sami_eval.core.settings import command_of
from sami_eval.core.source import own_modules
from sami_eval.core.task_files import COMMAND, DEFAULT, KINDS, Kind, files_named
from sami_eval.core.yaml_file import read_yaml
from sami_eval.data.marker import BUNDLED, find_markers
from sami_eval.data.tasks import EXPLAINED, read_task_file
from sami_eval.judge.files import judge_files
from sami_eval.judge.program import module_file


def files_of(settings: Any, config: Config) -> dict[str, str]:
    """SHA-256 by path: of what settings name, and of what those files name; ours are left out.

    Folders are none: an adapter's fingerprint is its own. Raises UsageError for a task's file or a
    judge's that cannot be read.
    """
    own = {str(path): path for path in _named(settings, config) if not _is_ours(path)}
    return {name: _digest(path) for name, path in sorted(own.items())}


def since(kept: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What to say of files that are others than a run's were; nothing where they are the same."""
    others = [f"`{name}`" for name in kept.keys() & now.keys() if kept[name] != now[name]]
    others += [f"`{name}` (gone)" for name in kept.keys() - now.keys()]
    others += [f"`{name}` (new)" for name in now.keys() - kept.keys()]
    if others:
        yield f"warning: not as they were for this run: {', '.join(sorted(others))}"


def _named(settings: Any, config: Config) -> Iterator[Path]:
    fields = [one.name for one in dataclasses.fields(settings) if one.name not in ("out", "task")]
    for value in _leaves([getattr(settings, name) for name in fields]):
        if os.path.isfile(os.path.expanduser(value)):
            yield Path(value).expanduser()
    judge, marker = getattr(settings, "judge", None), getattr(settings, "marker", None)
    file = _task_file(settings, config)
    if file is not None:
        yield from _in_yaml(file)
        task = read_task_file(file)
        judge, marker = judge or task.judge, marker or task.marker
    if (path := _file(judge, judge_files())) is not None:
        yield from (path, *_program(path))
    if (path := _file(marker, find_markers())) is not None:
        yield from (path, *own_modules(path).values())


def _task_file(settings: Any, config: Config) -> Path | None:
    command, usual = command_of(settings), config.defaults.get("task")
    kind: Kind | None = next((one for one in KINDS if COMMAND[one] == command), None)
    if kind is None:
        return None
    specs = (settings.task,) if settings.task else (*filter(None, [usual]), DEFAULT[kind])
    return next((found[kind] for found in map(files_named, specs) if kind in found), None)


def _in_yaml(path: Path) -> Iterator[Path]:
    """A task's file, and the files beside it that any of its texts names, those it includes too."""
    yield path
    for value in _leaves(read_yaml(path, EXPLAINED).data):
        beside = path.parent / os.path.expanduser(value)
        if os.path.isfile(beside):
            yield from _in_yaml(beside) if beside.suffix in (".yaml", ".yml") else [beside]


def _leaves(value: object) -> Iterator[str]:
    """The texts in a value, and the paths."""
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(one)


def _file(spec: str | None, known: Mapping[str, Path]) -> Path | None:
    if spec is None or spec in known:
        return None if spec is None else known[spec]
    return Path(spec).expanduser() if os.path.isfile(os.path.expanduser(spec)) else None


def _program(judge: Path) -> Iterator[Path]:
    """The code of a judge that is a program."""
    program = read_toml(judge, "").data.get("program")
    if isinstance(program, str):
        path = module_file(program.partition(":")[0], judge)
        yield from (path, *own_modules(path).values())


def _is_ours(path: Path) -> bool:
    package = Path(__file__).parents[1]
    ours = (bundled("tasks"), bundled("judges"), BUNDLED, package)
    return any(path.resolve().is_relative_to(one.resolve()) for one in ours)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
