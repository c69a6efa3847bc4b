"""Direct preference optimization: under each constitution its own response is the better one.

Any loss of TRL's DPOTrainer, several with weights: `dpo.ipo`, `dpo.sigmoid,sft=0.2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sami_eval.align import preference
from sami_eval.align.collate import Encoded, preference_rows
from sami_eval.align.falls import Falls
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

LOSSES = "trl/trainer/dpo_trainer.py"
SUMS = True
UNUSED = ("kl", "prefix_sharing", "held_out", "positives_only")


def _pairs(encoded: Sequence[Encoded]) -> list[preference.Pair]:
    return [(one.prompt_id, *row) for one in encoded for row in preference_rows(one)]


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on (own, other) pairs of each contrast."""
    falls = Falls("DPO", options, progress, preference.REMEDY, stops=False)
    return preference.train(_pairs, falls, contrasts, base, out)
