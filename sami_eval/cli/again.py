"""`sami-eval again`: a run once more, from the settings it keeps."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from sami_eval.cli.compare import compare
from sami_eval.cli.flags import DryRun, Json, Quiet, Verbose
from sami_eval.cli.passk import passk
from sami_eval.cli.settings import settings_of
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group
from sami_eval.experiment.settings import CompareSettings, PasskSettings

S = TypeVar("S", CompareSettings, PasskSettings)


def again(
    run: Annotated[
        str | None,
        Flag("Run folder or name; default: latest run.", Group.ASKED, positional=True),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Do a finished run again as it was asked for; what is stored costs nothing."""
    from sami_eval.core.config import find_config
    from sami_eval.experiment import document, passk_document, runs
    from sami_eval.experiment.envelope import Kind, read

    folder = runs.find_run(run, find_config(Path.cwd()).root)
    is_passk = runs.is_passk(folder)
    kind: Kind[Any] = passk_document.KIND if is_passk else document.KIND
    typed = read(kind, folder / kind.file)["command"]  # it makes the same again; "" from Python
    file = (folder / runs.SETTINGS).absolute()
    if not file.is_file():
        hint = f"what was typed for it: {typed}" if typed else "sami-eval ls runs"
        raise UsageError(f"`{folder}` was made before runs kept their settings", hint)
    how = (dry_run, as_json, quiet, verbose, typed)
    if is_passk:
        passk(_settings(file, passk, PasskSettings), *how)
    else:
        compare(_settings(file, compare, CompareSettings), *how)


def _settings(file: Path, command: Callable[..., None], made: type[S]) -> S:
    """What a run's file says, from the folder where it was asked for, so that paths lead there.

    Files that are others now are said before anything is spent.
    """
    from sami_eval.core.config import find_config
    from sami_eval.core.files import read_toml
    from sami_eval.core.settings_file import from_toml
    from sami_eval.experiment.named_files import files_of, since

    stated = read_toml(file, "sami-eval ls runs")
    said: dict[str, Any] = from_toml(stated, command.__name__, list(settings_of(command)))
    folder = stated.data.get("folder")
    if isinstance(folder, str) and os.path.isdir(folder):
        os.chdir(folder)
    settings, kept = made(**said), stated.data.get("files")
    if isinstance(kept, dict):  # a run of an earlier version kept none
        for line in since(kept, files_of(settings, find_config(Path.cwd()))):
            print(line, file=sys.stderr)
    return settings
