"""A scale: everything a reproduction depends on, as a TOML file with a source for every number.

The folder `scales/` beside this file is the registry; `--scale FILE` takes any other. A file that
says `like = "embedded"` holds only what differs from that scale: a step of the same name differs
in the fields that it says, one of a new name comes last, and one that says `skip = true` is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

from sami_eval.core.config import Price
from sami_eval.core.errors import UsageError
from sami_eval.core.files import Toml, read_toml, shown
from sami_eval.core.settings import Amount, Count, NotNegative, Positive
from sami_eval.core.shape import MisfitError, Within, fit, is_name
from sami_eval.experiment.reproduce.step import (
    HINT,
    KINDS,
    Aligning,
    Answering,
    Place,
    Step,
    Trial,
    Writing,
    read_step,
)
from sami_eval.experiment.runs import slug

HERE = Path(__file__).parent
SCALES = HERE / "scales"
EMBEDDED = "embedded"  # as a base, a set of prompts or a constitution: the embedded world's
EXPERIMENTS: Final = ("mtbench", "gsm8k")  # each a table of the file
WHOLE = ("contenders",)  # a table that is one value: another takes its place
# What an experiment was made of before it was made of steps.
OLD = {
    "questions": "limit, under [{0}.compare] or of a step",
    "max_tokens": "max_tokens, under [{0}.compare] or of a step",
    "ks": "ks, under [{0}.passk] or of a step",
    "contrasts": '[[{0}.steps]] with do = "contrast"',
    "training": 'preset under [{0}.align], and changes of each [[{0}.steps]] with do = "align"',
    "judging": '[[{0}.steps]] with do = "compare"',
    "sampling": '[[{0}.steps]] with do = "passk"',
}
PartOrAll = Annotated[float, Within(above=0, most=1)]


@dataclass(frozen=True, slots=True)
class Course:
    """An experiment of the paper: its base, and its steps in order."""

    base: str
    steps: tuple[Step, ...]

    @property
    def writings(self) -> list[Writing]:
        """How contrasts are written; one, where they are."""
        return [step.of for step in self.steps if isinstance(step.of, Writing)]

    @property
    def alignings(self) -> list[Aligning]:
        """Every training."""
        return [step.of for step in self.steps if isinstance(step.of, Aligning)]

    @property
    def trials(self) -> list[Trial]:
        """Every run of `compare` or `passk`."""
        return [step.of for step in self.steps if isinstance(step.of, Trial)]


@dataclass(frozen=True, slots=True)
class Expected:
    """What --dry-run reckons with; a run depends on none of it. Tokens are means.

    accepted: share of contrasts that pass the filters, by experiment. generated: tokens a second.
    trained: tokens of its rows a second, by method; DPO reads its reference in that time, too.
    """

    device: str
    prompt_tokens: Count
    constitution_tokens: Count
    contrast_tokens: Count
    accepted: Mapping[str, PartOrAll]
    question_tokens: Count
    answer_tokens: Count
    sample_tokens: Count
    judge_tokens: Amount
    reply_tokens: Amount
    generated: Positive
    trained: Mapping[str, Positive]
    start_s: NotNegative


@dataclass(frozen=True, slots=True)
class Scale:
    """Both experiments at one size. prices: USD per million tokens, for --dry-run."""

    name: str
    about: str
    mtbench: Course
    gsm8k: Course
    expected: Expected
    prices: Mapping[str, Price] = field(default_factory=dict)

    def course(self, experiment: str) -> Course:
        """The experiment of this name."""
        found: Course = getattr(self, experiment)
        return found


def listing() -> dict[str, Path]:
    """The bundled scales by name."""
    return {path.stem: path for path in sorted(SCALES.glob("*.toml"))}


def read_scale(spec: str) -> Scale:
    """A bundled scale by name, or a file. Raises UsageError with file and line."""
    path = listing().get(spec) or Path(spec).expanduser()
    if not path.is_file():
        raise UsageError(f"no scale `{spec}`", f"known: {', '.join(listing())}, or a TOML file")
    file = read_toml(path, HINT)
    row = {"name": path.stem, **_merged(file)}
    for name in EXPERIMENTS:
        if isinstance(row.get(name), dict):
            row[name] = _course(name, row[name], file)
    try:
        scale = fit(row, Scale)
    except MisfitError as error:
        _bad(file, error.path, error.what)
    _check_expected(scale, file)
    return scale


def _merged(file: Toml) -> dict[str, Any]:
    """The file's values over those of the scale it is like."""
    like = file.data.get("like")
    own = {name: value for name, value in file.data.items() if name != "like"}
    for name in EXPERIMENTS:
        _check_table(name, own.get(name), file)
    if like is None:
        return own
    if like not in list(listing()):
        file.bad(("like",), f"`like` is {shown(like, bare=True)}", f"known: {', '.join(listing())}")
    return _over(_merged(read_toml(listing()[like], HINT)), own)


def _check_table(name: str, table: object, file: Toml) -> None:
    """Refuse a field that no experiment has, and steps that are not told apart by their names."""
    for key, value in table.items() if isinstance(table, dict) else ():
        if key in OLD:
            file.bad((name, key), f"`{name}.{key}` is no more", f"write {OLD[key].format(name)}")
        if key not in ("base", "steps", *KINDS):
            _bad(file, (name, key), "no field here")
        if key in KINDS and not isinstance(value, dict):
            _bad(file, (name, key), shown(value))
    steps = table.get("steps", []) if isinstance(table, dict) else []
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        _bad(file, (name, "steps"), shown(steps))
    names = [step.get("name") for step in steps]
    for i, found in enumerate(names):
        said = "missing" if found is None else shown(found)
        if is_name(found) and found in names[:i]:
            said += f", as that of step {names.index(found) + 1}"
        elif is_name(found):
            continue
        table = file.table((name, "steps"), steps[i], i + 1)
        table.bad(("name",), f"step {i + 1}: `name` is {said}", HINT)


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = below.get(name)
        if isinstance(value, dict) and isinstance(old, dict) and name not in WHOLE:
            merged[name] = _over(old, value)
        elif name == "steps" and isinstance(old, list):
            merged[name] = list(_over(_by_name(old), _by_name(value)).values())
        else:
            merged[name] = value
    return merged


def _by_name(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {step["name"]: step for step in steps}


def _bad(file: Toml, path: Sequence[str], what: str) -> NoReturn:
    names = [part for part in path if not part.isdigit()]
    file.bad(names, f"`{'.'.join(path)}` is {what}", HINT)


def _course(name: str, row: Mapping[str, Any], file: Toml) -> Course:
    base = row.get("base")
    if not is_name(base):
        _bad(file, (name, "base"), "missing" if base is None else shown(base))
    steps, places = [], []
    for said in row.get("steps", []):
        every = _over(dict(row.get(str(said.get("do")), {})), said)
        place, skip = _place(name, every, file), every.pop("skip", False)
        if not isinstance(skip, bool):
            place.bad(("skip",), f"`skip` is {shown(skip)}", "write skip = true")
        if not skip:
            places.append(place)
            steps.append(read_step(every, place))
    for i, step in enumerate(steps):
        if isinstance(step.of, Answering):
            behind = (one.of for one in steps[i:] if one.do == "compare")
            of = Answering(tuple(one for one in behind if isinstance(one, Trial)))
            steps[i] = replace(step, of=of)
    course = Course(str(base), tuple(steps))
    if not course.trials:
        _bad(file, (name, "steps"), "without a step that compares or samples")
    _check_order(course, places)
    return course


def _place(name: str, step: Mapping[str, Any], file: Toml) -> Place:
    """Where this file, if any, says what a step is."""
    own = file.data.get(name, {})
    several = own.get("steps", []) if isinstance(own, dict) else []
    tables = [
        file.table((name, "steps"), one, i + 1)
        for i, one in enumerate(several)
        if one["name"] == step["name"]
    ]
    do = str(step.get("do"))
    if isinstance(own, dict) and do in own:
        tables.append(file.table((name, do), own[do]))
    return Place(step["name"], (*tables, Toml(file.path, "", {})))


def _check_order(course: Course, places: Sequence[Place]) -> None:
    """What a step needs was made by one before it, and every run has a folder of its own."""
    made: set[str] = {"base"}
    folders: set[str] = set()
    for step, place in zip(course.steps, places, strict=True):
        if isinstance(step.of, Writing):
            if "contrasts" in made:
                place.bad(("do",), "contrasts are written already")
            made.add("contrasts")
        else:
            for field_name, what in _needs(step):
                if what not in made:
                    place.bad((field_name,), f"needs `{what}`, which no step before it makes")
        if isinstance(step.of, Aligning):
            made.add(step.of.recipe)
        if isinstance(step.of, Trial):
            if slug(step.of.title) in folders:
                place.bad(("title",), f"`title` is `{step.of.title}`, another's, too")
            folders.add(slug(step.of.title))


def _needs(step: Step) -> Iterator[tuple[str, str]]:
    """What a step needs to be there, and the field that says so."""
    if isinstance(step.of, Aligning):
        yield "do", "contrasts"
        yield "recipe", step.of.recipe.rpartition("+")[0] or "base"
    if isinstance(step.of, Trial):
        yield from (("contenders", recipe) for recipe in step.of.contenders.values())


def _check_expected(scale: Scale, file: Toml) -> None:
    several = map(scale.course, EXPERIMENTS)
    methods = {one.method for course in several for one in course.alignings}
    for name, needed in (("accepted", EXPERIMENTS), ("trained", sorted(methods))):
        for one in needed:
            if one not in getattr(scale.expected, name):
                _bad(file, ("expected", name), f"without `{one}`")


def base_spec(base: str) -> str | None:
    """A scale's base as commands take it: None is the embedded one."""
    return None if base == EMBEDDED else base
