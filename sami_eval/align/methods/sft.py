"""Supervised fine-tuning: each response under the constitution it was written for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from sami_eval.align import training
from sami_eval.align.collate import encode_all, own_rows
from sami_eval.align.loss import IGNORED
from sami_eval.align.options import Options
from sami_eval.progress import Progress
from sami_eval.types import Contrast, Model


class _Trainer(SFTTrainer):  # type: ignore[misc]
    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on own responses only; the prompt takes no part in the loss."""
    with training.session(base, options) as start:
        encoded = encode_all(
            start.tokenizer, contrasts, options, base.chat_template, start.ends, progress.say
        )
        steps, n = training.n_steps(options, len(encoded)), len(encoded[0].prompts)
        rows = Dataset.from_list(
            [
                {"input_ids": [*prompt, *response], "labels": [IGNORED] * len(prompt) + [*response]}
                for prompt, response in own_rows(encoded)
            ]
        )
        trainer = _Trainer(
            model=start.model,
            args=SFTConfig(
                **training.arguments(options, steps, n, out),
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=rows,
            processing_class=start.tokenizer,
        )
        training.run(trainer, base.name, steps, out, progress)
    return replace(base, adapter=str(out))
