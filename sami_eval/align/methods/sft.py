"""Supervised fine-tuning: each response under the constitution it was written for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from sami_eval.align import training
from sami_eval.align.collate import Encoded, Ids, encode_all, own_rows
from sami_eval.align.loss import IGNORED
from sami_eval.align.options import Options
from sami_eval.errors import UsageError
from sami_eval.progress import Progress
from sami_eval.types import Contrast, Model


class _Trainer(SFTTrainer):  # type: ignore[misc]
    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


def positives(encoded: Sequence[Encoded], contrasts: Sequence[Contrast]) -> list[tuple[Ids, Ids]]:
    """(prompt, own response) under constitutions of strong phrasings alone.

    Raises UsageError where there are none, or the contrasts do not say.
    """
    signs = {contrast.prompt.id: contrast.principles for contrast in contrasts}
    rows = [
        (one.prompts[i], one.responses[i])
        for one in encoded
        for i, signed in enumerate(signs[one.prompt_id])
        if signed and not any(sign.startswith("-") for sign in signed)
    ]
    if not rows:
        raise UsageError(
            "`--positives-only`: no constitution of these contrasts is without an antithesis",
            "leave the flag out, or write more contrasts: sami-eval contrast",
        )
    return rows


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on own responses only; the prompt takes no part in the loss.

    With `options.positives_only` on those alone whose constitution has no antithesis in it.
    """
    with training.session(base, options) as start:
        encoded = encode_all(
            start.tokenizer, contrasts, options, base.chat_template, start.ends, progress.say
        )
        own = positives(encoded, contrasts) if options.positives_only else own_rows(encoded)
        steps, n = training.n_steps(options, len(encoded)), len(encoded[0].prompts)
        if options.positives_only:  # as many rows a step, so fewer steps an epoch
            steps = training.n_steps(options, math.ceil(len(own) / n))
        rows = Dataset.from_list(
            [
                {"input_ids": [*prompt, *response], "labels": [IGNORED] * len(prompt) + [*response]}
                for prompt, response in own
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
        return start.result(base, options, out)
