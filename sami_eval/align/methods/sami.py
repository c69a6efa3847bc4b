"""SAMI: raise the mutual information of constitutions and responses (arXiv 2404.14313)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sami_eval.align import matrix
from sami_eval.align.falls import Falls
from sami_eval.align.loss import sami_loss
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

UNUSED = ("beta", "positives_only")


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on whole contrasts, with `options.kl` times the KL divergence from the start."""
    return matrix.train(sami_loss, Falls("SAMI", options, progress), contrasts, base, out)
