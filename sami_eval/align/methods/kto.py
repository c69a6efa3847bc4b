"""KTO: own responses are good, others bad, each for itself (arXiv 2402.01306).

Equation 7 as TRL's KTOTrainer has it (stable since TRL 1.8), or its unpaired APO-zero,
`kto.apo_zero_unpaired`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from sami_eval.align import preference, training
from sami_eval.align.collate import Encoded, own_rows
from sami_eval.align.falls import Falls
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

LOSSES = "trl/trainer/kto_trainer.py"
UNUSED = ("kl", "prefix_sharing", "held_out", "positives_only")
NOTE = "our choice: bad responses weigh 1 / (N - 1), as much as the good ones in all"


class _Trainer(preference.Watched, KTOTrainer):  # type: ignore[misc]
    """TRL's KTO on token ids."""


def rows(encoded: Sequence[Encoded], seed: int, a_batch: int) -> list[dict[str, Any]]:
    """Every response under every constitution, good under its own, in a random order.

    Of a pair both responses once. KTO's reference point is the mean gain of mismatched responses, 0
    at least: as in TRL those of a batch, each under the prompt of the next. Batches keep this
    order, so that they match.
    """
    given = [
        {
            training.NAMES: one.prompt_id,
            "prompt_ids": [*prompt],
            "completion_ids": [*response],
            "label": i == j,
        }
        for one in encoded
        for i, prompt in enumerate(one.prompts[:1] if one.is_pair else one.prompts)
        for j, response in enumerate(one.responses)
    ]
    random.Random(seed).shuffle(given)
    for first in range(0, len(given), a_batch):
        batch = given[first : first + a_batch]
        for row, before in zip(batch, [batch[-1], *batch[:-1]], strict=True):
            row["KL_completion_ids"] = before["completion_ids"]
    return given


def made(
    start: training.Start, encoded: Sequence[Encoded], falls: Falls, steps: int, out: Path
) -> preference.Watched:
    """KTO's trainer of contrasts."""
    options, n = falls.options, len(encoded[0].prompts)
    a_contrast = n if encoded[0].is_pair else n * n
    given = rows(encoded, options.seed, options.batch_size * a_contrast)
    trainer = _Trainer(
        model=start.model,
        ref_model=start.frozen(options),
        args=KTOConfig(
            **training.trainer_arguments(options, steps, a_contrast, out),
            max_length=None,
            remove_unused_columns=False,
            beta=options.beta,
            loss_type=options.loss or "kto",
            undesirable_weight=1 / (n - 1),
        ),
        train_dataset=Dataset.from_list(given),
        processing_class=start.tokenizer,
    )
    preference.watch(trainer, falls, [len(own) for one in encoded for _, own in own_rows(one)])
    return trainer


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on single responses; the reference is the model the training starts from."""
    falls = Falls("KTO", options, progress, preference.REMEDY, stops=False)
    with training.session(base, options) as start:
        encoded = start.encode(contrasts, base, options, progress)
        steps = training.n_steps(options, len(encoded))
        trainer = made(start, encoded, falls, steps, out)
        training.run(trainer, base.name, options, out, progress)
        return start.result(base, options, out)
