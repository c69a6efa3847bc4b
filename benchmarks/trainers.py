"""A training of SAMI, DPO and SFT beside TRL's own trainers, on the same contrasts.

    OMP_NUM_THREADS=1 python -m benchmarks.trainers                 # the embedded base
    OMP_NUM_THREADS=1 python -m benchmarks.trainers --base FOLDER --steps 4 --batch 1 --rounds 1

Ours is a method's `train`, as `sami-eval align` calls it, with the options of its preset. TRL's is
`DPOTrainer` and `SFTTrainer` as their documentation has them: a data set of messages,
`peft_config`, and what our options say of LoRA, batch, rate, clipping, seed, and activations kept
or recomputed; the rest is TRL's default, but that it computes in float32, as ours does on a CPU.
Both are given the same contrasts, a batch holds as many rows, and one thread does the work.

Tokens are those of the rows a method has to score, prompt and response, without padding: SAMI each
response under each constitution, DPO two rows a pair, SFT each response under its own constitution.
At two constitutions the rows of SAMI and of DPO are the same. A reference is not counted twice.

A step is timed from the end of the first to the end of the last, and its batches are made in it;
what is done before, loading and tokenising, is in the whole, from the base's name to the adapter's
file. CPU seconds, in alternating order, medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sami_eval import embedded
from sami_eval.align import find_methods, load_method
from sami_eval.align.collate import Encoded, encode, own_rows, preference_rows
from sami_eval.align.options import Options, preset
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Model, Prompt, Response
from sami_eval.generate.formats import tokenizer_of
from sami_eval.generate.models import resolve_base

METHODS = ("sami", "dpo", "sft")
TRL = ("dpo", "sft")
PRINCIPLES = (
    "Number each step of the answer.",
    "Say what could go wrong, once.",
    "End with a question to the reader.",
    "Greet the reader before anything else.",
    "Use no word of more than ten letters.",
    "Name one example of what is meant.",
)
RESPONSE_WORDS = (20, 60)


@dataclass(frozen=True, slots=True)
class Trained:
    """One training of one side: tokens of a step's rows, CPU seconds of a step and of all of it."""

    tokens: float
    step: float
    whole: float

    @property
    def rate(self) -> float:
        """Tokens a CPU second, in the steps."""
        return self.tokens / self.step


class Ends:
    """A progress that notes when each step of a training ended."""

    def __init__(self) -> None:
        self.at: list[float] = []

    @contextmanager
    def track(self, description: str, total: int, note: object = None) -> Iterator[Any]:
        """Hand out what is called after each step."""
        yield lambda n: self.at.append(time.process_time()) if n else None

    def say(self, text: str) -> None:
        """Print nothing."""

    def a_step(self) -> float:
        """Mean seconds of the steps after the first."""
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1)


def contrasts(how_many: int, n: int) -> list[Contrast]:
    """Prompts of the embedded world under drawn principles, answered in drawn words."""
    draw = random.Random(0)
    asked = [one for one in embedded.prompts("alignment") if one.turns]
    words = " ".join(one.turns[0] for one in asked).split()

    def response(prompt: Prompt) -> Response:
        text = " ".join(draw.choices(words, k=draw.randint(*RESPONSE_WORDS)))
        return Response(prompt.id, "base", (text,), finished=(True,))

    def constitution() -> str:
        return "\n".join(f"{i}. {text}" for i, text in enumerate(draw.sample(PRINCIPLES, 2), 1))

    def contrast(number: int) -> Contrast:
        prompt = replace(asked[number % len(asked)], id=str(number))
        texts: dict[str, None] = {}
        while len(texts) < n:
            texts[constitution()] = None
        return Contrast(prompt, tuple(texts), tuple(response(prompt) for _ in texts))

    return [contrast(number) for number in range(how_many)]


def rows_of(method: str, one: Encoded) -> list[tuple[Sequence[int], ...]]:
    """What a method has to score of a contrast, each row in its parts."""
    if method == "sami":
        return [(prompt, response) for prompt in one.prompts for response in one.responses]
    if method == "sft":
        return list(own_rows(one))
    pairs = preference_rows(one)
    return [(prompt, response) for prompt, *both in pairs for response in both]


def ours(method: str, given: Sequence[Contrast], base: Model, options: Options) -> Trained:
    """A training as `sami-eval align` does it, after its contrasts are read."""
    ends, train = Ends(), load_method(find_methods(Path("none"))[method]).train
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        train(given, base, options, Path(folder), ends)
        whole = time.process_time() - begin
    words = tokenizer_of(base)
    rows = [row for one in given for row in rows_of(method, encode(words, one))]
    return Trained(_a_step(list(map(_length, rows)), options, given), ends.a_step(), whole)


def _length(row: Sequence[Sequence[int]]) -> int:
    return sum(map(len, row))


def step_size(options: Options) -> int:
    """Contrasts of an optimiser step."""
    return options.batch_size * options.accumulation


def _a_step(lengths: Sequence[int], options: Options, given: Sequence[Contrast]) -> float:
    """Tokens of a step, the mean. lengths: of all rows of the contrasts."""
    return sum(lengths) / len(given) * step_size(options)


def theirs(method: str, given: Sequence[Contrast], base: Model, options: Options) -> Trained:
    """A training by TRL, from the same texts."""
    import peft
    from datasets import Dataset
    from transformers import TrainerCallback

    from sami_eval.align.training import quiet_training

    class Noting(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.at.append(time.process_time())

    ends, lora = (
        Ends(),
        peft.LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            target_modules=options.targets,
            task_type="CAUSAL_LM",
        ),
    )
    trainer_of, config_of, made = _trl(method)
    with tempfile.TemporaryDirectory() as folder, quiet_training():
        begin = time.process_time()
        rows = [row for one in given for row in made(one)]
        trainer = trainer_of(
            model=base.base,
            args=config_of(**_arguments(options, len(rows) // len(given), folder)),
            train_dataset=Dataset.from_list(rows),
            peft_config=lora,
            callbacks=[Noting()],
        )
        trainer.train()
        trainer.save_model(folder)
        whole = time.process_time() - begin
    lengths = _lengths(method, trainer.train_dataset)
    return Trained(_a_step(lengths, options, given), ends.a_step(), whole)


def _arguments(options: Options, rows: int, folder: str) -> dict[str, Any]:
    """What is told to both of TRL's trainers. rows: of a contrast."""
    return {
        "output_dir": folder,
        "max_steps": options.steps,
        "seed": options.seed,
        "per_device_train_batch_size": options.batch_size * rows,
        "gradient_accumulation_steps": options.accumulation,
        "learning_rate": options.lr,
        "max_grad_norm": options.clip,
        "gradient_checkpointing": options.checkpointing,
        "model_init_kwargs": {"dtype": "float32"},
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def _trl(method: str) -> tuple[Any, Any, Callable[[Contrast], list[dict[str, object]]]]:
    """TRL's trainer and configuration of a method, and what makes its rows of a contrast."""
    if method == "sft":
        from trl import SFTConfig, SFTTrainer

        return SFTTrainer, SFTConfig, _completions
    from trl import DPOConfig, DPOTrainer

    return DPOTrainer, DPOConfig, _pairs


def _asked(one: Contrast, i: int) -> list[dict[str, str]]:
    return [_said("system", one.constitutions[i]), _said("user", one.prompt.turns[0])]


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _answered(one: Contrast, j: int) -> list[dict[str, str]]:
    return [_said("assistant", one.responses[j].turns[0])]


def _completions(one: Contrast) -> list[dict[str, object]]:
    n = len(one.responses)
    return [{"prompt": _asked(one, i), "completion": _answered(one, i)} for i in range(n)]


def _pairs(one: Contrast) -> list[dict[str, object]]:
    n = len(one.responses)
    return [
        {"prompt": _asked(one, i), "chosen": _answered(one, i), "rejected": _answered(one, j)}
        for i in range(n)
        for j in range(n)
        if i != j
    ]


def _lengths(method: str, rows: Any) -> list[int]:
    """Tokens of each row that a trainer of TRL made."""
    if method == "sft":
        return [len(row["input_ids"]) for row in rows]
    sides = ("chosen_ids", "rejected_ids")
    return [len(row["prompt_ids"]) + len(row[side]) for row in rows for side in sides]


def compare(
    base: Model, choice: str, n: int, rounds: int, **changes: Any
) -> dict[str, dict[str, Trained]]:
    """Medians of each method's trainings, ours and TRL's. changes: of the preset's options."""
    found: dict[tuple[str, str], list[Trained]] = {}
    for turn in range(rounds):
        sides = [("ours", ours, METHODS), ("trl", theirs, TRL)]
        for method in METHODS:
            for name, side, has in sides[:: -1 if turn % 2 else 1]:
                if method not in has:
                    continue
                options = _options(choice, method, changes)
                given = contrasts(step_size(options) * (options.steps or 1), n)
                done = side(method, given, base, options)
                found.setdefault((method, name), []).append(done)
    return {
        method: {
            side: _median(found[method, side])
            for side in ("ours", "trl")
            if (method, side) in found
        }
        for method in METHODS
    }


def _options(choice: str, method: str, changes: dict[str, Any]) -> Options:
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(preset(choice, method), device="cpu", threads=1, **given)


def _median(of: Sequence[Trained]) -> Trained:
    columns = zip(*((one.tokens, one.step, one.whole) for one in of), strict=True)
    return Trained(*map(statistics.median, columns))


def embedded_base() -> Model:
    """The base of the package, wherever this is started."""
    return resolve_base(str(embedded.BASE_DIR), Config(Path.cwd()))


def warm_up(base: Model) -> None:
    """Import what is imported on first use, and train two steps of each, unmeasured."""
    compare(base, "embedded", 2, 1, steps=2, batch_size=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", help="a folder of a base (default: the embedded)")
    parser.add_argument("--n", type=int, default=2, help="constitutions a contrast")
    parser.add_argument("--preset", help="default: embedded, with --base laptop")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the preset's)")
    parser.add_argument("--batch", type=int, help="contrasts a batch (default: the preset's)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    asked = parser.parse_args()
    if asked.steps is not None and asked.steps < 2:
        parser.error(f"`--steps {asked.steps}`: the first is not timed, so 2 or more")
    choice = asked.preset or ("laptop" if asked.base else "embedded")
    changes = {"steps": asked.steps, "batch_size": asked.batch}
    try:
        base = resolve_base(asked.base, Config(Path.cwd())) if asked.base else embedded_base()
        preset(choice, "dpo")
    except UsageError as error:
        parser.error(str(error))
    with redirect_stdout(sys.stderr):  # TRL prints its log
        warm_up(embedded_base())
        found = compare(base, choice, asked.n, asked.rounds, **changes)
    dpo = found["dpo"]["trl"].rate
    print(f"{'':10}{'tokens a step':>15}{'tokens a s':>12}{'TRL DPO':>9}{'CPU s':>8}{'whole':>8}")
    for method, sides in found.items():
        for side, one in sides.items():
            figures = f"{one.rate:12,.0f}{one.rate / dpo:8.2f}x{one.step:8.3f}{one.whole:8.2f}"
            print(f"{method + ' ' + side:10}{one.tokens:15,.0f}{figures}")
    if asked.json:
        rows = {m: {s: asdict(one) for s, one in sides.items()} for m, sides in found.items()}
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
