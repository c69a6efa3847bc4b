"""What a run asks of a task: the values of `--metadata`, checked, and complaints in one line.

lm-eval merges `--model_args` into the metadata, so a task must take what it knows and pass over
the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sami_eval.core.errors import SamiEvalError, UsageError, report_error
from sami_eval.core.files import bundled
from sami_eval.core.task_files import FOLDER
from sami_eval.core.terminal import visible
from sami_eval.core.yaml_file import Yaml, read_yaml
from sami_eval.data.tasks import Task, read_task_file
from sami_eval.data.tasks import task_of as stated_task

Metadata = Mapping[str, Any]

MODEL_OF = "@"  # between a task's name and the model it is for, where there are several


def task_of(config: Mapping[str, Any], full: str) -> Task:
    """The task that lm-eval was asked for: of the file it read, else of what it hands over.

    full: the name of a task of ours, which stands for a file without `metadata.sami_eval`.
    Raises UsageError.
    """
    metadata = dict(config.get("metadata") or {})
    if "sami_eval" not in metadata and full:
        return read_task_file(bundled("tasks") / f"{full}.yaml")
    source, name = Path(str(metadata.get("config_source"))), str(config.get("task"))
    if source.is_file():
        return read_task_file(source)
    # Of a path on its command line lm-eval hands on what is in the file, and not where it lies.
    for near in (Path(f"{name}.yaml"), FOLDER / f"{name}.yaml"):
        if near.is_file() and _states(near, metadata["sami_eval"]):
            return read_task_file(near)
    return stated_task(Yaml(Path(f"{name}.yaml"), {"metadata": metadata}, {}), name)


def _states(path: Path, ours: object) -> bool:
    metadata = read_yaml(path, "").data.get("metadata")
    return isinstance(metadata, dict) and metadata.get("sami_eval") == ours


def whole_number(metadata: Metadata, name: str, default: int) -> int:
    """A count of at least 1. Raises UsageError for anything else, bools and floats included."""
    value = metadata.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(
            f"`{name}={value}` is not a whole number of at least 1", f"--metadata {name}={default}"
        )
    return value


def counts_up_to(metadata: Metadata, name: str, defaults: Sequence[int], n: int) -> tuple[int, ...]:
    """The k of pass@k: one number or a list, ascending; by default those of `defaults` within n.

    Raises UsageError for a k above n that was asked for: there is no estimate of it.
    """
    if name not in metadata:
        return tuple(k for k in defaults if k <= n)
    asked = metadata[name]
    ks = list(asked) if isinstance(asked, list | tuple) else [asked]
    if not ks or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in ks):
        raise UsageError(f"`{name}={asked}` is no list of whole numbers", "--metadata 'k=[1,10]'")
    if max(ks) > n:
        raise UsageError(
            f"k is `{max(ks)}` but a problem gets `{n}` samples", f"--metadata n={max(ks)}"
        )
    return tuple(sorted(set(ks)))


def file(metadata: Metadata, name: str) -> Path | None:
    """A file that exists. Raises UsageError for one that does not."""
    value = metadata.get(name)
    if value is None:
        return None
    path = Path(str(value)).expanduser()
    if not path.is_file():
        raise UsageError(f"no file `{path}`", f"--metadata {name}=FILE")
    return path


def text(metadata: Metadata, name: str) -> str | None:
    """A text, or None. Raises UsageError for a list or an object."""
    value = metadata.get(name)
    if value is None or isinstance(value, str | int | float):
        return None if value is None else str(value)
    raise UsageError(f"`{name}={value}` is not a text", f"--metadata {name}=...")


def warn(text: str) -> None:
    """Print one line that no log level hides."""
    print(f"\nsami-eval WARNING: {visible(text)}\n", file=sys.stderr, flush=True)


def speak_plainly() -> None:
    """End lm-eval's own command on our errors with one line and a hint instead of a traceback."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, SamiEvalError):
            before(kind, error, trace)
            return
        report_error(error)
        raise SystemExit(error.exit_code)

    if getattr(before, "speaks_plainly", False):
        return
    hook.speaks_plainly = True  # type: ignore[attr-defined]
    sys.excepthook = hook
