"""SimPO: own responses more probable a token than others by a margin (arXiv 2405.14734).

Equation 6 on the contrast matrix: -log sigmoid(beta M[i, i] - beta M[i, j] - gamma). There is no
reference model. TRL has it in `trl.experimental` alone; the matrix that SAMI is trained on holds
all it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from sami_eval.align import matrix
from sami_eval.align.falls import Falls
from sami_eval.align.loss import simpo_loss
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

UNUSED = ("kl", "positives_only")
MARGIN = 0.5  # gamma / beta, nats a token
NOTE = "our choice: a margin of half a nat a token"


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on whole contrasts. `options.beta` is the paper's beta: presets have its own range."""
    options = replace(options, kl=0.0)

    def of(logps: Tensor) -> Tensor:
        return simpo_loss(logps, options.beta, MARGIN * options.beta)

    falls = Falls("SimPO", options, progress, "train with a lower --lr or a lower --beta")
    return matrix.train(of, falls, contrasts, base, out)
