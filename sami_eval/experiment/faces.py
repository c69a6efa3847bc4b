"""`sami-eval compare` and `passk` from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sami_eval.core.config import Config, find_config
from sami_eval.core.progress import Progress, silent
from sami_eval.core.settings import made
from sami_eval.experiment import compare as comparison
from sami_eval.experiment import passk as sampling
from sami_eval.experiment.document import Document
from sami_eval.experiment.frame import run
from sami_eval.experiment.passk_document import PasskDocument
from sami_eval.experiment.settings import CompareSettings, PasskSettings


def compare(
    *contenders: str,
    config: Config | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Document:
    """Compare models and return the result: `sami-eval compare` from Python.

    settings: fields of `CompareSettings`, e.g. task="mtbench", base="...", limit=20.
    config: the nearest `sami-eval.toml` by default. progress: nothing is shown by default.
    Returns the document that `--json` prints (docs/formats.md); it is saved as a run, too.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    judge or server fails: the same call goes on from what is stored.
    """
    asked = made(CompareSettings, "compare", {"contenders": contenders, **settings})
    return run(comparison, asked, config or find_config(Path.cwd()), progress or silent())


def passk(
    *contenders: str,
    config: Config | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> PasskDocument:
    """Measure pass@k and return the result: `sami-eval passk` from Python.

    settings: fields of `PasskSettings`, e.g. ks=(1, 10), samples=32, base="...", limit=20.
    config: the nearest `sami-eval.toml` by default. progress: nothing is shown by default.
    Returns the document that `--json` prints (docs/formats.md); it is saved as a run, too.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    server fails: the same call goes on from what is stored.
    """
    asked = made(PasskSettings, "passk", {"contenders": contenders, **settings})
    return run(sampling, asked, config or find_config(Path.cwd()), progress or silent())
