"""The card of a trained adapter, written: `sami_eval.json` for programs, README.md for people."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sami_eval.align.options import Options
from sami_eval.core.types import Contrast, Model
from sami_eval.data import chat
from sami_eval.data.contrasts import contrasts_hash, prompt_hash, read_contrasts
from sami_eval.generate import steps
from sami_eval.generate.card import CONTRASTS, FILE, LOG, SCHEMA, TRAINED_ON
from sami_eval.ledger.store import atomic_write

PACKAGES = ("torch", "transformers", "peft", "trl")
NOT_METRICS = ("step", "epoch", "learning_rate", "num_tokens")


def write(
    folder: Path,
    out: Path,
    name: str,
    facts: Mapping[str, Any],
    contrasts: Sequence[Contrast],
    base: Model,
    options: Options,
) -> None:
    """Write both cards into a trained adapter's folder.

    out: where the folder will lie, with the contrasts beside it. facts: go into the JSON as is.
    """
    accepted = [contrast for contrast in contrasts if contrast.rejected is None]
    known = {
        "schema": SCHEMA,
        "recipe": name,
        **facts,
        "base": {"id": base.named, "revision": base.revision, "fingerprint": base.fingerprint},
        "contrasts": {
            "sha256": contrasts_hash(contrasts),
            "n": len(accepted),
            "file": _file(out.with_name(CONTRASTS), contrasts),
            "prompts": sorted(_seen(folder / TRAINED_ON, accepted)),
        },
        "options": dataclasses.asdict(options),
        "prompt": _prompt_format(base),
        "checkpoints": list(steps.of(folder)),
        "metrics": _metrics(folder / LOG),
        "versions": {package: version(package) for package in ("sami-eval", *PACKAGES)},
    }
    _write(folder, known)
    (folder / TRAINED_ON).unlink(missing_ok=True)


def write_kept(folder: Path) -> None:
    """Write both cards into each checkpoint that an adapter's folder keeps, from its own card."""
    known = json.loads((folder / FILE).read_text(encoding="utf-8"))
    for step, kept in steps.of(folder).items():
        metrics = _metrics(folder / LOG, until=step)
        _write(kept, {**known, "checkpoints": [], "step": step, "metrics": metrics})


def _write(folder: Path, known: Mapping[str, Any]) -> None:
    atomic_write(folder / FILE, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    atomic_write(folder / "README.md", _readme(known))


def _seen(path: Path, accepted: Sequence[Contrast]) -> set[str]:
    """Hashes of the prompts trained on: neither held out nor too long; all where none tells."""
    used = set(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
    return {prompt_hash(one.prompt) for one in accepted if used is None or one.prompt.id in used}


def _file(path: Path, contrasts: Sequence[Contrast]) -> str | None:
    """The name of the file beside the adapters, where it holds these contrasts."""
    if not path.is_file() or contrasts_hash(read_contrasts(path)) != contrasts_hash(contrasts):
        return None
    return path.name


def _prompt_format(base: Model) -> dict[str, Any]:
    from sami_eval.generate.formats import tokenizer_of

    tokenizer = tokenizer_of(base)
    templated = base.chat_template is not None or tokenizer.chat_template is not None
    return {
        "format": "chat template" if templated else "plain",
        "chat_template": base.chat_template,
        "stop": list(chat.stop_strings(tokenizer, base.chat_template)),
        "eos_token": tokenizer.eos_token,
    }


def _metrics(log: Path, until: float = math.inf) -> dict[str, Any]:
    """The first and the last line of the training log; with the first, what was held out before.

    until: the step after which no line counts.
    """
    if not log.exists():
        return {}
    every = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in every if row["step"] <= until]
    before = rows.pop(0) if len(rows) > 1 and "loss" not in rows[0] else {}
    return {"first": rows[0] | before, "last": rows[-1]} if rows else {}


def _what(options: Mapping[str, Any]) -> str:
    if options["full"]:
        return "All weights"
    base = ", on the base in 4 bits" if options["qlora"] else ""
    return f"A LoRA (rank {options['rank']}, alpha {options['alpha']}{base})"


def _when(known: Mapping[str, Any]) -> str:
    return f", as it was after step {known['step']}" if "step" in known else ""


def _preset(known: Mapping[str, Any]) -> str:
    """Which preset, and what in it and in the method is no figure of a paper's."""
    name, note = known.get("asked", {}).get("preset"), known.get("note")
    said = f"\n- {known['chain'][-1]}: {note}" if note else ""
    if name is None:
        return said
    if not name.startswith("paper-"):
        return f"; preset {name}{said}"
    return f"""; preset {name}{said}
- of the paper: full fine-tune, AdamW, constant rate, 64 accumulated batches, clipping at 0.4, one
  epoch, no KL; our choice, since only its authors' logs know: contrasts a batch, warmup, weight
  decay, length limit, the rates of SFT and DPO, DPO's beta"""


def _data(known: Mapping[str, Any]) -> str:
    """How many contrasts, and of several iterations which one wrote them."""
    said, one = known["contrasts"], known.get("iteration")
    line = f"{said['n']} contrasts, SHA-256 `{said['sha256']}`"
    if one is None:
        return line
    return f"""{line}
- iteration {one["number"]} of {one["of"]}: the contrasts (`{one["contrasts"]}`) are for prompts of
  their own and were written by `{one["writer"]}`, which this training started from"""


def _readme(known: Mapping[str, Any]) -> str:
    options, base = known["options"], known["base"]
    other = base["id"] if options["full"] else f"base --base {base['id']}"
    first, last = (known["metrics"].get(end, {}) for end in ("first", "last"))
    table = "\n".join(
        f"| {name} | {first[name]:.4g} | {value:.4g} |"
        for name, value in last.items()
        if name not in NOT_METRICS and isinstance(first.get(name), int | float)
    )
    return f"""---
base_model: {base["id"]}
library_name: {"transformers" if options["full"] else "peft"}
pipeline_tag: text-generation
tags: [sami-eval, {"full-fine-tune" if options["full"] else "lora"}, {", ".join(known["chain"])}]
---

# {known["recipe"]}

{_what(options)} trained by sami-eval{_when(known)}.

- base: `{base["id"]}`, revision `{base["revision"]}`
- methods, in order: {", ".join(known["chain"])}
- data: {_data(known)}
- last method: learning rate {options["lr"]:g}, {options["schedule"]}, seed {options["seed"]},
  batches of {options["batch_size"]} x {options["accumulation"]} contrasts{_preset(known)}
- prompt format: {known["prompt"]["format"]}; responses end with `{known["prompt"]["eos_token"]}`

| metric | first step | last step |
|-|-|-|
{table}

Compare it with its base:

    sami-eval compare PATH_OF_THIS_FOLDER {other}

Everything needed to train it again stands in `{FILE}`.
"""
