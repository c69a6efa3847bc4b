"""`sami_eval.passk`: how often is one of k samples right, and which model is ahead?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sami_eval.core.config import Config
from sami_eval.core.face import asked, face
from sami_eval.core.progress import Progress
from sami_eval.data.unanswered import answers_of, check_empty
from sami_eval.experiment import passk as kind
from sami_eval.experiment.passk_document import PasskDocument
from sami_eval.experiment.settings import PasskSettings
from sami_eval.faces.finish import doubt, finished
from sami_eval.faces.result import Result


@face(PasskSettings)
def passk(
    *contenders: str | Path,
    ks: list[int] | tuple[int, ...] = (1, 10, 32),
    samples: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    limit: int | None = None,
    task: str | None = None,
    prompts: Path | str | None = None,
    cluster: str | None = None,
    marker: str | None = None,
    split: str | None = None,
    num_fewshot: int = 0,
    fewshot: Path | str | None = None,
    greedy: bool = True,
    best_of: str | None = None,
    protocol: Literal["default", "paper"] = "default",
    base: str | Path | None = None,
    train: bool = False,
    base_url: str | None = None,
    engine: str | None = None,
    engine_args: list[str] | tuple[str, ...] = (),
    seed: int = 0,
    out: Path | str | None = None,
    concurrency: int = 16,
    batch: bool = False,
    batch_file: bool = False,
    max_cost: float | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    until_decided: bool = False,
    max_unparsed: float = 0.02,
    report_to: list[str] | tuple[str, ...] = (),
    config: Config | None = None,
    progress: Progress | None = None,
) -> Result[PasskDocument]:
    """Measure pass@k and return the result: `sami-eval passk` from Python.

    config: the nearest `sami-eval.toml` by default. progress: shown in a notebook by default.
    Returns the document that `--json` prints (docs/formats.md), which shows itself; it is saved as
    a run, too. Warns where the command would fail: above `max_unparsed` without text.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    server fails: the same call goes on from what is stored.
    """
    settings = asked(PasskSettings, locals())
    result = finished(kind, settings, config, progress, settings.report_to)
    doubt(check_empty, answers_of(result.document["contenders"]), settings.max_unparsed)
    return result
