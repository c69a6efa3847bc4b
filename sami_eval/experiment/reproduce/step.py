"""A step of an experiment, read from its table of a scale: what it does, and by what settings.

| do       | takes                                                                           |
|----------|---------------------------------------------------------------------------------|
| contrast | the fields of Writing                                                           |
| align    | `recipe`, `preset`, `changes`: fields of Options that differ from the preset    |
| answer   | nothing: draws the answers of the comparisons behind it, so that they are there |
| compare  | `contenders` (name -> recipe), `title`, `published`, and the command's settings |
| passk    | the same                                                                        |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, NoReturn

from sami_eval.align.filters import Filters
from sami_eval.align.filters import check as check_filters
from sami_eval.align.method import refuse_unused, with_loss
from sami_eval.align.options import Options, change, preset
from sami_eval.core.errors import UsageError
from sami_eval.core.files import Toml, shown
from sami_eval.core.flags import Group, flags_of
from sami_eval.core.settings import Count, Temperature, TopP
from sami_eval.core.settings_file import from_table
from sami_eval.core.shape import MisfitError, Name, T, Within, fit, is_name
from sami_eval.experiment.passk_plan import N_SAMPLES
from sami_eval.experiment.reproduce.settings import ReproduceSettings
from sami_eval.experiment.settings import CompareSettings, PasskSettings
from sami_eval.generate.losses import method_of
from sami_eval.generate.recipes import find_methods, parse

TRIALS: Final = {"compare": CompareSettings, "passk": PasskSettings}
HINT = "docs/reproduce.md shows the steps of a scale"
# What a flag of `reproduce` says of every step, and what the experiment says.
DECIDED = {one.name for one in dataclasses.fields(ReproduceSettings)} | {"base", "train"}
REPLACED = ("constitutions", "prompts")  # what a step says unless a flag does


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts to write contrasts on, as `prompt_sets.Source` takes them.

    source: a hub id, a file, or "embedded". category: of all of them. limit: drawn at most.
    """

    source: str
    column: str | None = None
    category: str | None = None
    category_column: str | None = None
    split: str = "train"
    subset: str | None = None
    limit: Count | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How contrasts are written.

    writer: any model `compare` takes. constitution: a file, a name in `constitutions/`, or
        "embedded". only: ids of its principles to use; empty is all. n: constitutions a prompt.
    prompts: how many there are in all; for --dry-run, before they are read. keep: contrasts kept
        at most.
    """

    writer: str
    constitution: str
    sets: tuple[PromptSet, ...]
    temperature: Temperature
    top_p: TopP
    max_tokens: Count
    prompts: Count
    only: tuple[str, ...] = ()
    n: Annotated[int, Within(least=2)] = 2
    keep: Count | None = None
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class Aligning:
    """The last link of a recipe. preset: of `align/presets.toml`; changes: Options that differ."""

    recipe: str
    preset: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def link(self) -> str:
        """What trains, with its loss where that is not the method's own."""
        return self.recipe.rpartition("+")[2]

    @property
    def method(self) -> str:
        """What trains."""
        return method_of(self.link)

    @property
    def options(self) -> Options:
        """Every knob of the training."""
        return change(preset(self.preset, self.link), **self.changes)


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of `compare` or `passk`. contenders: name -> recipe; title: of the run and its table.

    settings: the command's, as far as the step says them. published: the paper did it like this.
    """

    title: str
    contenders: Mapping[str, str]
    settings: CompareSettings | PasskSettings
    published: bool = False

    @property
    def n(self) -> int:
        """How many questions or problems are asked; a step says so."""
        return self.settings.limit or 0

    @property
    def answers(self) -> tuple[object, ...]:
        """What decides the answers of a comparison, its judge and its counting left out."""
        told = getattr(self.settings, "generate_with_principles", None)
        decides = (Group.COMPARED, Group.ASKED, Group.MODEL, Group.SAMPLES)
        flags = [one.name for one in flags_of("", type(self.settings)) if one.flag.group in decides]
        asked = tuple(str(getattr(self.settings, name)) for name in flags)
        seen = None if told is False else getattr(self.settings, "constitutions", None)
        return (*self.contenders.items(), told, seen, *asked)


@dataclass(frozen=True, slots=True)
class Answering:
    """The answers of comparisons, drawn before they are judged. A step says nothing of them."""

    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. name: as --from and --only take it; of: by what it is done."""

    name: str
    do: str
    of: Writing | Aligning | Answering | Trial


@dataclass(frozen=True, slots=True)
class Place:
    """The tables of a file in which a step's fields may stand, its own first."""

    name: str
    tables: tuple[Toml, ...]

    def bad(self, names: Sequence[str], message: str, hint: str = HINT) -> NoReturn:
        """Raise UsageError at a field's line."""
        raise UsageError(f"step `{self.name}`: {message}", hint, self.where(names))

    def where(self, names: Sequence[str]) -> str:
        """The line of a field."""
        named = [name for name in names if not name.isdigit()]
        holds = (table for table in self.tables if named[0] in table.data)
        return next(holds, self.tables[0]).where(named)

    @contextmanager
    def at(self, *names: str) -> Iterator[None]:
        """Errors of others' checks, at a field's line."""
        try:
            yield
        except UsageError as error:
            self.bad(names, error.message, error.hint)


Row = dict[str, Any]


def read_step(row: Row, place: Place) -> Step:
    """A step of its whole row. Raises UsageError with file and line."""
    do = row.get("do")
    if do not in list(KINDS):
        said = "missing" if do is None else shown(do)
        place.bad(("do",), f"`do` is {said}", f"one of {', '.join(KINDS)}")
    rest = {name: value for name, value in row.items() if name not in ("name", "do")}
    return Step(place.name, do, KINDS[do](rest, place))


def _fit(row: Row, kind: type[T], place: Place) -> T:
    try:
        return fit(row, kind)
    except MisfitError as error:
        place.bad(error.path or ("do",), f"`{error.name}` is {error.what}")


def _writing(row: Row, place: Place) -> Writing:
    found = _fit(row, Writing, place)
    if not found.sets:
        place.bad(("sets",), "`sets` is empty")
    with place.at("filters"):
        check_filters(found.filters)
    return found


def _aligning(row: Row, place: Place) -> Aligning:
    found = _fit(row, Aligning, place)
    methods = find_methods()
    with place.at("recipe"):
        spec, changes = with_loss(found.recipe, found.changes)
        recipe = parse(spec, methods)
    if not recipe.chain or recipe.seeds:
        place.bad(("recipe",), f"`recipe` is `{found.recipe}`", "e.g. sft+dpo; --seed is of all")
    found = replace(found, recipe=recipe.name, changes=changes)
    with place.at("preset"):
        options = preset(found.preset, found.link)
    with place.at("changes"):
        refuse_unused(found.changes, methods[recipe.method])
        change(options, **found.changes)
    return found


def _answering(row: Row, place: Place) -> Answering:
    for name in row:
        place.bad((name,), f"`{name}` is no field here")
    return Answering()


@dataclass(frozen=True, slots=True)
class _Named:
    """What a trial says besides the command's settings."""

    contenders: Mapping[str, str]
    title: Name | None = None
    published: bool = False


def _trial(do: str) -> Callable[[Row, Place], Trial]:
    def read(row: Row, place: Place) -> Trial:
        own = {one.name: row.pop(one.name) for one in dataclasses.fields(_Named) if one.name in row}
        named = _fit(own, _Named, place)
        for name in named.contenders:
            if not is_name(name):
                place.bad(("contenders",), f"{shown(name)} is no name of a contender")
        with place.at("contenders"):
            several = {name: parse(one, find_methods()) for name, one in named.contenders.items()}
        recipes = {name: recipe.name for name, recipe in several.items()}
        settings = _settings(do, row, tuple(recipes), place)
        return Trial(named.title or place.name, recipes, settings, named.published)

    return read


def _settings(
    do: str, row: Row, names: tuple[str, ...], place: Place
) -> CompareSettings | PasskSettings:
    """The command's settings, by its own names; what decides all steps is not for one to say."""
    decided = DECIDED.difference(REPLACED)
    for name in row:
        if name.replace("-", "_") in decided:
            place.bad((name,), f"`{name}` is of the whole experiment", "sami-eval reproduce --help")
    given: Row = from_table(row, place, do, list(flags_of("settings", TRIALS[do])))
    if "limit" not in given:
        place.bad(("limit",), "`limit` is missing", "how many are asked, e.g. limit = 80")
    settings: CompareSettings | PasskSettings
    with place.at("contenders"):
        settings = TRIALS[do](names, **given)
    if isinstance(settings, PasskSettings):
        samples = N_SAMPLES if settings.samples is None else settings.samples
        if not settings.ks or samples < max(settings.ks):
            said = f"draws {samples} samples for up to {max(settings.ks, default=0)} attempts"
            place.bad(("ks",), said, "as many `samples` as the most of `ks`, or more")
    return settings


KINDS: Final[dict[str, Callable[[Row, Place], Any]]] = {
    "contrast": _writing,
    "align": _aligning,
    "answer": _answering,
    **{do: _trial(do) for do in TRIALS},
}
