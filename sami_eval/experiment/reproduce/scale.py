"""A scale: everything a reproduction depends on, as a TOML file with a source for every number.

The folder `scales/` beside this file is the registry; `--scale FILE` takes any other. A file that
says `like = "embedded"` holds only what differs from that scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from sami_eval.align.filters import Filters
from sami_eval.align.filters import check as check_filters
from sami_eval.core.config import Price
from sami_eval.core.errors import UsageError
from sami_eval.core.files import Toml, read_toml
from sami_eval.core.shape import MisfitError, fit

HERE = Path(__file__).parent
SCALES = HERE / "scales"
CONSTITUTIONS = HERE / "constitutions"
EMBEDDED = "embedded"  # as a base, a set of prompts or a constitution: the embedded world's
METHODS = ("sft", "dpo", "sami")  # what the paper trains by
MAY_BE_ZERO = ("temperature", "judge_tokens", "reply_tokens", "start_s", "input", "output")
HINT = 'see sami_eval/experiment/reproduce/scales/embedded.toml, or write like = "embedded"'


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
    limit: int | None = None


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
    temperature: float
    top_p: float
    max_tokens: int
    prompts: int
    only: tuple[str, ...] = ()
    n: int = 2
    keep: int | None = None
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class Trainings:
    """preset: of `align/presets.toml`. changes: method -> fields of Options that differ from it."""

    preset: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judging:
    """One round robin of the three models on MT-Bench.

    principles_shown: to the models. constitution: of the questions, a file or a name; "own" is
        what they carry, "none" takes it away. published: the paper judged like this.
    """

    name: str
    judge: str
    principles_shown: bool
    constitution: str = "own"
    judge_model: str | None = None
    published: bool = False


@dataclass(frozen=True, slots=True)
class MtBench:
    """The first experiment. questions: how many of MT-Bench's, each of two turns."""

    base: str
    contrasts: Writing
    training: Trainings
    judging: tuple[Judging, ...]
    questions: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class PasskSampling:
    """One pass@k run. protocol: "default" or "paper", its prompt, temperature, top_p and split."""

    name: str
    problems: int
    samples: int
    protocol: Literal["default", "paper"] = "default"
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Gsm8k:
    """The second experiment. ks: attempts."""

    base: str
    contrasts: Writing
    training: Trainings
    sampling: tuple[PasskSampling, ...]
    ks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What --dry-run reckons with; a run depends on none of it. Tokens are means.

    accepted: share of contrasts that pass the filters. generated: tokens a second.
    trained: tokens of its rows a second, by method; DPO reads its reference in that time, too.
    """

    device: str
    prompt_tokens: int
    constitution_tokens: int
    contrast_tokens: int
    accepted: Mapping[str, float]
    question_tokens: int
    answer_tokens: int
    sample_tokens: int
    judge_tokens: int
    reply_tokens: int
    generated: float
    trained: Mapping[str, float]
    start_s: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Both experiments at one size. prices: USD per million tokens, for --dry-run."""

    name: str
    about: str
    mtbench: MtBench
    gsm8k: Gsm8k
    expected: Expected
    prices: Mapping[str, Price] = field(default_factory=dict)


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
    try:
        scale = fit(row, Scale)
    except MisfitError as error:
        _bad(file, error.name, error.what)
    _check_numbers(row, file, ())
    for name, of in (("mtbench", scale.mtbench), ("gsm8k", scale.gsm8k)):
        _check_experiment(name, of.contrasts, of.training, file)
    _check_runs(scale, file)
    _check_expected(scale.expected, file)
    return scale


def _merged(file: Toml) -> dict[str, Any]:
    """The file's values over those of the scale it is like."""
    like = file.data.get("like")
    own = {name: value for name, value in file.data.items() if name != "like"}
    if like is None:
        return own
    if like not in listing():
        file.bad(("like",), f"`like` is `{like}`", f"known: {', '.join(listing())}")
    return _over(_merged(read_toml(listing()[like], HINT)), own)


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(name), dict)
        merged[name] = _over(below[name], value) if both else value
    return merged


def _bad(file: Toml, name: str, what: str) -> NoReturn:
    file.bad(
        tuple(part for part in name.split(".") if not part.isdigit()), f"`{name}` is {what}", HINT
    )


def _check_numbers(value: Any, file: Toml, names: tuple[str, ...]) -> None:
    """Refuse a number that could never be meant; options and filters have checks of their own."""
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else ((None, one) for one in value)
        for name, one in inside:
            if name not in ("changes", "filters"):
                _check_numbers(one, file, (*names, name) if name else names)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        name = names[-1]
        low = 2 if name == "n" else 0 if name in MAY_BE_ZERO else math.ulp(0.0)
        high = 1 if name == "top_p" or "accepted" in names else math.inf
        if not low <= value <= high:
            file.bad(names, f"`{'.'.join(names)}` is `{value}`", HINT)


def _check_runs(scale: Scale, file: Toml) -> None:
    """Every run has a name of its own, and as many samples as attempts are asked for."""
    most = max(scale.gsm8k.ks, default=0)
    for table, runs in (("mtbench", scale.mtbench.judging), ("gsm8k", scale.gsm8k.sampling)):
        names = [run.name for run in runs]
        field = "judging" if table == "mtbench" else "sampling"
        if not names or len(set(names)) < len(names):
            file.bad((table, field), f"`{table}.{field}` needs runs, each with its own name", HINT)
    for run in scale.gsm8k.sampling:
        if not most or run.samples < most:
            said = f"`{run.name}` draws {run.samples} samples for up to {most} attempts"
            file.bad(("gsm8k", "ks"), said, "as many `samples` as the most of `ks`, or more")


def _check_expected(expected: Expected, file: Toml) -> None:
    for name, needed in (("accepted", ("mtbench", "gsm8k")), ("trained", METHODS)):
        for one in needed:
            if one not in getattr(expected, name):
                _bad(file, f"expected.{name}", f"without `{one}`")


def _check_experiment(name: str, writing: Writing, training: Trainings, file: Toml) -> None:
    from sami_eval.align.options import change, preset

    if not writing.sets:
        _bad(file, f"{name}.contrasts.sets", "empty")
    with _at(file, name, "contrasts", "filters"):
        check_filters(writing.filters)
    for method in METHODS:
        with _at(file, name, "training", "preset"):
            options = preset(training.preset, method)
        with _at(file, name, "training", "changes", method):
            change(options, **training.changes.get(method, {}))


@contextmanager
def _at(file: Toml, *names: str) -> Iterator[None]:
    """Errors of others' checks, at a field's line."""
    try:
        yield
    except UsageError as error:
        raise UsageError(error.message, error.hint, file.where(names)) from None


def base_spec(base: str) -> str | None:
    """A scale's base as commands take it: None is the embedded one."""
    return None if base == EMBEDDED else base


def constitution_file(name: str) -> Path:
    """A constitution by its name in `constitutions/`, or the path itself."""
    bundled = CONSTITUTIONS / f"{name}.toml"
    return bundled if bundled.is_file() else Path(name).expanduser()
