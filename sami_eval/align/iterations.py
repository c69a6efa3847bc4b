"""A method several times over, each time on contrasts that the model has just written itself.

a part of the contrasts --current model--> contrasts of its own --method--> the next model

SAMI's loop (arXiv 2404.14313). No prompt comes twice: a model that has learnt its responses to a
prompt would write them again, and learn little from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sami_eval.align import chain, launch
from sami_eval.align.filters import NEAR_PROMPT
from sami_eval.align.origin import checks_of, filters_of, origin, sampling_of
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Model
from sami_eval.data.contrasts import contrasts_to_jsonl, prompt_hash, read_contrasts
from sami_eval.generate import card
from sami_eval.generate.recipes import Recipe
from sami_eval.ledger.store import atomic_write, key

# A part of the contrasts, written anew by a model: same prompts, constitutions and sampling.
Rewrite = Callable[[Sequence[Contrast], Model], list[Contrast]]


@dataclass(frozen=True, slots=True)
class Iteration:
    """One of them. given: whose prompts and constitutions it takes; file: of what is written."""

    number: int
    of: int
    training: chain.Training
    given: Sequence[Contrast]
    file: Path


def parts(contrasts: Sequence[Contrast], n: int) -> list[list[Contrast]]:
    """The contrasts in n parts of nearly one size, by chance; no prompt is in two.

    One whose prompt was found nearly an earlier one's is left out: the earlier may be in another
    part. Raises UsageError where there are fewer prompts than parts.
    """
    contrasts = [contrast for contrast in contrasts if contrast.rejected != NEAR_PROMPT]
    prompts = {prompt_hash(contrast.prompt) for contrast in contrasts}
    if len(prompts) < n:
        raise UsageError(
            f"`--iterations {n}` of {len(prompts)} prompts: each iteration takes its own",
            "write more contrasts, or iterate less often",
        )
    order = sorted(prompts, key=lambda prompt: key("iteration", prompt))
    part = {prompt: i % n for i, prompt in enumerate(order)}
    several: list[list[Contrast]] = [[] for _ in range(n)]
    for contrast in contrasts:
        several[part[prompt_hash(contrast.prompt)]].append(contrast)
    return several


def iterate(
    spec: str,
    contrasts: Sequence[Contrast],
    setup: chain.Setup,
    n: int,
    rewrite: Rewrite,
    out: Path | None = None,
    changes: Mapping[str, object] | None = None,
    by_base: Callable[[], Sequence[Contrast]] | None = None,
) -> Model:
    """Train a recipe's last method n times, each from where the one before has ended.

    contrasts: their prompts and constitutions are taken, with or without responses.
    out: the last adapter's folder. by_base: what earlier links are trained on, called only where
        one is missing; by default the contrasts.
    What was finished before is neither written nor trained again.
    """
    several = parts(contrasts, n)
    first = chain.plan(spec, by_base or (lambda: contrasts), setup, out, changes or {})
    for one in _each(first, several, out):
        model = one.training.start
        written = _kept(one)
        if written is None:
            setup.progress.say(f"iteration {one.number} of {n}: `{model.name}` writes contrasts")
            written = rewrite(one.given, model)
            if launch.is_main():
                atomic_write(one.file, contrasts_to_jsonl(written))
        model = chain.train(one.training, written, setup)
        setup.progress.say(_summary(one, written))
    return model


def n_finished(
    spec: str,
    contrasts: Sequence[Contrast],
    setup: chain.Setup,
    n: int,
    out: Path | None = None,
    changes: Mapping[str, object] | None = None,
) -> int:
    """How many iterations need not be done again; nothing is written or trained.

    Raises chain.MissingLink where not even the first could begin.
    """
    several = parts(contrasts, n)
    first = chain.plan(spec, lambda: contrasts, setup, out, changes or {}, earlier_too=False)
    for one in _each(first, several, out):
        written = _kept(one)
        if written is None or not chain.is_done(one.training, written):
            return one.number - 1
    return n


def _each(
    first: chain.Training, several: Sequence[Sequence[Contrast]], out: Path | None
) -> Iterator[Iteration]:
    """Every iteration; the one before must be done when the next is asked for."""
    training, method, n = first, first.link.chain[-1:], len(several)
    for number, given in enumerate(several, 1):
        name = f"{first.out.name}-{number}of{n}"  # sft+sami@0-2of3
        folder = out if number == n and out else first.out.with_name(name)
        file = folder.with_name(f"{folder.name}.contrasts.jsonl")
        facts = {"number": number, "of": n, "contrasts": file.name, "writer": training.start.name}
        training = replace(training, out=folder, facts={"iteration": facts})
        yield Iteration(number, n, training, given, file)
        model = replace(chain.trained(training), name=folder.name)
        ground = model if model.adapter is None else training.ground
        link = Recipe(training.link.chain + method, first.link.seeds)
        training = replace(training, start=model, ground=ground, link=link)


def _kept(one: Iteration) -> list[Contrast] | None:
    """What the same model has written for this iteration before, or None."""
    if not one.file.is_file():
        return None
    found, model, filters = read_contrasts(one.file), one.training.start, filters_of(one.given)

    def asked(contrast: Contrast, metadata: Mapping[str, str]) -> tuple[object, ...]:
        told = ("fingerprint", "sampling", "filters", "checks")
        return contrast.prompt, contrast.constitutions, [metadata.get(name) for name in told]

    wanted = [asked(c, origin(model, sampling_of(c), filters, checks_of(c))) for c in one.given]
    return found if [asked(c, c.metadata) for c in found] == wanted else None


def _summary(one: Iteration, written: Sequence[Contrast]) -> str:
    """What an iteration came to: acceptance, and its training's first and last log lines."""
    accepted = sum(contrast.rejected is None for contrast in written)
    said = [f"{accepted} of {len(written)} contrasts accepted"]
    metrics = (card.read(one.training.out) or {}).get("metrics", {})
    for name, called in (("loss", "loss"), ("information_bound", "information bound in nats")):
        first, last = (metrics.get(end, {}).get(name) for end in ("first", "last"))
        if first is not None and last is not None:
            said.append(f"{called} {first:.3f} to {last:.3f}")
    return f"iteration {one.number} of {one.of} ({one.training.out.name}): {', '.join(said)}"
