"""Contrasts in, an adapter out: SFT, DPO, SAMI, and any method in one more file.

A method is a module with a `train` function. The modules of `sami_eval/align/methods/` and the
files of `./methods/` are the registry; a user's file wins over ours of the same name.

Layer 3: imports generate and below, never judge; experiments and all above may import it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sami_eval.align.method import Method as Method
from sami_eval.align.method import load_method as load_method
from sami_eval.align.method import refuse_unused as refuse_unused
from sami_eval.align.method import running as running
from sami_eval.align.method import with_loss as with_loss
from sami_eval.core.alignment import AlignSettings, Options
from sami_eval.core.config import Config, find_config
from sami_eval.core.errors import UsageError
from sami_eval.core.face import face
from sami_eval.core.progress import Progress, from_python
from sami_eval.core.settings import Face, made
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.recipes import ADAPTERS as ADAPTERS
from sami_eval.generate.recipes import find_methods as find_methods
from sami_eval.generate.recipes import listing as listing
from sami_eval.generate.recipes import methods_in as methods_in

if TYPE_CHECKING:
    from torch import Tensor

    from sami_eval.align.chain import Setup


def sami_loss(logps: Tensor) -> Tensor:
    """SAMI's loss of a contrast matrix (arXiv 2404.14313); see `align.loss.sami_loss`.

    logps: (N, N) or (B, N, N) in nats; entry [i, j] is the log-probability of response j under
        constitution i.
    Returns a scalar in nats. Raises ValueError if logps is not square.
    """
    from sami_eval.align import loss

    return loss.sami_loss(logps)


@face(AlignSettings, Options)
def align(
    recipe: str,
    contrasts: Sequence[Contrast] | Path | str | None = None,
    base: Model | Path | str | None = None,
    *,
    constitutions: Path | str | None = None,
    prompts: str | Path | None = None,
    out: Path | str | None = None,
    iterations: int | None = None,
    seed: int = 0,
    preset: str | None = None,
    resume: bool = True,
    engine: str | None = None,
    engine_args: list[str] | tuple[str, ...] = (),
    adapters: Path | str = ADAPTERS,
    lr: float | None = None,
    schedule: str | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    accumulation: int | None = None,
    clip: float | None = None,
    warmup: float | None = None,
    weight_decay: float | None = None,
    rank: int | None = None,
    alpha: int | None = None,
    dropout: float | None = None,
    targets: str | None = None,
    beta: float | None = None,
    kl: float | None = None,
    loss: str | None = None,
    length_normalize: bool | None = None,
    train_eos: bool | None = None,
    max_length: int | None = None,
    max_fall: float | None = None,
    prefix_sharing: Literal["auto", "on", "off"] | None = None,
    held_out: int | None = None,
    full: bool | None = None,
    qlora: bool | None = None,
    positives_only: bool | None = None,
    keep_checkpoints: int | None = None,
    report_to: str | None = None,
    checkpointing: bool | None = None,
    device: Literal["auto", "cpu"] | None = None,
    threads: int | None = None,
    changes: Mapping[str, object] | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train a recipe's adapter on contrasts: `sami-eval align` from Python.

    recipe: as on the command line; missing earlier links are trained first.
    contrasts: or a file of them; by default those beside the base's adapters, which the embedded
        base writes first. base: or its name, as `--base`; by default that of `sami-eval.toml`.
    out: the adapter's folder, by default `adapters/BASE/RECIPE@SEED`.
    lr to threads: of the last link; None is as the preset says. changes: the same by their names.
    config: the nearest `sami-eval.toml` by default. progress: shown in a notebook by default.
    An adapter trained on the same contrasts with the same options is returned as it is; resume: a
    killed one goes on from its last checkpoint.
    Returns the base with `adapter` set, or the checkpoint under `full`.
    Raises UsageError for an unknown recipe, preset or option and for contrasts that cannot be
    trained on, SamiEvalError where training fails or collapses.
    """
    shown = progress or from_python()
    return _aligned(_settings(locals()), contrasts, base, config or find_config(Path.cwd()), shown)


def _settings(given: Mapping[str, Any]) -> AlignSettings:
    """Those among what the face was given; contrasts and a base that are no names stay outside."""
    known = {field.name: given[field.name] for field in fields(AlignSettings)}
    known["base"] = None if isinstance(given["base"], Model) else given["base"]
    if not isinstance(given["contrasts"], str | Path):
        known["contrasts"] = None
    options = {field.name: given[field.name] for field in fields(Options) if field.name != "seed"}
    knobs = {name: value for name, value in options.items() if value is not None}
    settings = made(
        AlignSettings, "align", {**known, "changes": {**(given["changes"] or {}), **knobs}}
    )
    if "seed" in settings.changes:
        raise UsageError("option `seed` is among the changes", "seed=..., or a recipe `NAME@SEED`")
    return settings


def _aligned(
    settings: AlignSettings,
    contrasts: Sequence[Contrast] | Path | str | None,
    base: Model | Path | str | None,
    config: Config,
    progress: Progress,
) -> Model:
    from sami_eval.align import chain, rewriting
    from sami_eval.generate import models

    iterate, out = rewriting.check(settings), settings.out
    if not isinstance(base, Model):
        base = models.resolve_base(config.choice("base", settings.base), config)
    own = settings.adapters == ADAPTERS
    place = config.root / ADAPTERS if own else settings.adapters
    setup = chain.Setup(base, place, settings.seed, settings.preset, progress, settings.resume)
    read = settings.contrasts if isinstance(contrasts, str) else contrasts
    if iterate:
        return _iterated(settings, read, setup, config)
    return chain.align(
        settings.recipe, _contrasts(read, setup, config), setup, out, settings.changes
    )


def _iterated(
    settings: AlignSettings, read: Sequence[Contrast] | Path | None, setup: Setup, config: Config
) -> Model:
    from sami_eval.align import rewriting
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    if read is not None and settings.contrasts is None:
        raise UsageError("iterations take contrasts from a file", "write them, and give its path")
    engine = rewriting.engine_of(settings, setup.base, config)
    with Ledger(config.ledger_path, say=setup.progress.say) as ledger:
        tools = Tools(config, ledger, setup.progress)
        return rewriting.run(settings, settings.changes, setup, tools, engine)


def _contrasts(
    given: Sequence[Contrast] | Path | None, setup: Setup, config: Config
) -> Sequence[Contrast]:
    from sami_eval.align import adapters
    from sami_eval.data.contrasts import read_contrasts
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    if isinstance(given, Path):
        return read_contrasts(given)
    if given is not None:
        return given
    with Ledger(config.ledger_path, say=setup.progress.say) as ledger:
        return adapters.contrasts_for(setup.base, Tools(config, ledger, setup.progress))


sys.modules[__name__].__class__ = Face
