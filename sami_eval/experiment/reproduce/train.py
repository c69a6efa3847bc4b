"""`sami-eval train`: a course of steps made of flags, in the place of one that a scale says.

constitution x prompts --contrast--> contrasts --align, method by method--> adapters --compare-->
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sami_eval.align.adapters import EMBEDDED_SAMPLING
from sami_eval.align.options import preset, preset_name
from sami_eval.align.origin import SAMPLING
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.experiment.compare_plan import make_plan
from sami_eval.experiment.document import Document, read_document
from sami_eval.experiment.reproduce.checklist import run_stages
from sami_eval.experiment.reproduce.experiment import stages_of
from sami_eval.experiment.reproduce.scale import EMBEDDED, Course, Scale, base_spec, read_scale
from sami_eval.experiment.reproduce.settings import ReproduceSettings
from sami_eval.experiment.reproduce.step import Aligning, PromptSet, Step, Trial, Writing
from sami_eval.experiment.reproduce.trial import check, settings_of
from sami_eval.experiment.reproduce.work import Asked, Bench, check_principles, gather
from sami_eval.experiment.runs import DOCUMENT, REPRODUCTIONS, claim, slug
from sami_eval.experiment.settings import CompareSettings
from sami_eval.experiment.train_settings import TrainSettings
from sami_eval.generate import models
from sami_eval.generate.recipes import BASE, Recipe, find_methods, parse
from sami_eval.generate.standing import on_embedded

COURSE = "mtbench"  # where a scale holds the course
TITLE = "compare"
N_QUESTIONS = {True: 240, False: 80}  # of the embedded world, of MT-Bench: all


def asked_of(settings: TrainSettings, config: Config) -> Asked:
    """The steps to do, checked as far as nothing is spent: methods, principles, judge, key."""
    named = config.choice("base", settings.base)
    world = on_embedded(models.resolve_base(named, config))
    rest = {key: one for key, one in config.defaults.items() if key not in ("base", "task")}
    config = replace(config, defaults=rest)
    recipes = _recipes(settings.methods)
    course = _course(settings, recipes, named or EMBEDDED, world, config)
    every = read_scale(EMBEDDED if world else "one-gpu")
    folder = config.root / REPRODUCTIONS / slug(f"train {' '.join(recipes)}@{settings.seed}")
    asked = Asked(_scale(every, course), COURSE, config, settings.out or folder, _shared(settings))
    for writing in course.writings:
        check_principles(asked, writing)
    check(asked)
    return _with_judge(asked)


def _with_judge(asked: Asked) -> Asked:
    """With the judge that fits the questions by its name, where none was named."""
    (trial,) = asked.course.trials
    own, settings = trial.settings, settings_of(asked, trial)
    assert isinstance(own, CompareSettings)
    assert isinstance(settings, CompareSettings)
    if own.judge is not None or "judge" in asked.config.defaults:
        return asked
    fits = make_plan(replace(settings, contenders=(BASE, BASE)), asked.config).judge.name
    named = replace(trial, settings=replace(own, judge=fits))
    steps = (*asked.course.steps[:-1], replace(asked.course.steps[-1], of=named))
    course = replace(asked.course, steps=steps)
    return replace(asked, scale=replace(asked.scale, mtbench=course))


def _shared(settings: TrainSettings) -> ReproduceSettings:
    """What holds for every step."""
    return ReproduceSettings(
        seed=settings.seed,
        prompts=settings.questions,
        base_url=settings.base_url,
        engine=settings.engine,
        engine_args=settings.engine_args,
        concurrency=settings.concurrency,
        max_cost=settings.max_cost,
        rpm=settings.rpm,
        tpm=settings.tpm,
    )


def _recipes(text: str) -> Mapping[str, Recipe]:
    """The recipes of `--methods` by the names they were given."""
    names = [name.strip() for name in text.split(",")]
    known = find_methods()
    several = {name: parse(name, known) for name in names}
    for name, recipe in several.items():
        if not recipe.chain or recipe.seeds or names.count(name) > 1:
            said = "is named twice" if names.count(name) > 1 else "is not trained by a method alone"
            raise UsageError(f"`--methods {text}`: `{name}` {said}", "e.g. --methods sami,dpo")
    return several


def _course(
    settings: TrainSettings, recipes: Mapping[str, Recipe], base: str, world: bool, config: Config
) -> Course:
    contenders = {**{name: recipe.name for name, recipe in recipes.items()}, BASE: BASE}
    comparison = CompareSettings(
        tuple(contenders),
        judge=settings.judge,
        judge_model=settings.judge_model,
        constitutions=settings.constitutions,
        limit=settings.limit or N_QUESTIONS[world],
    )
    chosen = settings.preset or preset_name(models.resolve_base(base_spec(base), config))
    links = [name for recipe in recipes.values() for name in _links(recipe)]
    for name in links:
        preset(chosen, name.rpartition("+")[2])
    return Course(
        base,
        (
            Step("contrasts", "contrast", _writing(settings, world)),
            *(Step(name, "align", Aligning(name, chosen)) for name in dict.fromkeys(links)),
            Step(TITLE, "compare", Trial(TITLE, contenders, comparison)),
        ),
    )


def _links(recipe: Recipe) -> list[str]:
    """A recipe and those it stands on, the first of them first."""
    names = [Recipe(recipe.chain[:n]).name for n in range(1, len(recipe.chain) + 1)]
    return [name for name in names if name != BASE]


def _writing(settings: TrainSettings, world: bool) -> Writing:
    for flag, value in (
        ("--constitutions", settings.constitutions),
        ("--prompts", settings.prompts),
    ):
        if value is None and not world:
            raise UsageError(
                f"`{flag}` is missing: the embedded world's are for the embedded base",
                f"{flag} FILE, or {flag} verifiable",
            )
    sets = (PromptSet(settings.prompts or EMBEDDED),)
    usual = EMBEDDED_SAMPLING if settings.prompts is None else SAMPLING
    return Writing(
        settings.writer,
        settings.constitutions or EMBEDDED,
        sets,
        usual.temperature,
        usual.top_p,
        usual.max_tokens,
        prompts=len(gather(sets, settings.seed)),
    )


def _scale(every: Scale, course: Course) -> Scale:
    """A scale of this course; what a method takes that it does not know is as its slowest."""
    known = every.expected.trained
    trained = {one.method: min(known.values()) for one in course.alignings} | dict(known)
    expected = replace(every.expected, trained=trained)
    return replace(every, name="train", about="", mtbench=course, expected=expected)


def plan_of(asked: Asked) -> str:
    """All that is about to be done, in one line."""
    course = asked.course
    (writing,), (trial,) = course.writings, course.trials
    trained = ", ".join(one.recipe for one in course.alignings)
    rivals = ", ".join(trial.contenders)
    return (
        f"train: {writing.prompts:,} prompts x {writing.n} constitutions answered by "
        f"{writing.writer}; {trained} trained on them, base {course.base}; {rivals} compared on "
        f"{trial.n} questions"
    )


def train(
    asked: Asked, progress: Progress, *, start: str | None = None, command: str = ""
) -> Document:
    """Do the stages that are not done; the comparison."""
    progress.say(plan_of(asked))
    claim(asked.folder)
    run_stages(stages_of(Bench(asked, progress, command)), asked.folder, progress, start=start)
    return read_document(asked.run(TITLE) / DOCUMENT)
