"""Both of the paper's experiments at the size of an 8B model: two optimiser steps a training and
one batch of generation a stage, on random weights. Does it fit, and how long would all of it take?

    python -m benchmarks.large                       # a GPU of 80 GB, some 8 minutes, 35 GB of disk
    python -m benchmarks.large --shape head-heavy    # a small model, to try this script on a CPU

The commands are `sami-eval reproduce mtbench` and `gsm8k` with a scale that changes the base (which
judges, too), the prompts (about as long as the paper's) and how much is done; trainings have the
default preset. What is random has no meaning here, only its time and memory do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.sami_step import RESULTS, SHAPES, Shape, network
from sami_eval import embedded
from sami_eval.core import memory
from sami_eval.core.types import Prompt

PROMPTS, STEPS, ANSWER, QUESTIONS = 16, 2, 200, 2
PROMPT_CHARACTERS = 900  # some 300 of the embedded tokenizer's tokens
PROMPTS_OF = {"mtbench": "question.jsonl", "gsm8k": "problems.jsonl"}
SCALE = f"""
like = "embedded"
about = "random weights: times and memory"
[mtbench]
base = "BASE"
[mtbench.align]
preset = "default"
changes = {{ steps = {STEPS} }}
[mtbench.compare]
limit = {QUESTIONS}
max_tokens = 64
[[mtbench.steps]]
name = "contrasts"
sets = [{{ source = "prompts.jsonl", column = "text", category_column = "kind" }}]
prompts = {PROMPTS}
max_tokens = {ANSWER}
filters = {{ finished = false }}
[[mtbench.steps]]
name = "shown"
title = "principles shown, judged by one letter"
judge = "choice"
judge_model = "hf:BASE"
published = false
[[mtbench.steps]]
name = "hidden"
skip = true
[[mtbench.steps]]
name = "plain"
skip = true
[gsm8k]
base = "BASE"
[gsm8k.align]
preset = "default"
changes = {{ steps = {STEPS} }}
[[gsm8k.steps]]
name = "contrasts"
sets = [{{ source = "prompts.jsonl", column = "text", category = "math" }}]
prompts = {PROMPTS}
max_tokens = {ANSWER}
filters = {{ finished = false, min_characters = 1, min_ratio = 1.0, opening = 0.001 }}
[[gsm8k.steps]]
name = "sft"
changes = {{ positives_only = false }}
[[gsm8k.steps]]
name = "samples"
limit = {QUESTIONS}
max_tokens = 64
"""


@dataclass
class Watch:
    """What is seen of a command from outside: memory by stage, and when each step was logged."""

    root: Path
    stage: str = "start"
    gib: dict[str, float] = field(default_factory=dict)
    logged: dict[str, list[float]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look five times a second, until it is over."""
        while not self.over.wait(0.2):
            self.gib[self.stage] = max(self.gib.get(self.stage, 0.0), used_gib())
            for log in self.root.glob("reproductions/*/adapters/*/.*/training.jsonl"):
                times = self.logged.setdefault(self.stage, [])
                times += [time.monotonic()] * (len(lines(log)) - len(times))

    def step_seconds(self, stage: str) -> float | None:
        """Mean seconds between the first logged step and the last."""
        times = self.logged.get(stage, [])
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None


def lines(file: Path) -> list[str]:
    """A file's lines; none where it has just been moved away."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def used_gib() -> float:
    """Memory of the GPU in use, by whomever; 0 without one."""
    if not torch.cuda.is_available():
        return 0.0
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    found = subprocess.run(asked, capture_output=True, text=True).stdout.split()
    return float(found[0]) / 1024 if found else 0.0


def save_inputs(shape: Shape, root: Path, device: str) -> None:
    """The random base with the embedded base's tokenizer; prompts, questions, problems, scale."""
    base = root / "base"
    shutil.copytree(embedded.BASE_DIR, base, ignore=shutil.ignore_patterns("*.safetensors"))
    model = network(shape, device)
    config = json.loads((base / "config.json").read_text())
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.config, name, config.get(name))
        setattr(model.generation_config, name, config.get(name))
    model.save_pretrained(base)
    asked = [one for one in embedded.prompts("alignment") if len(one.turns) > 1]
    rows = [{"text": long(i, asked), "kind": asked[i * 7].category} for i in range(PROMPTS)]
    write(root / "prompts.jsonl", rows)
    questions = [
        {"question_id": 81 + i, "category": asked[i].category, "turns": list(asked[i].turns)}
        for i in range(QUESTIONS)
    ]
    write(root / "question.jsonl", questions)
    problems = embedded.word_problems("evaluation")[:QUESTIONS]
    write(root / "problems.jsonl", [{"question": p.turns[0], "answer": "#### 7"} for p in problems])
    (root / "large.toml").write_text(SCALE.replace("BASE", str(base)))


def long(number: int, asked: list[Prompt]) -> str:
    """A prompt of about the length that the paper's have."""
    text = f"{number}."
    while len(text) < PROMPT_CHARACTERS:
        text += " " + asked[(number + len(text)) % len(asked)].turns[0]
    return text


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def reproduce(root: Path, experiment: str) -> Iterator[dict[str, object]]:
    """Run one experiment, its progress shown; a row for each stage as it ends."""
    command = [sys.executable, "-m", "sami_eval", "reproduce", experiment, "--engine", "hf"]
    command += ["--scale", "large.toml", "--prompts", PROMPTS_OF[experiment]]
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    watch = Watch(root)
    watcher = threading.Thread(target=watch.run)
    watcher.start()
    with (root / f"{experiment}.txt").open("w") as result:
        child = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=result,
            stderr=subprocess.PIPE,
            text=True,
        )
    for said in child.stderr:
        print(said, end="", flush=True)
        if said.startswith("▸ "):
            watch.stage = said.split()[1]
        elif said.startswith(f"✓ {watch.stage} "):
            yield {"experiment": experiment, **ended(root, experiment, watch)}
    watch.over.set()
    watcher.join()
    if child.wait():
        print(f"{experiment} ended with {child.returncode}", flush=True)


def ended(root: Path, experiment: str, watch: Watch) -> dict[str, object]:
    """What is known of the stage that has just ended."""
    (file,) = root.glob(f"reproductions/{experiment}-*/stages.json")
    (record,) = (row for row in json.loads(file.read_text()) if row["name"] == watch.stage)
    return {
        "stage": watch.stage,
        "seconds": record["seconds"],
        "facts": record["facts"],
        "seconds_a_step": watch.step_seconds(watch.stage),
        "gpu_gib": watch.gib.get(watch.stage),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="8b")
    parser.add_argument("--folder", type=Path, help="for the weights; default: a temporary one")
    parser.add_argument("--experiment", choices=sorted(PROMPTS_OF), help="default: both")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {
        "command": "python -m benchmarks.large " + " ".join(sys.argv[1:]),
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "torch": torch.__version__,
        "rows": (rows := []),
    }
    path = RESULTS / f"large_{args.shape}_{device}.json"
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root, begun = Path(folder), time.monotonic()
        save_inputs(SHAPES[args.shape], root, device)
        memory.release()
        print(f"saved {args.shape} in {time.monotonic() - begun:.0f} s", flush=True)
        for experiment in [args.experiment] if args.experiment else PROMPTS_OF:
            for row in reproduce(root, experiment):
                rows.append(row)
                path.write_text(json.dumps(found, indent=2) + "\n")
                print(json.dumps(row), flush=True)
    print(f"saved {path}")


if __name__ == "__main__":
    main()
