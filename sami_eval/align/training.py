"""What every method needs around its trainer: model, LoRA, arguments, progress, saving.

Imports torch, transformers and peft: import it only where something is trained.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from transformers import TrainerCallback

from sami_eval.align import checkpoints, launch
from sami_eval.align.options import Options
from sami_eval.align.order import ByStep
from sami_eval.align.start import Start as Start
from sami_eval.align.start import on_gpu, start
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model
from sami_eval.generate import card
from sami_eval.ledger.store import atomic_write

LOG = "training.jsonl"
TRAINED = "default"  # the adapter being trained, by PEFT's naming
NAMES = "contrasts"  # of a batch: the prompt ids of the contrasts in it
NOISY = ("transformers", "trl", "peft", "accelerate", "datasets", "torch", "huggingface_hub")


@contextmanager
def quiet_training() -> Iterator[None]:
    """Third-party warnings, bars and log lines stay off the user's terminal."""
    levels = {name: logging.getLogger(name).level for name in NOISY}
    bars = transformers.utils.logging.is_progress_bar_enabled()
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        for name in NOISY:
            warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if bars:
                transformers.utils.logging.enable_progress_bar()


@contextmanager
def reproducible(options: Options) -> Iterator[None]:
    """Random numbers from the seed, threads as told; the caller's are put back afterwards."""
    threads, state = torch.get_num_threads(), random.getstate()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        with torch.random.fork_rng():
            transformers.set_seed(options.seed)
            yield
    finally:
        random.setstate(state)
        torch.set_num_threads(threads)


def n_steps(options: Options, n_contrasts: int) -> int:
    """Optimizer steps of a training; the last one of an epoch holds what is left of it."""
    if options.steps is not None:
        return options.steps
    return max(1, math.ceil(steps_a_pass(options, n_contrasts) * options.epochs))


def steps_a_pass(options: Options, n_contrasts: int) -> int:
    """Optimizer steps in which every contrast is seen once."""
    return math.ceil(n_contrasts / step_size(options))


def step_size(options: Options) -> int:
    """Contrasts an optimizer step, over all processes of a launch."""
    return options.batch_size * options.accumulation * launch.n_processes()


def _check_reports(options: Options) -> None:
    known = transformers.integrations.get_available_reporting_integrations()
    if options.report_to not in ("none", "all", *known):
        raise UsageError(
            f"`--report-to {options.report_to}`: not installed, or not known to transformers",
            f"installed: {', '.join(known) or 'none'}",
        )


def trainer_arguments(options: Options, steps: int, rows: int, out: Path) -> dict[str, Any]:
    """The fields of TrainingArguments that all trainers share. rows: of one contrast."""
    gpu = on_gpu(options)
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "per_device_train_batch_size": options.batch_size * rows,
        "gradient_accumulation_steps": options.accumulation,
        "gradient_checkpointing": options.checkpointing,
        "learning_rate": options.lr,
        "lr_scheduler_type": options.schedule,
        "warmup_steps": round(options.warmup * steps),
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.clip,
        "seed": options.seed,
        "use_cpu": not gpu,
        "bf16": gpu,
        "dataloader_pin_memory": gpu,
        "logging_steps": max(1, steps // 100),
        "logging_nan_inf_filter": False,  # a NaN must be seen, not averaged away
        "save_strategy": "steps",
        "save_steps": max(5, steps // 20),
        "report_to": options.report_to,
        "ddp_find_unused_parameters": False,  # every LoRA weight takes part in every batch
        "disable_tqdm": True,
    }


def _not_a_number(what: str, where: str) -> SamiEvalError:
    return SamiEvalError(f"the {what} is not a number at {where}", "train with a lower --lr")


class Checked(transformers.Trainer):  # type: ignore[misc]
    """A trainer that stops at a batch whose loss is no number, and names its contrasts.

    Its batches hold prompt ids under NAMES; `named` puts them there. row_lengths: tokens of each
    row, by which the batches of a step are sorted; none leaves the order to chance alone.
    """

    row_lengths: Sequence[int] = ()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.row_lengths or self.args.gradient_accumulation_steps == 1:
            return super()._get_train_sampler(train_dataset)
        a_batch = self.args.train_batch_size * self.args.world_size
        a_step = a_batch * self.args.gradient_accumulation_steps
        return ByStep(self.row_lengths, a_step, self.args.seed)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """One batch forward and backward; its loss."""
        names = dict.fromkeys(inputs.pop(NAMES))
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            prompts = ", ".join(f"`{name}`" for name in names)
            raise _not_a_number("loss", f"step {self.state.global_step + 1}, prompts {prompts}")
        return loss


def named(collate: Callable[[Sequence[Any]], dict[str, Any]]) -> Callable[[Sequence[Any]], Any]:
    """The collator, with the rows' own column NAMES put beside what it makes of them."""
    return lambda rows: {**collate(rows), NAMES: [row[NAMES] for row in rows]}


class Watch(TrainerCallback):  # type: ignore[misc]
    """Advances the progress bar, writes the training log, stops when what it tells is no number."""

    def __init__(self, advance: Any, log: Path) -> None:
        """advance: the progress bar's. log: a JSON-lines file."""
        self._advance, self._log = advance, log

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A resumed training has steps behind it."""
        self._advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One optimizer step done."""
        self._advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Keep what the trainer reports."""
        if not logs or "train_runtime" in logs or not state.is_world_process_zero:
            return  # the summary at the end
        for name, what in (("loss", "loss"), ("grad_norm", "gradient")):
            if not math.isfinite(logs.get(name, 0.0)):
                raise _not_a_number(what, f"step {state.global_step}")
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class _KeepAdapters(TrainerCallback):  # type: ignore[misc]
    """Saves the adapter as it is after certain steps; nothing of the training is touched."""

    def __init__(self, trainer: Any, steps: Collection[int], out: Path) -> None:
        self._trainer, self._steps, self._out = trainer, steps, out

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Every process comes here: sharded weights are gathered from all."""
        if state.global_step in self._steps:
            with checkpoints.kept(self._out, state.global_step) as folder:
                _save(self._trainer, folder)


def run(trainer: Any, what: str, options: Options, out: Path, progress: Progress) -> None:
    """Train, from the last checkpoint in `out` on, and save what was trained alone into it.

    With it, the adapter as it was after the steps that `options.keep_checkpoints` asks for.
    """
    steps = trainer.args.max_steps
    wanted = checkpoints.evenly(options.keep_checkpoints, steps)
    for callback in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(callback)
    resumed = checkpoints.latest(out)
    if resumed is not None:
        done = checkpoints.step_of(resumed)
        progress.say(f"training {what} goes on after step {done} of {steps}")
    if launch.is_main():
        checkpoints.clear_half_written(out)
        checkpoints.forget_after(out / LOG, -1 if resumed is None else done)
        missing = checkpoints.forget_kept(out, wanted, 0 if resumed is None else done)
        if missing:
            progress.say(
                f"warning: steps {', '.join(map(str, missing))} were not kept before this training "
                "was cut off; --no-resume keeps them"
            )
    with progress.track(f"training {what}", total=steps) as advance:
        trainer.add_callback(Watch(advance, out / LOG))
        trainer.add_callback(_KeepAdapters(trainer, wanted, out))
        trainer.add_callback(checkpoints.Keep())
        trainer.train(resume_from_checkpoint=resumed and str(resumed))
    _save(trainer, out)
    if launch.is_main():
        atomic_write(out / card.TRAINED_ON, json.dumps(_trained_on(trainer.train_dataset)))
        shutil.rmtree(out / checkpoints.FOLDER, ignore_errors=True)
        checkpoints.lay_beside(out)


def _trained_on(rows: Any) -> list[str]:
    """Ids of the prompts in a trainer's rows: encoded contrasts, or a data set with NAMES."""
    names = [row.prompt_id for row in rows] if isinstance(rows, list) else rows[NAMES]
    return sorted(set(names))


def _save(trainer: Any, out: Path) -> None:
    """What was trained, gathered from all processes where it is sharded over them."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    weights = trainer.accelerator.get_state_dict(trainer.deepspeed or trainer.model)
    chosen = {"selected_adapters": [TRAINED]} if isinstance(model, peft.PeftModel) else {}
    main = trainer.is_world_process_zero()
    model.save_pretrained(str(out), is_main_process=main, state_dict=weights, **chosen)


@contextmanager
def session(base: Model, options: Options) -> Iterator[Start]:
    """A quiet, seeded place to train in, with the model it starts from."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    _check_reports(options)
    with quiet_training(), reproducible(options):
        yield start(base, options)
