"""Contrasts in, an adapter out: SFT, DPO, SAMI, and any method in one more file.

A method is a module with a `train` function. The modules of `sami_eval/align/methods/` and the
files of `./methods/` are the registry; a user's file wins over ours of the same name.

Layer 3: imports generate and below, never judge; experiments and all above may import it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.align.method import Method as Method
from sami_eval.align.method import load_method as load_method
from sami_eval.align.method import refuse_unused as refuse_unused
from sami_eval.align.method import running as running
from sami_eval.align.method import with_loss as with_loss
from sami_eval.core.alignment import AlignSettings
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress, from_python
from sami_eval.core.settings import Face, made
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.recipes import ADAPTERS as ADAPTERS
from sami_eval.generate.recipes import find_methods as find_methods
from sami_eval.generate.recipes import listing as listing
from sami_eval.generate.recipes import methods_in as methods_in

if TYPE_CHECKING:
    from torch import Tensor


def sami_loss(logps: Tensor) -> Tensor:
    """SAMI's loss of a contrast matrix (arXiv 2404.14313); see `align.loss.sami_loss`.

    logps: (N, N) or (B, N, N) in nats; entry [i, j] is the log-probability of response j under
        constitution i.
    Returns a scalar in nats. Raises ValueError if logps is not square.
    """
    from sami_eval.align import loss

    return loss.sami_loss(logps)


def align(
    recipe: str,
    contrasts: Sequence[Contrast] | Path | str | None = None,
    base: Model | Path | str | None = None,
    *,
    out: Path | str | None = None,
    adapters: Path | str = ADAPTERS,
    seed: int = 0,
    preset: str | None = None,
    changes: dict[str, object] | None = None,
    progress: Progress | None = None,
    resume: bool = True,
) -> Model:
    """Train a recipe's adapter on contrasts: `sami-eval align` from Python.

    recipe: as on the command line; missing earlier links are trained first.
    contrasts: or a file of them; by default those beside the base's adapters, which the embedded
        base writes first. base: or its name, as `--base`; by default that of `sami-eval.toml`.
    out: the adapter's folder, by default `adapters/BASE/RECIPE@SEED`.
    seed: where the recipe names none. preset: of `align/presets.toml`, by default the base's own.
    changes: Options fields for the last link. An adapter trained on the same contrasts with the
    same options is returned as it is; resume: a killed one goes on from its last checkpoint.
    Returns the base with `adapter` set, or the checkpoint under `full`.
    Raises UsageError for an unknown recipe, preset or option and for contrasts that cannot be
    trained on, SamiEvalError where training fails or collapses.
    """
    from sami_eval.align import chain

    given = {"recipe": recipe, "out": out, "adapters": adapters, "seed": seed, "preset": preset}
    asked = made(AlignSettings, "align", {**given, "changes": changes or {}, "resume": resume})
    if "seed" in asked.changes:
        raise UsageError("option `seed` is among the changes", "seed=..., or a recipe `NAME@SEED`")
    shown = progress or from_python()
    start = base if isinstance(base, Model) else _base(base)
    read = _contrasts(contrasts, start, shown)
    setup = chain.Setup(start, asked.adapters, asked.seed, asked.preset, shown, asked.resume)
    return chain.align(asked.recipe, read, setup, asked.out, asked.changes)


def _base(spec: Path | str | None) -> Model:
    from sami_eval.core.config import find_config
    from sami_eval.generate import models

    config = find_config(Path.cwd())
    return models.resolve_base(str(spec) if spec else config.choice("base"), config)


def _contrasts(
    given: Sequence[Contrast] | Path | str | None, base: Model, progress: Progress
) -> Sequence[Contrast]:
    from sami_eval.align import adapters
    from sami_eval.core.config import find_config
    from sami_eval.data.contrasts import read_contrasts
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    if isinstance(given, str | Path):
        return read_contrasts(Path(given))
    if given is not None:
        return given
    config = find_config(Path.cwd())
    with Ledger(config.ledger_path, say=progress.say) as ledger:
        return adapters.contrasts_for(base, Tools(config, ledger, progress))


sys.modules[__name__].__class__ = Face
