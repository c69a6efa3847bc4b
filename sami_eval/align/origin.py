"""How a contrast came about, as its metadata says.

| metadata         | what                                                                       |
|------------------|----------------------------------------------------------------------------|
| base             | the writer's base: folder, hub id, or a server's name for it               |
| fingerprint      | of the writer, its adapter included                                        |
| adapter          | the folder's name of the writer's adapter                                  |
| base_fingerprint | of the base that an adapter of ours was trained on, whose tokenizer it uses |
| sampling         | the fields of calls.Sampling as JSON                                       |
| filters          | those of filters.Filters that are not the default, as JSON                 |
| checks           | principle id -> check as JSON, where a filter looks at them                |
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sami_eval.align.filters import Filters, check
from sami_eval.core.calls import Sampling
from sami_eval.core.errors import UsageError, shown
from sami_eval.core.shape import MisfitError, fit
from sami_eval.core.types import Contrast, Model
from sami_eval.generate import card

T = TypeVar("T")
# The temperature, top_p and token limit SAMI's authors generated their contrasts with.
SAMPLING = Sampling(temperature=0.4, top_p=0.9, max_tokens=750)
HINT = "write the contrasts again: sami-eval contrast"


def origin(
    model: Model,
    sampling: Sampling,
    filters: Filters,
    checks: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The metadata of a contrast that a model writes this way. checks: of its principles by id."""
    by = {"base": model.named, "fingerprint": model.fingerprint, **_trained(model)}
    of_filter = {} if filters.min_heeded is None else {"checks": json.dumps(checks or {})}
    return {**by, **how(sampling, filters), **of_filter}


def how(sampling: Sampling, filters: Filters) -> dict[str, str]:
    """The part of it that says how, not by whom."""
    said = {"sampling": json.dumps(dataclasses.asdict(sampling))}
    usual = dataclasses.asdict(Filters())
    changed = {k: v for k, v in dataclasses.asdict(filters).items() if v != usual[k]}
    return {**said, "filters": json.dumps(changed)} if changed else said


def _trained(model: Model) -> dict[str, str]:
    """Of a writer with an adapter, or one that is a checkpoint of ours."""
    said = {} if model.adapter is None else {"adapter": Path(model.adapter).name}
    folder = Path(model.adapter or model.base)
    own = model.adapter is not None and (folder / "tokenizer_config.json").is_file()
    known = card.read(folder)
    return (
        said if known is None or own else {**said, "base_fingerprint": known["base"]["fingerprint"]}
    )


def is_by(contrast: Contrast, *models: Model) -> bool:
    """Whether one of these wrote it, as far as is known."""
    fingerprint = contrast.metadata.get("fingerprint")
    return not fingerprint or any(model.fingerprint in ("", fingerprint) for model in models)


def reads(contrast: Contrast, base: Model) -> bool:
    """Whether a contrast's token ids, written by an adapter, are those of this base's tokenizer."""
    return contrast.metadata.get("base_fingerprint") == base.fingerprint


def writer(contrast: Contrast) -> str:
    """Who wrote it, for a message."""
    adapter = contrast.metadata.get("adapter")
    return f"`{contrast.metadata.get('base')}`" + (f" with adapter `{adapter}`" if adapter else "")


def sampling_of(contrast: Contrast) -> Sampling:
    """How its tokens were drawn; SAMPLING where it does not say."""
    found = _read(contrast, "sampling", Sampling)
    if found is None:
        return SAMPLING
    if not (0 <= found.temperature <= 2 and 0 < found.top_p <= 1 and found.max_tokens >= 1):
        said = shown(json.loads(contrast.metadata["sampling"]))
        raise UsageError(f"prompt `{contrast.prompt.id}`: `sampling` is {said}", HINT)
    return found


def checks_of(contrast: Contrast) -> Mapping[str, str]:
    """The checks of its principles by their ids; empty where no filter looked at any."""
    return _read(contrast, "checks", dict[str, str]) or {}


def filters_of(contrasts: Sequence[Contrast]) -> Filters:
    """The filters that all of them went through. Raises UsageError where they differ."""
    several = {contrast.metadata.get("filters"): contrast for contrast in contrasts}
    if len(several) > 1:
        raise UsageError("the contrasts went through different filters", HINT)
    found = next((_read(one, "filters", Filters) for one in several.values()), None)
    return check(found or Filters())


def _read(contrast: Contrast, name: str, kind: type[T]) -> T | None:
    text = contrast.metadata.get(name)
    if text is None:
        return None
    try:
        row = json.loads(text)
    except ValueError:
        row = text
    try:
        return fit(row, kind)
    except MisfitError as error:
        field = f"{name}.{error.name}" if error.name else name
        said = f"prompt `{contrast.prompt.id}`: `{field}` is {error.what}"
    raise UsageError(said, HINT)
