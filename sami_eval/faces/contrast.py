"""`sami_eval.contrast`: constitutions x prompts -> contrasts."""

from __future__ import annotations

from pathlib import Path

from sami_eval.core.alignment import ContrastSettings
from sami_eval.core.config import Config
from sami_eval.core.face import asked, face
from sami_eval.core.progress import Progress, from_python
from sami_eval.experiment import contrasting
from sami_eval.experiment.contrasting import Written
from sami_eval.faces.finish import doubt, nearest
from sami_eval.generate import batch_of, chosen_engine
from sami_eval.server.budget import Purse


@face(ContrastSettings)
def contrast(
    *,
    model: str | Path = "base",
    constitutions: Path | str | None = None,
    prompts: str | Path | None = None,
    from_pairs: str | Path | None = None,
    prompt_column: str | None = None,
    split: str = "train",
    subset: str | None = None,
    category: str | None = None,
    category_column: str | None = None,
    base: str | Path | None = None,
    out: Path | str | None = None,
    n: int = 2,
    temperature: float = 0.4,
    top_p: float = 0.9,
    max_tokens: int | None = None,
    stop: list[str] | tuple[str, ...] = (),
    filters: str | None = None,
    finished: bool = True,
    ban: list[str] | tuple[str, ...] = (),
    min_characters: int | None = None,
    min_ratio: float | None = None,
    max_ratio: float | None = None,
    opening_distance: float | None = None,
    near_duplicates: float | None = None,
    min_heeded: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    engine: str | None = None,
    engine_args: list[str] | tuple[str, ...] = (),
    base_url: str | None = None,
    concurrency: int = 16,
    batch: bool = False,
    batch_file: bool = False,
    max_cost: float | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write contrasts, each prompt answered under several constitutions: `sami-eval contrast`.

    config: the nearest `sami-eval.toml` by default. progress: shown in a notebook by default.
    Returns the contrasts with `path`, where they were saved, and `summary`; what `align` takes.
    Principles are drafted (`--write-principles`) on the command line alone.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    server fails: the same call goes on from what is stored.
    """
    settings, where = asked(ContrastSettings, locals()), nearest(config)
    shown = progress or from_python()
    if contrasting.is_of_pairs(settings):
        written = contrasting.of_pairs(settings, where, shown, save=True)
    else:
        choice = chosen_engine(settings, where, Purse(), batch=batch_of(settings, where))
        written = contrasting.write(settings, choice, where, shown)
    doubt(written.check)
    return written
