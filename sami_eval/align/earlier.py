"""The adapter that a training finds in its folder: trained otherwise, it keeps a name of its own.

adapters/llama/sft+sami@0            the latest that was trained under this name
adapters/llama/sft+sami@0-1a2b3c4d   an earlier one: a folder that can be named as a contender
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sami_eval.align.options import Options
from sami_eval.core.types import Contrast
from sami_eval.data.contrasts import contrasts_hash
from sami_eval.generate import card

_NO_WEIGHTS = ("report_to", "keep_checkpoints", "seed")
MOST_SHOWN = 3


def aside(held: Path, out: Path, training: str | None) -> Path | None:
    """Where an adapter of the folder `out` goes; None where it is this training's, or none is held.

    held: where it lies now. Raises UsageError for a card that cannot be read.
    """
    known = card.read(held) or {}
    if known.get("training") in (None, training):
        return None
    return out.with_name(f"{out.name}-{known['training'][:8]}")


def keep(held: Path, out: Path) -> None:
    """Put what `out` held there; what was trained again alike goes, and so does a second copy."""
    place = aside(held, out, (card.read(out) or {}).get("training"))
    if place is None or place.exists():
        shutil.rmtree(held, ignore_errors=True)
    else:
        os.replace(held, place)


def said(out: Path, training: str, options: Options, given: Sequence[Contrast]) -> Iterator[str]:
    """What to say before it is put aside, and what was otherwise."""
    place, known = aside(out, out, training), card.read(out)
    if place is not None and known is not None:
        otherwise = ", ".join(list(_changes(known, asdict(options), given))[:MOST_SHOWN])
        yield f"`{out}` was trained otherwise ({otherwise}): it is kept as `{place}`"


def _changes(
    known: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Contrast]
) -> Iterator[str]:
    was = known["options"]
    changed = [name for name in was.keys() & options.keys() if was[name] != options[name]]
    for name in sorted(set(changed) - set(_NO_WEIGHTS)):
        yield f"{name} {was[name]}, now {options[name]}"
    if known["contrasts"]["sha256"] != contrasts_hash(given):
        yield "on other contrasts"
    elif not changed:
        yield "from another start, or by another method"
