"""Supervised fine-tuning: each response under the constitution it was written for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from sami_eval.align import training
from sami_eval.align.collate import check_rows, own_rows
from sami_eval.align.labelled import at_labels
from sami_eval.align.loss import IGNORED
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

UNUSED = ("beta", "kl", "prefix_sharing", "held_out")


class _Trainer(training.Checked, SFTTrainer):  # type: ignore[misc]
    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on own responses only; the prompt takes no part in the loss.

    With `options.positives_only` on those alone whose constitution has no antithesis in it.
    """
    with training.session(base, options) as start:
        encoded = start.encode(contrasts, base, options, progress)
        rows = [
            {
                "input_ids": [*prompt, *response],
                "labels": [IGNORED] * len(prompt) + [*response],
                training.NAMES: one.prompt_id,
            }
            for one in encoded
            for prompt, response in own_rows(one, options.positives_only)
        ]
        check_rows(rows)
        n = len(encoded[0].prompts)
        # With positives alone as many rows a step, so fewer steps an epoch.
        steps = training.n_steps(options, math.ceil(len(rows) / n))
        trainer = _Trainer(
            model=start.model,
            args=SFTConfig(
                **training.trainer_arguments(options, steps, n, out),
                max_length=None,
                remove_unused_columns=False,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=start.tokenizer,
        )
        trainer.data_collator = training.named(trainer.data_collator)
        trainer.row_lengths = [len(row["labels"]) for row in rows]
        at_labels(trainer.model)
        training.run(trainer, base.name, options, out, progress)
        return start.result(base, options, out)
