"""Training on preferences by TRL: pairs of responses, or single ones that are good or bad.

Imports torch, transformers, peft and trl: import it only where something is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from sami_eval.align import training
from sami_eval.align.collate import Encoded, Ids
from sami_eval.align.falls import Falls
from sami_eval.align.labelled import at_labels
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.losses import terms

Pair = tuple[str, Ids, Ids, Ids]  # prompt id, prompt, the better response, the worse one
# `robust` takes this share of the pairs to be the wrong way round, the share its authors advise (by
# TRL's documentation); TRL's default, 0, would make it plain DPO.
FLIPPED = 0.1
REMEDY = "train with a higher --beta or a lower --lr"


class Watched(training.Checked):
    """What a trainer of TRL is given here: rows of token ids, and a watch on collapse.

    Its reward of a response is beta times what its log-probability has gained since the start.
    """

    falls: Falls
    own_tokens: float  # of a better response, the mean

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        """Rows are token ids already: what was generated is what is trained on."""
        return dataset

    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add `fall`, the nats a token that better responses have lost since the start."""
        gained, beta = self._metrics["train"].get("rewards/chosen"), self.falls.options.beta
        if "loss" in logs and gained and beta:
            logs["fall"] = -fmean(gained) / (beta * self.own_tokens)
            self.falls.see(logs["fall"], self.state.global_step)
        super().log(logs, start_time)


class PairTrainer(Watched, DPOTrainer):  # type: ignore[misc]
    """TRL's DPO on token ids."""


def watch(trainer: Any, falls: Falls, lengths: Sequence[int]) -> None:
    """Have a trainer watch. lengths: tokens of each better response."""
    trainer.falls, trainer.own_tokens = falls, fmean(lengths)
    trainer.data_collator = training.named(trainer.data_collator)
    for model in (trainer.model, trainer.ref_model):
        at_labels(model)


def train(
    pairs: Callable[[Sequence[Encoded]], Sequence[Pair]],
    falls: Falls,
    contrasts: Sequence[Contrast],
    base: Model,
    out: Path,
) -> Model:
    """Train by DPO's losses on pairs; the reference is the model the training starts from.

    DPOTrainer copies the LoRA it is given into a frozen adapter "ref" (trl 1.16,
    dpo_trainer.py, "PEFT model with a pretrained adapter"): after SFT the reference is the SFT
    adapter, and for a fresh LoRA, which changes nothing yet, it is the base. That of a full
    fine-tune it would load by name, whatever the revision: it is given one.
    """
    options, progress = falls.options, falls.progress
    with training.session(base, options) as start:
        encoded = start.encode(contrasts, base, options, progress)
        steps, given = training.n_steps(options, len(encoded)), pairs(encoded)
        trainer = pair_trainer(start, given, falls, steps, len(given) // len(encoded), out)
        training.run(trainer, base.name, options, out, progress)
        return start.result(base, options, out)


def pair_trainer(
    start: training.Start, pairs: Sequence[Pair], falls: Falls, steps: int, rows: int, out: Path
) -> PairTrainer:
    """A trainer of DPO's losses on pairs. rows: of one contrast."""
    options, names = falls.options, ("prompt_ids", "chosen_ids", "rejected_ids")
    losses = terms(options.loss or "sigmoid")
    given = [
        {training.NAMES: name, **{k: [*ids] for k, ids in zip(names, three, strict=True)}}
        for name, *three in pairs
    ]
    trainer = PairTrainer(
        model=start.model,
        ref_model=start.frozen(options),
        args=DPOConfig(
            **training.trainer_arguments(options, steps, rows, out),
            max_length=None,
            remove_unused_columns=False,
            beta=options.beta,
            loss_type=[name for name, _ in losses],
            loss_weights=[weight for _, weight in losses],
            label_smoothing=FLIPPED if "robust" in dict(losses) else 0.0,
        ),
        train_dataset=Dataset.from_list(given),
        processing_class=start.tokenizer,
    )
    watch(trainer, falls, [len(own) for _, _, own, _ in pairs])
    trainer.row_lengths = [len(one) + max(len(own), len(other)) for _, one, own, other in pairs]
    return trainer
