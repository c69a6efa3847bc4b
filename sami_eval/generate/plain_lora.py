"""A plain LoRA that fits its base whole, told by names and shapes: PEFT takes seconds to import.

Of an adapter that is not plain nothing is said: `fit` lays it on the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sami_eval.generate import peft_folder
from sami_eval.generate.fingerprints import cached_snapshots

# Models whose files call every weight as the network does, and hold no others.
_FAMILIES = frozenset(("gemma", "gemma2", "llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3"))
# What such a LoRA says, where it says anything, and what it may say then.
_PLAIN: Mapping[str, tuple[object, ...]] = {
    "task_type": (None, "CAUSAL_LM"),
    "bias": (None, "none"),
    "use_dora": (None, False),
    "fan_in_fan_out": (None, False),
    "auto_mapping": (None, {}),
    "exclude_modules": (None, []),
    "layers_pattern": (None, []),
    "layers_to_transform": (None, []),
    "megatron_config": (None, {}),
    "rank_pattern": (None, {}),
}


def fits(config: Mapping[str, Any], base: str, revision: str | None, adapter: Path) -> bool:
    """Whether this is a plain LoRA that fits, for certain. config: the base's."""
    stated = peft_folder.read_adapter_config(adapter)
    targets, rank = stated.get("target_modules"), stated.get("r")
    if not _is_plain(stated) or not isinstance(targets, list) or type(rank) is not int:
        return False
    if config.get("model_type") not in _FAMILIES or config.keys() & {
        "auto_map",
        "quantization_config",
    }:
        return False
    layers = _targeted(_weights(base, revision), list(map(str, targets)))
    return layers is not None and peft_folder.tensors(adapter) == dict(_factors(layers, rank))


def _is_plain(stated: Mapping[str, Any]) -> bool:
    known = peft_folder.kind_of(stated) == "LORA" and not peft_folder.unusual(stated)
    dropout = stated.get("lora_dropout", 0)
    return (
        known
        and type(dropout) in (int, float)
        and 0 <= dropout <= 1
        and all(stated.get(name) in said for name, said in _PLAIN.items())
    )


def _weights(base: str, revision: str | None) -> dict[str, tuple[int, ...]]:
    """The shapes of a base's weights by their names; none where its files are not safetensors."""
    folder = Path(base)
    if revision is not None:
        folder = next((one for one in cached_snapshots(base) if one.name == revision), folder)
    files = sorted(folder.glob("*.safetensors"))
    return {name: shape for file in files for name, shape in peft_folder.header(file).items()}


def _targeted(
    weights: Mapping[str, tuple[int, ...]], targets: Sequence[str]
) -> dict[str, tuple[int, ...]] | None:
    """The shapes of the layers that settings name; None where not each of them is a plain one."""
    paths = {name.rpartition(".")[0] for name in weights}
    modules = {path[:at] for path in paths for at in _ends(path)}
    named = {one for one in modules if any(f".{one}".endswith(f".{target}") for target in targets)}
    found = {one: weights.get(f"{one}.weight", ()) for one in named}  # () for a block of layers
    reached = all(any(f".{one}".endswith(f".{target}") for one in named) for target in targets)
    plain = all(len(shape) == 2 and "embed" not in one for one, shape in found.items())
    return found if found and reached and plain else None


def _ends(path: str) -> Iterator[int]:
    """Where each module on a path ends."""
    yield from (at for at, sign in enumerate(path) if sign == ".")
    yield len(path)


def _factors(
    layers: Mapping[str, tuple[int, ...]], rank: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, (n_out, n_in) in layers.items():
        yield f"base_model.model.{name}.lora_A.weight", (rank, n_in)
        yield f"base_model.model.{name}.lora_B.weight", (n_out, rank)
