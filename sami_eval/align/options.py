"""How an adapter is trained: presets per kind of base and method, and what wins over them."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

from sami_eval.core import settings
from sami_eval.core.alignment import Options as Options
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model

HELP = "sami-eval align --help"
PRESETS = Path(__file__).with_name("presets.toml")


def preset_name(base: Model) -> str:
    """The preset made for a base: "embedded" for the one in this package, else "default"."""
    from sami_eval.embedded import BASE_DIR

    return "embedded" if Path(base.base) == BASE_DIR else "default"


def preset(name: str, link: str, seed: int = 0) -> Options:
    """A preset's options for a method; one it does not name gets the preset's common part.

    link: of a recipe. `dpo.ipo` has what `dpo` has, what the preset says of "dpo.ipo", its loss.

    Raises UsageError for an unknown preset.
    """
    presets = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    if name not in presets:
        known = ", ".join(f"`{known}`" for known in sorted(presets))
        raise UsageError(f"no preset `{name}`", f"presets are {known}")
    common = {key: value for key, value in presets[name].items() if not isinstance(value, dict)}
    method, _, loss = link.partition(".")
    own = {**presets[name].get(method, {}), **(presets[name].get(link, {}) if loss else {})}
    return check(Options(**{**common, **own, "loss": loss or None, "seed": seed}))


def change(options: Options, **changes: object) -> Options:
    """Options with the values a user gave; None means "as it was"."""
    given = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(given.keys() - {field.name for field in dataclasses.fields(Options)})
    if unknown:
        raise UsageError(f"no option `{unknown[0]}`", HELP)
    return check(dataclasses.replace(options, **given))  # type: ignore[arg-type]


def within(options: Options, context: int | None) -> Options:
    """With `max_length` no larger than what the base can hold."""
    longest = min(options.max_length, context or options.max_length)
    return dataclasses.replace(options, max_length=longest)


def check(options: Options) -> Options:
    """The options themselves. Raises UsageError for a value no training can have."""
    settings.check(options, "option", HELP)
    if not all(name.strip() for name in options.targets.split(",")):
        raise UsageError(f"option `targets` is `{options.targets}`", "all-linear, or q_proj,v_proj")
    if options.full and options.qlora:
        raise UsageError("`--full` and `--qlora` exclude each other", HELP)
    if options.full and options.keep_checkpoints:
        raise UsageError(
            f"`--keep-checkpoints {options.keep_checkpoints}` keeps adapters; `--full` trains none",
            "leave one of both out",
        )
    return options
