"""`sami-eval contrast --from-pairs`: preference pairs that a user has, as contrasts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.align.filters import Filters
    from sami_eval.core.alignment import ContrastSettings
    from sami_eval.core.config import Config
    from sami_eval.core.progress import Progress
    from sami_eval.data.prompt_sets import Source

# What pairs are chosen by; every other setting is of a model that writes.
_OF_SOURCE = ("from_pairs", "prompt_column", "split", "subset", "category", "category_column")
_OF_FILTERS = (
    "filters",
    "finished",
    "ban",
    "min_characters",
    "min_ratio",
    "max_ratio",
    "opening_distance",
    "near_duplicates",
)
_MEANT = {*_OF_SOURCE, *_OF_FILTERS, "out", "base", "limit", "seed"}


def check(settings: ContrastSettings) -> bool:
    """Whether contrasts are made of pairs. Raises UsageError for a flag that means nothing then."""
    if settings.from_pairs is None:
        return False
    for field in dataclasses.fields(settings):
        changed = getattr(settings, field.name) != field.default
        if changed and field.name not in _MEANT:
            flag = "--" + field.name.replace("_", "-")
            raise UsageError(
                f"`{flag}` with `--from-pairs`: no model writes, and no constitution is asked for",
                f"leave {flag} out",
            )
    return True


def write(
    settings: ContrastSettings,
    source: Source,
    filters: Filters,
    config: Config,
    progress: Progress,
    dry_run: bool,
    as_json: bool,
) -> None:
    """The pairs as a file of contrasts; of a dry run what would be in it."""
    from sami_eval.align.contrast import choose_prompts
    from sami_eval.align.filters import filtered
    from sami_eval.cli.contrast_output import print_summary
    from sami_eval.data.contrasts import contrasts_to_jsonl
    from sami_eval.data.pairs import read_pairs
    from sami_eval.ledger.store import atomic_write

    path = None if dry_run else settings.out or _beside_adapters(settings, config)
    found, n_empty = read_pairs(source)
    if n_empty:
        progress.say(f"rows of {source.spec} without a prompt, left out: {n_empty}")
    by_id = {one.prompt.id: one for one in found}
    drawn = choose_prompts([one.prompt for one in found], settings.limit, settings.seed)
    contrasts = filtered((by_id[prompt.id] for prompt in drawn), filters)
    if path is not None:
        atomic_write(path, contrasts_to_jsonl(contrasts))
    print_summary(contrasts, filters, path, as_json)


def _beside_adapters(settings: ContrastSettings, config: Config) -> Path:
    """Where `align --base` looks for contrasts that it is not given."""
    from sami_eval.align.adapters import contrasts_path
    from sami_eval.generate import models

    base = settings.base or config.defaults.get("base")
    if base is None:
        raise UsageError("where to? pairs are of no base", "--out FILE, or --base BASE")
    return contrasts_path(models.resolve_base(base, config), config.root)
