"""Checkpoints of a training: whole or absent.

Those to go on from are gone once the training is done; adapters that are kept on the way stay.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from sami_eval.align import launch
from sami_eval.generate import steps as kept_steps

FOLDER = "checkpoints"
KEPT = "kept"  # while the training runs: beside its weights is where Trainer writes its own


class Keep(TrainerCallback):  # type: ignore[misc]
    """Moves each checkpoint to its place once it is written, and removes the one before."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Trainer has written `checkpoint-STEP` into its output folder, file by file."""
        launch.wait_for_everyone()  # each process adds its own random state
        if not state.is_world_process_zero:
            return
        written = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        # Frozen adapters (references) are loaded anew; Trainer would take them for the trained one.
        for config in written.glob("*/adapter_config.json"):
            shutil.rmtree(config.parent)
        folder = Path(args.output_dir) / FOLDER
        folder.mkdir(exist_ok=True)
        earlier = list(folder.iterdir())
        os.replace(written, folder / f"step-{state.global_step:09d}")
        for old in earlier:
            shutil.rmtree(old)


def latest(out: Path) -> Path | None:
    """The last checkpoint that was written to its end."""
    return max((out / FOLDER).glob("step-*"), default=None)


def step_of(checkpoint: Path) -> int:
    """Optimizer steps done when a checkpoint was taken."""
    return int(checkpoint.name.partition("-")[2])


def forget_after(log: Path, step: int) -> None:
    """Drop what the training log tells of steps that will be taken again."""
    if not log.exists():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    # A line without its end was cut by the kill.
    whole = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    log.write_text("".join(whole), encoding="utf-8")


def clear_half_written(out: Path) -> None:
    """Remove what a killed process did not write to its end."""
    for folder in out.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(folder)


def evenly(n: int, steps: int) -> list[int]:
    """At most n of so many optimizer steps, evenly over them, the last one included."""
    return sorted({math.ceil(steps * i / n) for i in range(1, n + 1)})


@contextmanager
def kept(out: Path, step: int) -> Iterator[Path]:
    """A folder to save the adapter of a step into, which is kept once it is whole."""
    name = f"{PREFIX_CHECKPOINT_DIR}-{step}"
    half = out / KEPT / f".{name}"
    yield half
    if launch.is_main():
        os.replace(half, half.with_name(name))


def forget_kept(out: Path, wanted: Collection[int], done: int) -> list[int]:
    """Drop what was kept of steps that are taken again, or that nobody wants.

    Returns the steps that are wanted, done already, and were not kept.
    """
    there = kept_steps.of(out / KEPT)
    good = {step for step in there if step <= done and step in wanted}
    for folder in (out / KEPT).glob("*"):
        if folder not in [there[step] for step in good]:
            shutil.rmtree(folder)
    return [step for step in wanted if step <= done and step not in good]


def lay_beside(out: Path) -> None:
    """Put what was kept where it stays: beside the weights that the training ended in."""
    for folder in kept_steps.of(out / KEPT).values():
        os.replace(folder, out / folder.name)
    shutil.rmtree(out / KEPT, ignore_errors=True)
