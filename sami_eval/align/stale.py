"""Whether a trained adapter is still what its recipe would give today."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sami_eval.align import options
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.data.contrasts import contrasts_hash, read_contrasts
from sami_eval.generate import card


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user chose for a training: a preset, None is the base's own, and single options."""

    preset: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)


def why(out: Path, start: Model, method: str) -> str | None:
    """What changed since an adapter was trained, or None.

    start: what the training would start from now.
    """
    known = card.read(out)
    if known is None:
        return None
    return (
        _other_start(known, start)
        or _other_options(known, start, method)
        or _other_contrasts(known, out.with_name(card.CONTRASTS))
    )


def _other_start(known: Mapping[str, Any], start: Model) -> str | None:
    trained_from = known.get("start")
    now = card.weights_hash(Path(start.adapter)) if start.adapter else None
    return None if trained_from == now else "its earlier link was trained again since"


def _other_options(known: Mapping[str, Any], start: Model, method: str) -> str | None:
    asked = Chosen(**known.get("asked", {}))
    was: Mapping[str, Any] = known["options"]
    try:
        preset = options.preset(asked.preset or options.preset_name(start), method, was["seed"])
        now = dataclasses.asdict(options.change(preset, **asked.changes))
    except UsageError:
        return None  # a preset or an option of another version: nothing to compare with
    for name in was.keys() & now.keys() - {"report_to", "seed"}:
        if was[name] != now[name]:
            return f"trained with {name} {was[name]}, the preset now says {now[name]}"
    return None


def _other_contrasts(known: Mapping[str, Any], path: Path) -> str | None:
    """The file beside the adapters, where it was the one trained on."""
    if known["contrasts"].get("file") != path.name or not path.is_file():
        return None
    same = contrasts_hash(read_contrasts(path)) == known["contrasts"]["sha256"]
    return None if same else f"`{path}` changed since"
