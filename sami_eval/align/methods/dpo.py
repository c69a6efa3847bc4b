"""Direct preference optimization: under each constitution its own response is the better one.

Any loss of TRL's DPOTrainer, several with weights: `dpo.ipo`, `dpo.sigmoid,sft=0.2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from sami_eval.align import training
from sami_eval.align.collate import preference_rows
from sami_eval.align.options import Options
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.losses import terms

LOSSES = "trl/trainer/dpo_trainer.py"
SUMS = True
# `robust` takes this share of the pairs to be the wrong way round, the share its authors advise (by
# TRL's documentation); TRL's default, 0, would make it plain DPO.
FLIPPED = 0.1
UNUSED = ("kl", "prefix_sharing", "held_out", "positives_only")


class _Trainer(training.Checked, DPOTrainer):  # type: ignore[misc]
    def _prepare_dataset(
        self, dataset: Dataset, processing_class: object, args: DPOConfig, dataset_name: str
    ) -> Dataset:
        """Rows are token ids already: what was generated is what is trained on."""
        return dataset

    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on (own, other) pairs; the reference is the model the training starts from.

    DPOTrainer copies the LoRA it is given into a frozen adapter "ref" (trl 1.16,
    dpo_trainer.py, "PEFT model with a pretrained adapter"): after SFT the reference is the SFT
    adapter, and for a fresh LoRA, which changes nothing yet, it is the base. That of a full
    fine-tune it would load by name, whatever the revision: it is given one.
    """
    losses = terms(options.loss or "sigmoid")
    with training.session(base, options) as start:
        encoded = start.encode(contrasts, base, options, progress)
        steps = training.n_steps(options, len(encoded))
        rows = Dataset.from_list(
            [
                {
                    "prompt_ids": [*prompt],
                    "chosen_ids": [*own],
                    "rejected_ids": [*other],
                    training.NAMES: one.prompt_id,
                }
                for one in encoded
                for prompt, own, other in preference_rows(one)
            ]
        )
        trainer = _Trainer(
            model=start.model,
            ref_model=start.frozen(options),
            args=DPOConfig(
                **training.trainer_arguments(options, steps, len(preference_rows(encoded[0])), out),
                max_length=None,
                remove_unused_columns=False,
                beta=options.beta,
                loss_type=[name for name, _ in losses],
                loss_weights=[weight for _, weight in losses],
                label_smoothing=FLIPPED if "robust" in dict(losses) else 0.0,
            ),
            train_dataset=rows,
            processing_class=start.tokenizer,
        )
        trainer.data_collator = training.named(trainer.data_collator)
        training.run(trainer, base.name, steps, out, progress)
        return start.result(base, options, out)
