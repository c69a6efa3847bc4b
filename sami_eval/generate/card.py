"""What an adapter remembers of its training: the card beside its weights, `sami_eval.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.generate.peft_folder import CONFIG, read_adapter_config, weights_file

FILE = "sami_eval.json"
SCHEMA = "sami-eval/adapter/1"
LOG = "training.jsonl"
# Ids of the prompts a method has trained on, where it left some out; gone once the card is written.
TRAINED_ON = "trained_on.json"
CONTRASTS = "contrasts.jsonl"  # beside a base's adapters


def read(folder: Path) -> dict[str, Any] | None:
    """What an adapter folder says about itself; None where there is none of ours.

    Raises UsageError for a card that cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read: {error}", "train the adapter again", str(path)) from None
    if not isinstance(known, dict) or known.get("schema") != SCHEMA:
        raise UsageError(
            f"schema is not `{SCHEMA}`", "the adapter is of another sami-eval version", str(path)
        )
    return known


def prompts_seen(model: Model) -> frozenset[str] | None:
    """Hashes of the prompts that a local model was trained on, by earlier links too.

    None where no card of ours tells. A card without `earlier_prompts`, of an earlier version,
    knows its own link's alone.
    """
    folders = [model.adapter, model.base] if model.engine == "local" else []
    cards = [known for folder in folders if folder and (known := read(Path(folder)))]
    lists = [known.get("contrasts", {}).get("prompts") for known in cards]
    if not any(isinstance(one, list) for one in lists):
        return None
    lists += [known.get("earlier_prompts") for known in cards]
    return frozenset(name for one in lists if isinstance(one, list) for name in one)


def is_checkpoint(folder: Path) -> bool:
    """Whether a trained link is a whole model and no adapter."""
    return (folder / "config.json").is_file() and not (folder / CONFIG).is_file()


def weights_hash(folder: Path) -> str:
    """SHA-256 of an adapter's weights and shape, whatever its folder is called.

    Raises UsageError where the folder holds no weights.
    """
    digest = hashlib.sha256(weights_file(folder).read_bytes())
    config = read_adapter_config(folder)
    shape = {name: config.get(name) for name in ("r", "lora_alpha", "use_rslora", "use_dora")}
    digest.update(json.dumps(shape, sort_keys=True).encode())
    return digest.hexdigest()
