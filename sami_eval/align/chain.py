"""Recipes to adapters: each link starts from the one before; a folder is complete or absent."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

from sami_eval.align import (
    card_writer,
    earlier,
    launch,
    options,
    origin,
    place,
    stale,
)
from sami_eval.align.method import load_method, refuse_unused, with_loss
from sami_eval.align.options import Options
from sami_eval.core import memory
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress, silent
from sami_eval.core.source import constant, sources
from sami_eval.core.types import Contrast, Model
from sami_eval.data.contrasts import contrasts_hash
from sami_eval.generate import card, peft_folder, recipes, steps
from sami_eval.generate.fingerprints import folder_fingerprint
from sami_eval.generate.recipes import ADAPTERS, BUNDLED, Recipe, methods_in
from sami_eval.ledger.store import key


class MissingLink(UsageError):
    """An earlier link of a recipe is not there, and was not to be trained."""


@dataclass(frozen=True, slots=True)
class Training:
    """One link to train: the last method of `link`, on a start.

    file: of the method. ground: what the adapter stands on: the base, or the checkpoint that an
        earlier link is. facts: go into the card as they are.
    """

    link: Recipe
    file: Path
    start: Model
    ground: Model
    options: Options
    out: Path
    asked: stale.Chosen
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    """What all links of a recipe share.

    adapters: the folder of trained adapters. seed: where a recipe names none.
    preset: of Options; None is the one made for the base.
    resume: a training that was killed goes on from its last checkpoint.
    """

    base: Model
    adapters: Path
    seed: int
    preset: str | None
    progress: Progress
    resume: bool = True


def folder(recipe: Recipe, base: Model, adapters: Path, seed: int) -> Path:
    """Where a recipe's adapter lies: adapters/BASE/RECIPE@SEED."""
    return adapters / _base_name(base) / f"{recipe.name}@{seed}"


def _base_name(base: Model) -> str:
    if options.preset_name(base) == "embedded":
        return "embedded"
    if base.source is not None:
        return Path(base.source).stem
    path = Path(base.base)
    return path.resolve().name if path.exists() else base.base.replace("/", "--")


def existing(config: Config) -> Callable[[str, Model], Model]:
    """Adapters as they are; a missing one raises MissingLink naming the `align` command."""

    def found(spec: str, base: Model) -> Model:
        setup = Setup(base, config.root / ADAPTERS, 0, None, silent())
        return ensure(spec, lambda: (), setup, train=False)

    return found


def ensure(
    spec: str, contrasts: Callable[[], Sequence[Contrast]], setup: Setup, train: bool = True
) -> Model:
    """The adapter of a recipe with one seed, with every link that is missing trained now.

    contrasts: called only when something has to be trained.
    Raises UsageError where a link is missing, or of another base, and train is False.
    """
    spec, files = methods_in(spec)
    recipe = recipes.parse(spec, files)
    seed, ground, model, given = _seed(recipe, setup.seed), setup.base, setup.base, None
    for link in recipe.links():
        out = folder(link, setup.base, setup.adapters, seed)
        problem = _unusable(out, ground)
        changed = None if problem else stale.why(out, model, link.chain[-1])
        if changed is not None:
            setup.progress.say(f"{'' if _again(setup, train) else 'warning: '}`{out}`: {changed}")
            if not _again(setup, train):
                setup.progress.say(f"train it again: {_command(link, seed, setup.base)}")
        if problem is None and not (changed and _again(setup, train)):
            model = _adapted(ground, link, out)
        elif not train:
            raise MissingLink(str(problem), _command(link, seed, setup.base))
        else:
            given = contrasts() if given is None else given
            chosen = options.preset(_preset(setup), link.chain[-1], seed)
            file, asked = files[link.method], stale.Chosen(setup.preset)
            training = Training(link, file, model, ground, chosen, out, asked)
            model = _train_link(training, given, setup)
        ground = model if model.adapter is None else ground
    return model


def _again(setup: Setup, train: bool) -> bool:
    """Whether what is not up to date is trained again: the embedded base's, in seconds."""
    return train and options.preset_name(setup.base) == "embedded"


def _command(link: Recipe, seed: int, base: Model) -> str:
    """What trains a link with this seed."""
    at = f"@{seed}" if seed else ""
    on = "" if options.preset_name(base) == "embedded" else f" --base {base.named}"
    return f"sami-eval align {link.name}{at}{on}"


def align(
    spec: str,
    contrasts: Sequence[Contrast],
    setup: Setup,
    out: Path | None,
    changes: Mapping[str, object],
) -> Model:
    """Train a recipe's last link, unless the same training was done already.

    Earlier links are taken where they exist and trained where they do not.
    """
    return train(plan(spec, lambda: contrasts, setup, out, changes), contrasts, setup)


def plan(
    spec: str,
    contrasts: Callable[[], Sequence[Contrast]],
    setup: Setup,
    out: Path | None,
    changes: Mapping[str, object],
    earlier_too: bool = True,
) -> Training:
    """The training of a recipe's last link, with what it starts from.

    contrasts: called only when an earlier link has to be trained.
    Raises MissingLink where one is missing and earlier_too is False, UsageError for an `out` that
    holds something else.
    """
    _check_out(out)
    spec, changes = with_loss(spec, changes)
    spec, files = methods_in(spec)
    recipe = recipes.parse(spec, files)
    if not recipe.chain:
        raise UsageError("recipe `base` trains nothing", "name a method, e.g. `sami`")
    refuse_unused(changes, files[recipe.method])
    seed = _seed(recipe, setup.seed)
    *earlier, last = recipe.links()
    # Before an earlier link is trained: what is wrong with the last one's options is said first.
    preset = options.preset(_preset(setup), last.chain[-1], seed)
    chosen = options.change(preset, **{**changes, "seed": seed})
    start = setup.base
    if earlier:
        start = ensure(f"{earlier[-1].name}@{seed}", contrasts, setup, earlier_too)
    # What an adapter stands on: the base, or the checkpoint that an earlier link is.
    ground = start if start.adapter is None else _ground(earlier, setup, seed)
    asked = stale.Chosen(setup.preset, {k: v for k, v in changes.items() if v is not None})
    out = out or folder(last, setup.base, setup.adapters, seed)
    return Training(last, files[last.method], start, ground, chosen, out, asked)


def _check_out(out: Path | None) -> None:
    """Refuse a folder that is not ours: what is trained takes its place."""
    if out is None:
        return
    if out.name in ("", ".."):
        raise UsageError(f"`--out {out}` names no folder to make", "e.g. --out adapters/mine")
    taken = out.is_file() or (out.is_dir() and any(out.iterdir()))
    if taken and card.read(out) is None:
        raise UsageError(
            f"`{out}` exists and holds something other than an adapter of ours",
            "name another folder with --out",
        )


def train(training: Training, contrasts: Sequence[Contrast], setup: Setup) -> Model:
    """Train one link, unless the same training was done already."""
    if is_done(training, contrasts):
        name = training.link.name
        setup.progress.say(f"{name} is already trained on these contrasts: {training.out}")
        return trained(training)
    return _train_link(training, contrasts, setup)


def is_done(training: Training, contrasts: Sequence[Contrast]) -> bool:
    """Whether this training's folder holds what these contrasts would give, checkpoints too."""
    return _has_weights(training, contrasts) and _has_kept(training)


def _has_weights(training: Training, contrasts: Sequence[Contrast]) -> bool:
    known = card.read(training.out)
    return known is not None and known.get("training") == _identity(training, contrasts)


def _has_kept(training: Training) -> bool:
    """Whether as many checkpoints were kept as are asked for, and still lie there."""
    known, wanted = card.read(training.out) or {}, training.options.keep_checkpoints
    had = known.get("options", {}).get("keep_checkpoints", 0)
    return wanted <= had and set(known.get("checkpoints", ())) <= steps.of(training.out).keys()


def trained(training: Training) -> Model:
    """What a training that is done has given, as a model."""
    return _adapted(training.ground, training.link, training.out)


def _ground(links: Sequence[Recipe], setup: Setup, seed: int) -> Model:
    ground = setup.base
    for link in links:
        out = folder(link, setup.base, setup.adapters, seed)
        ground = _adapted(ground, link, out) if card.is_checkpoint(out) else ground
    return ground


def _seed(recipe: Recipe, default: int) -> int:
    if len(recipe.seeds) > 1:
        raise UsageError(
            f"`{recipe.name}` is given `{len(recipe.seeds)}` seeds", "train them one at a time"
        )
    return recipe.seeds[0] if recipe.seeds else default


def _preset(setup: Setup) -> str:
    return setup.preset or options.preset_name(setup.base)


def _adapted(base: Model, link: Recipe, out: Path) -> Model:
    """A trained link as a model: the base with its adapter, or the checkpoint alone."""
    if card.is_checkpoint(out):
        fingerprint = folder_fingerprint(out)
        whole = replace(base, name=link.name, base=str(out), revision=None, source=None)
        return replace(whole, fingerprint=fingerprint)
    fingerprint = peft_folder.fingerprint(base.fingerprint, out)
    return replace(base, name=link.name, adapter=str(out), fingerprint=fingerprint)


def _unusable(out: Path, base: Model) -> str | None:
    """Why the adapter in a folder is not to be used for this base, or None."""
    known = card.read(out)
    if known is None:
        return f"no adapter `{out}`"
    if known["base"]["fingerprint"] != base.fingerprint:
        return f"adapter `{out}` was trained on another base than `{base.named}`"
    return None


def _identity(training: Training, contrasts: Sequence[Contrast]) -> str:
    """SHA-256 of all that determines an adapter's weights on one machine."""
    weighty = dataclasses.asdict(replace(training.options, report_to="none"))
    del weighty["loss"]  # the chain says it
    del weighty["keep_checkpoints"]
    if training.file.resolve().parent != BUNDLED.resolve():
        # A method of the user's own, which may train otherwise once it was changed.
        weighty["method"] = "\0".join(sources(training.file))
    chain, start = training.link.chain, training.start.fingerprint
    return key("training", chain, contrasts_hash(contrasts), start, weighty)


def _train_link(training: Training, contrasts: Sequence[Contrast], setup: Setup) -> Model:
    _check_base(contrasts, setup.base, training.start, setup.progress)
    _check_out(training.out)
    with place.alone(training.out, setup.progress) as is_ours:
        # Another process may have trained it while this one waited.
        if not is_done(training, contrasts):
            if _has_weights(training, contrasts):
                n = training.options.keep_checkpoints
                setup.progress.say(f"`{training.out}` keeps no {n} checkpoints: trained again")
            _fit(training, contrasts, setup, is_ours)
    return trained(training)


def _fit(
    training: Training, contrasts: Sequence[Contrast], setup: Setup, is_ours: Callable[[], bool]
) -> None:
    method, link, start = load_method(training.file), training.link, training.start
    begin = replace(start, name=f"{link.name}@{training.options.seed}")
    identity = _identity(training, contrasts)
    facts = {
        "training": identity,
        "chain": list(link.chain),
        "start": start.adapter and card.weights_hash(Path(start.adapter)),
        "earlier_prompts": sorted(card.prompts_seen(start) or ()),
        "asked": dataclasses.asdict(training.asked),
        "note": constant(training.file, "NOTE"),
        **training.facts,
    }
    progress = setup.progress if launch.is_main() else silent()
    for line in earlier.said(training.out, identity, training.options, contrasts):
        progress.say(line)
    with place.unfinished(training.out, identity, setup.resume, is_ours) as folder:
        with redirect_stdout(sys.stderr):  # what a tracker or a user's method prints is no result
            method.train(contrasts, begin, training.options, folder, progress)
        memory.release()
        if launch.is_main():
            ground, chosen = training.ground, training.options
            card_writer.write(folder, training.out, link.name, facts, contrasts, ground, chosen)
            card_writer.write_kept(folder)


def _check_base(
    contrasts: Sequence[Contrast], base: Model, start: Model, progress: Progress
) -> None:
    """Token ids of another tokenizer mean other text; text alone can be learnt from anybody."""
    theirs = [one for one in contrasts if not origin.is_by(one, base, start)]
    for contrast in theirs:
        if any(one.token_ids for one in contrast.responses) and not origin.reads(contrast, base):
            raise UsageError(
                f"the contrasts were written by {origin.writer(contrast)}, not by `{base.named}`",
                f"sami-eval contrast --base {base.named}",
            )
    if theirs:
        progress.say(
            f"warning: {len(theirs)} of {len(contrasts)} contrasts were written by "
            f"{origin.writer(theirs[0])}, not by `{base.named}`"
        )
