"""Where lm-eval finds our tasks: copies of `tasks/*.yaml` in the lm-eval that Python imports.

lm-eval 0.4.13 knows no entry point for tasks. Shipping the files under `lm_eval/tasks` in our own
wheel would shadow an lm-eval installed elsewhere by an empty namespace package, so they are copied
into the real package, on request, and can be removed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.files import bundled
from sami_eval.ledger.store import atomic_write

FOLDER = "sami_eval"
MARK = "# Copied by `sami-eval tasks install`; `sami-eval tasks remove` takes it away.\n"
_WITHOUT = 'lm_eval --include_path "$(sami-eval tasks path)" works without installing'


def tasks_dir() -> Path:
    """The folder of our task files."""
    return bundled("tasks")


def task_files() -> dict[str, Path]:
    """Every task's file by its name."""
    return {path.stem: path for path in sorted(tasks_dir().glob("*.yaml"))}


def lm_eval_tasks() -> Path:
    """The `tasks` folder of the lm-eval that Python imports here, wherever it is installed.

    Raises UsageError where there is none, or where an empty folder of that name hides the real one.
    """
    spec = importlib.util.find_spec("lm_eval")
    if spec is None:
        raise UsageError("lm-eval is not installed here", "pip install lm-eval")
    if spec.origin is None:
        hiding = ", ".join(f"`{path}`" for path in spec.submodule_search_locations or ())
        raise UsageError(
            f"{hiding} is no lm-eval, only an empty folder that hides one installed elsewhere",
            "remove that folder, then run the same command again",
        )
    return Path(spec.origin).parent / "tasks"


@dataclass(frozen=True, slots=True)
class Installed:
    """What lies in lm-eval's folder. stale: at least one copy is missing or not the current one."""

    folder: Path
    state: Literal["installed", "stale", "absent"]


def installed() -> Installed:
    """Whether plain `lm_eval --tasks ...` finds our tasks, and in which folder."""
    folder = lm_eval_tasks() / FOLDER
    if not folder.is_dir():
        return Installed(folder, "absent")
    copies = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    return Installed(folder, "installed" if copies == _wanted() else "stale")


def _wanted() -> dict[str, str]:
    return {path.name: MARK + path.read_text(encoding="utf-8") for path in task_files().values()}


def install() -> Path:
    """Copy our task files into lm-eval; what is already right is left alone. Returns the folder.

    Copies of tasks we no longer have go.
    """
    folder = lm_eval_tasks() / FOLDER
    wanted = _wanted()
    try:
        folder.mkdir(exist_ok=True)
        for name, text in wanted.items():
            copy = folder / name
            if not copy.is_file() or copy.read_text(encoding="utf-8") != text:
                atomic_write(copy, text)
        for copy in _ours(folder):
            if copy.name not in wanted:
                copy.unlink()
    except OSError as error:
        raise SamiEvalError(f"cannot write `{folder}`: {error.strerror}", _WITHOUT) from None
    return folder


def remove() -> Path | None:
    """Take our copies out of lm-eval, their folder included; None where there is none.

    Raises SamiEvalError where somebody else's file lies in the folder, which then stays.
    """
    folder = lm_eval_tasks() / FOLDER
    if not folder.is_dir():
        return None
    try:
        for copy in _ours(folder):
            copy.unlink()
        strangers = sorted(path.name for path in folder.iterdir())
        if not strangers:
            folder.rmdir()
    except OSError as error:
        raise SamiEvalError(f"cannot remove `{folder}`: {error.strerror}") from None
    if strangers:
        raise SamiEvalError(
            f"`{folder}` also holds `{strangers[0]}`, which is not ours",
            "our copies are gone; move that file away and run the same command again",
        )
    return folder


def _ours(folder: Path) -> list[Path]:
    """Our copies, and what an interrupted install left of one."""
    files = [*folder.glob("*.yaml"), *folder.glob(".*.yaml.*")]
    return [path for path in files if path.read_text(encoding="utf-8").startswith(MARK)]
