"""Training on contrast matrices: every response under every constitution, and a loss of those.

Imports torch, transformers and peft: import it only where something is trained.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import TrainerCallback, TrainingArguments

from sami_eval.align import loss, training
from sami_eval.align.collate import Batch, Encoded, collate, collate_own
from sami_eval.align.falls import Falls
from sami_eval.align.options import Options
from sami_eval.align.order import ByStep
from sami_eval.align.scores import objective, reference_states
from sami_eval.align.sharing import shortcuts
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Model
from sami_eval.ledger.store import key

REFERENCE = "reference"
N_SCORES = 10  # of what is held out, in a training
UNWATCHED = (
    "--full with a KL weight of 0 keeps no reference: nothing stops a collapse, "
    "watch own_logps in training.jsonl"
)


class MatrixTrainer(training.Checked):
    """A loss over N x N rows, plus a KL penalty to the frozen start on own responses."""

    # The loss is a mean over contrasts: Trainer must divide it by the accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(
        self, *args: Any, of: Callable[[Tensor], Tensor], falls: Falls, **kwargs: Any
    ) -> None:
        """of: the loss of contrast matrices, (B, N, N). The rest as transformers.Trainer has it."""
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False
        self._of, self._options, self._falls = of, falls.options, falls
        self._metrics: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._held_out: Sequence[Encoded] = ()
        self._score_after: frozenset[int] = frozenset()
        self._n_tokens, self._since = 0, time.perf_counter()
        self.frozen: Any = None

    def ask(self, encoded: Sequence[Encoded], pad: int) -> None:
        """Settle how the model is asked, and how batches are made for that."""
        self._pad = pad
        say = self._falls.progress.say
        self.plan = shortcuts(self.model, encoded, self._options, pad, say)

        def batches(several: list[Encoded]) -> dict[str, object]:
            rows = collate(several, pad, self.plan.shares(several))
            own = collate_own(several, pad)
            return {"batch": rows, "own": own, training.NAMES: rows.prompt_ids}

        self.data_collator = batches

    def hold_out(self, encoded: Sequence[Encoded]) -> None:
        """Score these contrasts before training, about ten times in it, and after the last step."""
        self._held_out, steps = encoded, self.args.max_steps
        self._score_after = frozenset(
            math.ceil(steps * i / N_SCORES) for i in range(1, N_SCORES + 1)
        )
        self.add_callback(_ScoreHeldOut(self, self._score_after))

    def _get_train_sampler(self, train_dataset: Any = None) -> ByStep:
        lengths = [one.longest for one in self.train_dataset]
        return ByStep(lengths, training.step_size(self._options), self._options.seed)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """The loss of one batch, its metrics kept for the log."""
        batch: Batch = inputs["batch"].to(self.args.device)
        reference = self._reference(inputs["own"].to(self.args.device))
        found = objective(model, batch, reference, self._options, self.plan.fused, self._of)
        if found.kl is not None and found.fall is not None:
            self._metrics["kl"].append(found.kl.detach())
            self._metrics["fall"].append(found.fall)
            self._falls.see(float(found.fall), self.state.global_step + 1)
        for name, value in _readings(found.matrix.detach()).items():
            self._metrics[name].append(value)
        self._n_tokens += int((batch.segments >= 0).sum())
        return found.total

    def _reference(self, own: Batch) -> Tensor | None:
        """What the frozen start says at the tokens of own responses; None where not asked for."""
        if self._options.kl == 0 and self.state.global_step % self.args.logging_steps:
            return None  # only the watch on collapse wants it, and that can wait for a log line
        model = self.accelerator.unwrap_model(self.model)
        if not isinstance(model, PeftModel):  # all weights are trained: only a copy is frozen
            with torch.no_grad():
                return reference_states(self.frozen, own, self.plan.fused) if self.frozen else None
        training_mode = model.training
        model.eval()  # no dropout in the reference
        with torch.no_grad(), _frozen_start(model):
            states = reference_states(model, own, self.plan.fused)
        model.train(training_mode)
        return states

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last log, over all processes."""
        if "loss" not in logs:  # what was held out, before training; the summary at the end
            super().log(logs, start_time)
            return
        scored = self.state.global_step in self._score_after
        held_out = self.score_held_out() if scored else {}
        means = {
            name: float(self.accelerator.reduce(torch.stack(kept).mean(), "mean"))
            for name, kept in self._metrics.items()
        }
        now = time.perf_counter()
        rate = {"tokens_per_second": self._n_tokens * self.args.world_size / (now - self._since)}
        super().log({**logs, **means, **held_out, **rate}, start_time)
        self._metrics.clear()
        self._n_tokens, self._since = 0, time.perf_counter()

    def score_held_out(self) -> dict[str, float]:
        """What the model as it is makes of the contrasts that it is not trained on."""
        model, size = self.accelerator.unwrap_model(self.model), self._options.batch_size
        training_mode = model.training
        model.eval()
        found = []
        with torch.no_grad():
            for first in range(0, len(self._held_out), size):
                several = self._held_out[first : first + size]
                batch = collate(several, self._pad, self.plan.shares(several))
                batch = batch.to(self.args.device)
                found.append(objective(model, batch, None, self._options, self.plan.fused).matrix)
        model.train(training_mode)
        return {f"held_out_{name}": float(v) for name, v in _readings(torch.cat(found)).items()}


class _ScoreHeldOut(TrainerCallback):  # type: ignore[misc]
    """Has a log line written before training, which holds no loss, and after certain steps."""

    def __init__(self, trainer: MatrixTrainer, steps: Collection[int]) -> None:
        self._trainer, self._steps = trainer, steps

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A resumed training has this line already, and weights that are not loaded yet."""
        if state.global_step == 0:
            self._trainer.log(self._trainer.score_held_out())

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The trainer logs every hundredth of its steps, which need not meet these."""
        if state.global_step in self._steps:
            control.should_log = True


def _readings(matrix: Tensor) -> dict[str, Tensor]:
    """What is read off contrast matrices, (B, N, N)."""
    rows, columns = loss.accuracy(matrix)
    return {
        "information_bound": loss.information_bound(matrix),
        "row_accuracy": rows,
        "column_accuracy": columns,
        "own_logps": matrix.diagonal(dim1=1, dim2=2).mean(),
    }


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


def split(encoded: Sequence[Encoded], options: Options) -> tuple[list[Encoded], list[Encoded]]:
    """(trained on, held out): which ones is chance, the same for every seed.

    Raises UsageError where nothing would be left to train on.
    """
    if options.held_out >= len(encoded):
        raise UsageError(
            f"`{options.held_out}` contrasts held out of {len(encoded)} leave none to train on",
            "use a smaller --held-out",
        )
    by_chance = sorted(encoded, key=lambda one: key("held out", one.prompt_id, one.prompts))
    held_out = {id(one) for one in by_chance[: options.held_out]}
    return (
        [one for one in encoded if id(one) not in held_out],
        [one for one in encoded if id(one) in held_out],
    )


def _refuse_pairs(encoded: Sequence[Encoded], method: str) -> None:
    pair = next((one.prompt_id for one in encoded if one.is_pair), None)
    if pair is not None:
        raise UsageError(
            f"prompt `{pair}`: both responses stand under the same constitution",
            f"{method} learns which constitution a response goes with, so pairs teach it nothing: "
            "train sft, dpo or kto, or write contrasts: sami-eval contrast --constitutions FILE",
        )


def train(
    of: Callable[[Tensor], Tensor],
    falls: Falls,
    contrasts: Sequence[Contrast],
    base: Model,
    out: Path,
) -> Model:
    """Train on whole contrasts: every response under every constitution.

    of: the loss of contrast matrices. falls: the watch, with the options and the progress.
    """
    options, progress = falls.options, falls.progress
    with training.session(base, options) as start:
        encoded = start.encode(contrasts, base, options, progress)
        _refuse_pairs(encoded, falls.method)
        encoded, held_out = split(encoded, options)
        steps = training.n_steps(options, len(encoded))
        if base.adapter is not None:
            start.model.load_adapter(base.adapter, REFERENCE, is_trainable=False)
        trainer = MatrixTrainer(
            model=start.model,
            args=TrainingArguments(
                **training.trainer_arguments(options, steps, 1, out), remove_unused_columns=False
            ),
            train_dataset=encoded,
            of=of,
            falls=falls,
        )
        if options.kl > 0:
            trainer.frozen = start.frozen(options)
        elif options.full:
            progress.say(UNWATCHED)
        trainer.ask([*encoded, *held_out], start.tokenizer.pad_token_id)
        if held_out:
            trainer.hold_out(held_out)
        training.run(trainer, base.name, options, out, progress)
        return start.result(base, options, out)
