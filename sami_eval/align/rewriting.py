"""`sami-eval align --iterations`: the model writes, is trained on it, and writes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.align.chain import Setup
    from sami_eval.core.alignment import AlignSettings, Options
    from sami_eval.core.config import Config
    from sami_eval.core.types import Contrast, Model
    from sami_eval.generate import EngineChoice
    from sami_eval.generate.tools import Tools

EXAMPLE = "sami-eval align sami --iterations 3 --constitutions FILE --prompts FILE"


def check(settings: AlignSettings) -> bool:
    """Whether there are iterations. Raises UsageError for flags that do not go together."""
    from sami_eval.generate import parse_arguments
    from sami_eval.generate.loading import TRUST

    # A model's own code may be allowed for training alone; any other setting is of generation.
    arguments = [name for name in parse_arguments(settings.engine_args) if name != TRUST]
    engine = settings.engine or arguments
    files = {"--constitutions": settings.constitutions, "--prompts": settings.prompts}
    given = [flag for flag, value in files.items() if value is not None]
    if settings.iterations is None:
        for flag in [*given, *(["--engine"] if engine else [])]:
            raise UsageError(
                f"`{flag}` without `--iterations`: nothing is generated",
                "sami-eval contrast, then align --contrasts",
            )
        return False
    if given and settings.contrasts is not None:
        raise UsageError(f"`--contrasts` and `{given[0]}`: which prompts?", EXAMPLE)
    if len(given) == 1:
        raise UsageError(
            f"`{given[0]}` without the other of `--constitutions`, `--prompts`", EXAMPLE
        )
    return True


def engine_of(settings: AlignSettings, base: Model, config: Config) -> EngineChoice:
    """What the model writes with. The embedded base's own can seed: the same everywhere."""
    from sami_eval.align.options import preset_name
    from sami_eval.generate import EngineChoice, parse_arguments

    usual = "hf" if preset_name(base) == "embedded" else "auto"
    engine = config.choice("engine", settings.engine) or usual
    return EngineChoice(engine, parse_arguments(settings.engine_args))


def run(
    settings: AlignSettings,
    changes: Mapping[str, object],
    setup: Setup,
    tools: Tools,
    engine: EngineChoice,
) -> Model:
    """Every iteration that is not finished yet; the last one's adapter."""
    from sami_eval.align import adapters
    from sami_eval.align.iterations import iterate

    def rewrite(part: Sequence[Contrast], writer: Model) -> list[Contrast]:
        return adapters.rewritten(part, writer, engine, tools)

    given, by_base = _given(settings, setup.base, tools, rewrite)
    n, out = settings.iterations or 1, settings.out
    return iterate(settings.recipe, given, setup, n, rewrite, out, changes, by_base)


def _given(
    settings: AlignSettings,
    base: Model,
    tools: Tools,
    rewrite: Callable[[Sequence[Contrast], Model], list[Contrast]],
) -> tuple[list[Contrast], Callable[[], Sequence[Contrast]]]:
    """Whose prompts and constitutions are taken, and what earlier links are trained on."""
    from sami_eval.align import adapters
    from sami_eval.align.options import preset_name
    from sami_eval.data.contrasts import read_contrasts

    if settings.contrasts is None and (settings.prompts or preset_name(base) == "embedded"):
        given = _unanswered(settings)
        if settings.prompts:
            return given, lambda: rewrite(given, base)
        return given, lambda: adapters.contrasts_for(base, tools)
    read = (
        read_contrasts(settings.contrasts)
        if settings.contrasts
        else adapters.contrasts_for(base, tools)
    )
    return read, lambda: read


def _unanswered(settings: AlignSettings) -> list[Contrast]:
    from sami_eval import embedded
    from sami_eval.align import adapters
    from sami_eval.align.contrast import unanswered
    from sami_eval.align.origin import SAMPLING
    from sami_eval.data.constitutions import read_constitution
    from sami_eval.data.prompt_sets import Source, read

    if settings.constitutions is None or settings.prompts is None:
        principles, sampling = read_constitution(embedded.CONSTITUTION), adapters.EMBEDDED_SAMPLING
        return unanswered(embedded.prompts("alignment"), principles, sampling=sampling)
    principles = read_constitution(settings.constitutions)
    return unanswered(read(Source(settings.prompts))[0], principles, sampling=SAMPLING)


def describe(
    settings: AlignSettings,
    changes: Mapping[str, object],
    setup: Setup,
    tools: Tools,
    options: Options,
) -> str:
    """What `run` would do; nothing is generated or trained."""
    from sami_eval.align.chain import MissingLink
    from sami_eval.align.iterations import n_finished, parts
    from sami_eval.align.origin import sampling_of

    given, _ = _given(settings, setup.base, tools, lambda part, writer: [])
    recipe, n = settings.recipe, settings.iterations or 1
    several = parts(given, n)
    n_done, by_base = 0, []
    try:
        n_done = n_finished(recipe, given, setup, n, settings.out, changes)
    except MissingLink:
        by_base = [] if given[0].responses else given  # to train the earlier link on
    left = [*by_base, *(contrast for part in several[n_done:] for contrast in part)]
    n_responses = sum(len(one.constitutions) for one in left)
    n_tokens = sum(len(one.constitutions) * sampling_of(one).max_tokens for one in left)
    lines = [
        ("iterations", f"{n}, each on {len(several[-1]):,} or so of {len(given):,} prompts; "
         f"{n_done} finished"),
        ("writes", f"at most {n_responses:,} responses, {n_tokens:,} tokens, by the model as it "
         "then stands" + ", the base first" * bool(by_base)),
    ]  # fmt: skip
    told = "\n".join(f"{label:<11}{text}" for label, text in lines)
    if not several[0][0].responses:
        return f"{'recipe':<11}{recipe}, seed {options.seed}\n{told}"
    return f"{_one(recipe, several[0], setup.base, options)}\n{told}"


def _one(recipe: str, part: Sequence[Contrast], base: Model, options: Options) -> str:
    """The training of one iteration, its responses as long as those that are there."""
    from sami_eval.align import estimate
    from sami_eval.generate import recipes

    plain, files = recipes.methods_in(recipe)
    method = recipes.parse(plain, files).method
    found = estimate.estimate(method, part, base, options)
    return estimate.describe(plain, found, len(part), options)
