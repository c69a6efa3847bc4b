"""`sami_eval.compare`: which of these models is better, or is it noise?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sami_eval.core.config import Config
from sami_eval.core.face import asked, face
from sami_eval.core.progress import Progress
from sami_eval.experiment import compare as kind
from sami_eval.experiment.document import Document
from sami_eval.experiment.settings import CompareSettings
from sami_eval.faces.finish import doubt, finished
from sami_eval.faces.result import Result
from sami_eval.report.unanswered import check_unparsed


@face(CompareSettings)
def compare(
    *contenders: str | Path,
    against: str | Path | None = None,
    task: str | None = None,
    prompts: Path | str | None = None,
    references: Path | str | None = None,
    fix_references: Path | str | None = None,
    constitutions: str | Path | None = None,
    generate_with_principles: bool | None = None,
    base: str | Path | None = None,
    train: bool = False,
    judge: str | Path | None = None,
    judge_model: str | Path | list[str] | tuple[str, ...] | None = None,
    judge_prompts: Path | str | None = None,
    base_url: str | None = None,
    orders: Literal["both", "one"] = "both",
    rule: Literal["conservative", "average"] | None = None,
    control: Literal["length", "length,style"] | None = None,
    repeats: int = 1,
    engine: str | None = None,
    engine_args: list[str] | tuple[str, ...] = (),
    max_tokens: int | None = None,
    temperature: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    concurrency: int = 16,
    timeout: float = 300.0,
    retry_unparsed: bool = False,
    until_decided: bool = False,
    votes: str | Path | None = None,
    vote_names: list[str] | tuple[str, ...] = (),
    batch: bool = False,
    batch_file: bool = False,
    max_cost: float | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    max_unparsed: float = 0.02,
    report_to: list[str] | tuple[str, ...] = (),
    config: Config | None = None,
    progress: Progress | None = None,
) -> Result[Document]:
    """Compare models and return the result: `sami-eval compare` from Python.

    config: the nearest `sami-eval.toml` by default. progress: shown in a notebook by default.
    Returns the document that `--json` prints (docs/formats.md), which shows itself; it is saved as
    a run, too. Warns where the command would fail: above `max_unparsed` without a verdict.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    judge or server fails: the same call goes on from what is stored.
    """
    settings = asked(CompareSettings, locals())
    result = finished(kind, settings, config, progress, settings.report_to)
    doubt(check_unparsed, result.document, settings.max_unparsed)
    return result
