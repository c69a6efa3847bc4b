"""A ledger full of samples: what `sami-eval passk` finds when it is typed again.

Rows go in by the ledger's own storing, under the keys of a real plan; only the texts are made up.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from sami_eval.align.chain import existing
from sami_eval.core.calls import Completion
from sami_eval.core.config import Config, find_config
from sami_eval.core.progress import silent
from sami_eval.embedded import BASE_DIR
from sami_eval.experiment import passk
from sami_eval.experiment.plan import models_of, resolved
from sami_eval.experiment.settings import PasskSettings
from sami_eval.generate import Engines
from sami_eval.generate.complete import by_key
from sami_eval.generate.kept import apart
from sami_eval.ledger.store import Ledger

SAMPLES = 32
WORDS = "A shop keeps pens in packs and sells some of them on each day of the week. "


def fill(n: int, folder: Path) -> tuple[PasskSettings, Config]:
    """pass@k of the embedded base and three adapters whose n samples the ledger holds."""
    (folder / "sami-eval.toml").write_text("")
    n_problems = max(2, n // (4 * SAMPLES))
    problems = [
        {"question": f"{i}. {WORDS}How many?", "answer": f"#### {i}"} for i in range(n_problems)
    ]
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in problems))
    settings = PasskSettings(
        contenders=("base", *(str(adapter(folder / f"adapter{i}", i)) for i in (1, 2, 3))),
        prompts=path,
        samples=SAMPLES,
        engine="hf",
    )
    config, rng = find_config(folder), random.Random(0)
    plan = passk.make_plan(settings, config, None)
    tokens = passk.Tokens()
    found = models_of(resolved(plan, existing(config)))
    asked = [one for model in found for one in passk.requests_of(model, plan, tokens)]
    keyed = by_key(asked, Engines(plan.engine, silent()))
    of = [*(i for i in range(n_problems) for _ in range(SAMPLES)), *range(n_problems)]  # and greedy
    with Ledger(config.ledger_path) as ledger:
        ledger.add_completions(
            (name, request.model.name, apart(_sample(of[i % len(of)], rng), request))
            for i, (name, request) in enumerate(keyed)
        )
    return settings, config


def _sample(gold: int, rng: random.Random) -> Completion:
    """An answer of some 420 characters, right in six of ten."""
    said = gold if rng.random() < 0.6 else gold + rng.randrange(1, 20)
    sums = " ".join(
        f"{j} packs hold {rng.randrange(99)} pens, so {j * 3} + 4 = {j * 3 + 4}." for j in range(9)
    )
    ids = tuple(rng.choices(range(300, 1200), k=110))
    return Completion(f"{sums} The answer is {said}.", ids, True, 110)


def adapter(folder: Path, seed: int) -> Path:
    """A LoRA of the embedded base, written without PEFT: one layer's queries."""
    from safetensors.numpy import save_file

    width = json.loads((BASE_DIR / "config.json").read_text())["hidden_size"]
    layer = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    shapes = {"A": (1, width), "B": (width, 1)}
    folder.mkdir()
    save_file(
        {
            f"{layer}{name}.weight": np.full(shape, seed, np.float32)
            for name, shape in shapes.items()
        },
        folder / "adapter_model.safetensors",
    )
    said = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"]}
    said |= {
        "task_type": "CAUSAL_LM",
        "layers_to_transform": [0],
        "base_model_name_or_path": str(BASE_DIR),
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder
