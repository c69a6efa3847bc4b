"""SAMI: raise the mutual information of constitutions and responses (arXiv 2404.14313)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments

from sami_eval.align import loss, training
from sami_eval.align.collate import Batch, Encoded, collate, encode_all
from sami_eval.align.options import Options
from sami_eval.errors import SamiEvalError
from sami_eval.progress import Progress
from sami_eval.types import Contrast, Model

REFERENCE = "reference"
WARN_FALL = 0.05  # nats a token; a healthy training stays well below


class SamiTrainer(Trainer):  # type: ignore[misc]
    """Loss over N x N rows, plus a KL penalty to the frozen start on own responses."""

    # The loss is a mean over contrasts: Trainer must divide it by the accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(self, *args: Any, options: Options, progress: Progress, **kwargs: Any) -> None:
        """options: of this training. The rest as transformers.Trainer takes it."""
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False
        self._options, self._progress = options, progress
        self._metrics: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._warned = False

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """SAMI's loss of one batch, its metrics kept for the log."""
        batch: Batch = inputs["batch"].to(self.args.device)
        logits = _response_logits(model, batch)
        logps = loss.response_logps(logits, batch.labels, self._options.length_normalize)
        matrix = logps.view(-1, batch.n, batch.n)
        own = batch.own_rows()
        reference = self._reference_logits(own)
        kl = loss.divergence(logits[batch.own], reference, own.labels)
        self._watch_diagonal(logits[batch.own].detach(), reference, own)
        total = loss.sami_loss(matrix) + self._options.kl * kl
        if not torch.isfinite(total):
            raise training.not_a_number(f"prompts {', '.join(f'`{p}`' for p in batch.prompt_ids)}")
        self._keep(matrix.detach(), kl.detach())
        return total

    def _reference_logits(self, own: Batch) -> Tensor:
        model = self.accelerator.unwrap_model(self.model)
        training_mode = model.training
        model.eval()  # no dropout in the reference
        with torch.no_grad(), _frozen_start(model):
            logits = _response_logits(model, own)
        model.train(training_mode)
        return logits

    def _watch_diagonal(self, logits: Tensor, reference: Tensor, own: Batch) -> None:
        """Own log-probabilities may not fall: the loss alone rewards gibberish just as well."""
        before = loss.response_logps(reference, own.labels)
        fall = float((before - loss.response_logps(logits, own.labels)).mean())
        self._metrics["fall"].append(torch.tensor(fall))
        if fall > self._options.max_fall:
            raise SamiEvalError(
                f"SAMI collapses: own responses lost `{fall:.2f}` nats a token "
                f"(limit {self._options.max_fall})",
                "train with a higher --kl or a lower --lr",
            )
        if fall > WARN_FALL and not self._warned:
            self._warned = True
            self._progress.say(
                f"warning: own responses lost {fall:.2f} nats a token at step "
                f"{self.state.global_step + 1}; past {self._options.max_fall} training stops"
            )

    def _keep(self, matrix: Tensor, kl: Tensor) -> None:
        rows, columns = loss.accuracy(matrix)
        self._metrics["information_bound"].append(loss.information_bound(matrix))
        self._metrics["row_accuracy"].append(rows)
        self._metrics["column_accuracy"].append(columns)
        self._metrics["own_logps"].append(matrix.diagonal(dim1=1, dim2=2).mean())
        self._metrics["kl"].append(kl)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last log."""
        means = {name: float(torch.stack(kept).mean()) for name, kept in self._metrics.items()}
        self._metrics.clear()
        super().log({**logs, **means}, start_time)


def _response_logits(model: Any, batch: Batch) -> Tensor:
    """Logits that predict each response token: (rows, R, vocabulary).

    Responses begin in the same column, so the head is taken at the last R + 1 positions alone.
    """
    out = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        logits_to_keep=batch.labels.shape[1] + 1,
        use_cache=False,
    )
    logits: Tensor = out.logits
    return logits[:, :-1]


@contextmanager
def _frozen_start(model: Any) -> Iterator[None]:
    """The model as it was when training began: the previous link, or the bare base."""
    if REFERENCE not in model.peft_config:
        with model.disable_adapter():
            yield
        return
    model.set_adapter(REFERENCE, inference_mode=True)
    try:
        yield
    finally:
        model.set_adapter(training.TRAINED)


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on whole contrasts: every response under every constitution."""
    with training.session(base, options) as start:
        encoded = encode_all(
            start.tokenizer, contrasts, options, base.chat_template, start.ends, progress.say
        )
        steps = training.n_steps(options, len(encoded))
        if base.adapter is not None:
            start.model.load_adapter(base.adapter, REFERENCE, is_trainable=False)
        pad = start.tokenizer.pad_token_id

        def batches(several: list[Encoded]) -> dict[str, Batch]:
            return {"batch": collate(several, pad)}

        trainer = SamiTrainer(
            model=start.model,
            args=TrainingArguments(
                **training.arguments(options, steps, 1, out), remove_unused_columns=False
            ),
            train_dataset=encoded,
            data_collator=batches,
            options=options,
            progress=progress,
        )
        training.run(trainer, base.name, steps, out, progress)
    return replace(base, adapter=str(out))
