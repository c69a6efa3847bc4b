"""`sami-eval align`: contrasts in, an adapter out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sami_eval.cli.flags import DryRun, Quiet
from sami_eval.core.alignment import AlignSettings, Options
from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.align.chain import Setup
    from sami_eval.core.config import Config
    from sami_eval.core.types import Contrast, Model


def align(
    settings: AlignSettings,
    changes: Annotated[Mapping[str, object], Options],
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Train an adapter; missing earlier links of the recipe are trained first."""
    from sami_eval.align import ADAPTERS, launch, methods_in, refuse_unused, rewriting, with_loss
    from sami_eval.align.chain import Setup
    from sami_eval.align.options import change, preset_name
    from sami_eval.align.options import preset as read_preset
    from sami_eval.core import progress
    from sami_eval.core.config import find_config
    from sami_eval.generate import models, recipes

    iterate = rewriting.check(settings)
    config = find_config(Path.cwd())
    shown = progress.terminal(quiet or not launch.is_main())
    model = models.resolve_base(config.choice("base", settings.base), config)
    recipe, changes = with_loss(settings.recipe, changes)
    settings = replace(settings, recipe=recipe)
    plain, files = methods_in(recipe)
    parsed = recipes.parse(plain, files)
    if not parsed.chain:
        raise UsageError("recipe `base` trains nothing", "name a method, e.g. `sami`")
    refuse_unused(changes, files[parsed.method])
    preset, seed = settings.preset or preset_name(model), settings.seed
    options = change(read_preset(preset, parsed.chain[-1], seed), **changes)
    setup = Setup(model, config.root / ADAPTERS, seed, settings.preset, shown, settings.resume)
    job = _Job(settings, plain, parsed.method, config, setup, options, changes, dry_run)
    trained = _iterate(job) if iterate else _train(job)
    if trained is not None and launch.is_main():
        print(trained.adapter or trained.base)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is trained, and how.

    plain: the recipe with methods by name. method: of the last link; options: those of it, changes
        among them.
    """

    settings: AlignSettings
    plain: str
    method: str
    config: Config
    setup: Setup
    options: Options
    changes: Mapping[str, object]
    dry_run: bool


def _say_first(job: _Job) -> None:
    """What will happen, as soon as the files are read that a person may have named wrongly."""
    from sami_eval.generate.standing import base_name

    if not job.dry_run:
        on = base_name(job.setup.base) or job.setup.base.base
        job.setup.progress.say(f"{job.plain} on {on}; what is trained is not done again")


def _iterate(job: _Job) -> Model | None:
    """The last iteration's model; None where only a description was asked for."""
    from sami_eval.align import rewriting
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    config, setup, settings = job.config, job.setup, job.settings
    _say_first(job)
    choice = rewriting.engine_of(settings, setup.base, config)
    with Ledger(config.ledger_path, read_only=job.dry_run, say=setup.progress.say) as ledger:
        tools = Tools(config, ledger, setup.progress)
        if job.dry_run:
            _print_base(job)
            print(rewriting.describe(settings, job.changes, setup, tools, job.options))
            return None
        return rewriting.run(settings, job.changes, setup, tools, choice)


def _print_base(job: _Job) -> None:
    from sami_eval.generate.standing import base_name

    print(f"{'base':<11}{base_name(job.setup.base)}")


def _train(job: _Job) -> Model | None:
    """The trained model; None where only an estimate was asked for."""
    from sami_eval.align.chain import align as align_chain

    given = _contrasts(job, job.settings.contrasts)
    if job.dry_run or job.options.full:
        from sami_eval.align.estimate import describe, estimate, memory_warning

        found = estimate(job.method, given, job.setup.base, job.options)
        if job.dry_run:
            _print_base(job)
            print(describe(job.plain, found, len(given), job.options))
            return None
        everything = f"all {found.parameters:,} weights are trained"
        job.setup.progress.say(memory_warning(found) or everything)
    return align_chain(job.settings.recipe, given, job.setup, job.settings.out, job.changes)


def _contrasts(job: _Job, path: Path | None) -> list[Contrast]:
    """The contrasts of the file, or the base's own; the embedded base writes them first."""
    from sami_eval.align import adapters
    from sami_eval.align.options import preset_name
    from sami_eval.data.contrasts import read_contrasts
    from sami_eval.generate.tools import Tools
    from sami_eval.ledger.store import Ledger

    if path:
        found = read_contrasts(path)
        _say_first(job)
        return found
    _say_first(job)
    if job.dry_run and preset_name(job.setup.base) == "embedded":
        raise UsageError("`--dry-run` needs contrasts", "sami-eval contrast, then --contrasts")
    with Ledger(job.config.ledger_path, say=job.setup.progress.say) as ledger:
        tools = Tools(job.config, ledger, job.setup.progress)
        return adapters.contrasts_for(job.setup.base, tools)
