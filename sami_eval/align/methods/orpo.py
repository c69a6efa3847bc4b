"""ORPO: own responses learnt, and their odds raised above others' (arXiv 2403.07691).

Equations 6 and 7 on the contrast matrix: -M[i, i] - lambda log sigmoid(o[i, i] - o[i, j]), where o
is the log odds of exp(M). There is no reference model: the paper trains the base, `base+orpo`. TRL
has it in `trl.experimental` alone; the matrix that SAMI is trained on holds all it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from sami_eval.align import matrix
from sami_eval.align.falls import Falls
from sami_eval.align.loss import orpo_loss
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

UNUSED = ("kl", "positives_only")


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on whole contrasts. `options.beta` is lambda, the weight of the odds ratio."""
    options = replace(options, kl=0.0)

    def of(logps: Tensor) -> Tensor:
        return orpo_loss(logps, options.beta)

    falls = Falls("ORPO", options, progress, "train with a lower --lr or a lower --beta")
    return matrix.train(of, falls, contrasts, base, out)
