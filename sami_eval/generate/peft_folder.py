"""A PEFT adapter as it lies in its folder: its settings, its weights' names, what it changes.

Read without torch wherever the weights are safetensors.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError, shown
from sami_eval.generate.fingerprints import file_hash
from sami_eval.generate.loading import first
from sami_eval.ledger.store import key

CONFIG = "adapter_config.json"
SAFE, PICKLED = "adapter_model.safetensors", "adapter_model.bin"
# Kinds whose layers stand in the network itself, so that any loop over it applies them (each
# compared with what PEFT 0.21 generates). Virtual tokens, routers and offsets stand outside it.
_KINDS = """
LORA ADALORA BEFT BOFT DEFT DELORA FOURIERFT GLORA GRALORA HIRA HRA IA3 LILY LN_TUNING LOHA LOKR
MISS OFT PEANUT PSOFT PVERA RANDLORA ROAD SUPERTUNING TINYLORA TRAINABLE_TOKENS VBLORA VERA WAVEFT
"""
APPLIED = frozenset(_KINDS.split())
# LoRA settings that only PEFT's own `forward` and `generate` know how to follow.
OUTSIDE = {"alora_invocation_tokens": "activated LoRA", "arrow_config": "Arrow's router"}
# Ways to begin a LoRA that leave the base as it is, among those PEFT names by a word.
HARMLESS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
# LoRA settings of which many adapters can share a network; what they say ends in their weights,
# their rank and their scale. Any other that is set asks for a network of its own.
_USUAL = """
alpha_pattern auto_mapping base_model_name_or_path corda_config ensure_weight_tying eva_config
exclude_modules fan_in_fan_out inference_mode init_lora_weights layers_pattern layers_to_transform
loftq_config lora_alpha lora_dropout lora_ga_config megatron_config megatron_core peft_type
peft_version qalora_group_size r rank_pattern revision runtime_config target_modules task_type
use_dora use_rslora
"""
USUAL = frozenset(_USUAL.split())
# What does not change an answer: where the adapter came from, and how it was trained.
_SILENT = ("base_model_name_or_path", "revision", "inference_mode", "peft_version", "lora_dropout")
_OF_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".json")
_UNORDERED = ("target_modules", "modules_to_save", "exclude_modules", "layers_to_transform")


Shapes = Mapping[str, tuple[int, ...]]


def read_adapter_config(folder: Path) -> Mapping[str, Any]:
    """The adapter's settings. Raises UsageError for a file that is none."""
    path = folder / CONFIG
    try:
        stated = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read: {error}", "save the adapter again", str(path)) from None
    if not isinstance(stated, dict):
        raise UsageError("not an adapter's settings", "save the adapter again", str(path))
    return stated


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def kind_of(config: Mapping[str, Any]) -> str:
    """PEFT's name of the adapter's kind; a file without one is of the days of LoRA alone."""
    return str(config.get("peft_type") or "LORA").upper()


def check_kind(folder: Path) -> None:
    """Refuse a kind of adapter that would be loaded and then not applied."""
    config = read_adapter_config(folder)
    kind = kind_of(config)
    if kind not in APPLIED:
        raise UsageError(
            f"adapter `{folder}` is of the kind `{kind}`, which neither engine applies",
            "serve it with its own tool and name the server: openai:MODEL --base-url URL",
            str(folder / CONFIG),
        )
    for name, meaning in OUTSIDE.items():
        if kind == "LORA" and config.get(name):
            raise UsageError(
                f"adapter `{folder}` is {meaning} (`{name}`), which neither engine applies",
                "serve it with its own tool and name the server: openai:MODEL --base-url URL",
                str(folder / CONFIG),
            )


def check_type(folder: Path) -> None:
    """Refuse settings without the word that PEFT reads their kind by."""
    config = read_adapter_config(folder)
    kind = kind_of(config)
    if config.get("peft_type") != kind:
        foreign = "save it as PEFT does, or merge it into a whole model with the tool it is of"
        raise UsageError(
            f"adapter `{folder}`: `peft_type` is {shown(config.get('peft_type'))}, which PEFT "
            "cannot read",
            f'write "peft_type": "{kind}" there' if "r" in config else foreign,
            str(folder / CONFIG),
        )


def check_scale(folder: Path) -> None:
    """Refuse a LoRA's alpha that is no number, text with digits included, and a rank that is no
    whole one.
    """
    config = read_adapter_config(folder)
    for name in ("r", "lora_alpha", "rank_pattern", "alpha_pattern"):
        said = config.get(name)
        values = list(said.values()) if isinstance(said, dict) else [] if said is None else [said]
        is_rank = name.startswith("r")
        fits = int if is_rank else int | float
        wrong = [one for one in values if isinstance(one, bool) or not isinstance(one, fits)]
        if wrong:
            what = "a whole number" if is_rank else "a number"
            raise UsageError(
                f"adapter `{folder}`: `{name}` is {shown(wrong[0])}, not {what}",
                "save the adapter again, or correct the file",
                str(folder / CONFIG),
            )


def check_init(folder: Path) -> None:
    """Refuse an adapter that changes its base when it is loaded, as PiSSA's and OLoRA's do.

    PEFT 0.21 subtracts what such an adapter began as from the base's own weights: every other
    contender of the base would speak with those.
    """
    init = read_adapter_config(folder).get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in HARMLESS:
        raise UsageError(
            f"adapter `{folder}` begins by `{init}`, which changes its base: no other contender "
            "could share it",
            "save it as a plain LoRA: PEFT's path_initial_model_for_weight_conversion",
        )


def unusual(config: Mapping[str, Any], usual: frozenset[str] = USUAL) -> list[str]:
    """Settings beyond the usual ones that say something."""
    # "none" is what PEFT calls it where no bias is trained.
    silent: tuple[object, ...] = (None, False, "none", [], {})
    return sorted(
        name for name, value in config.items() if name not in usual and value not in silent
    )


@functools.lru_cache(maxsize=1024)
def shares_network(folder: str, fingerprint: str) -> bool:
    """Whether an adapter can be loaded beside others into one network and leave them alone.

    fingerprint: of the model; a changed adapter is looked at again.
    """
    config = read_adapter_config(Path(folder))
    if kind_of(config) != "LORA" or unusual(config):
        return False
    return all("lora_" in name for name in tensors(Path(folder)))


def weights_file(folder: Path) -> Path:
    """The file that holds an adapter's weights. Raises UsageError where there is none."""
    for name in (SAFE, PICKLED):
        if (folder / name).is_file():
            return folder / name
    others = sorted(path.name for path in folder.glob("*model*") if path.suffix in _OF_WEIGHTS)
    there = f": there is {first(others)}" if others else ""
    raise UsageError(
        f"no adapter weights in `{folder}`{there}",
        f"it needs {SAFE}, whole and in one file: save or copy it again",
    )


def tensors(folder: Path) -> Shapes:
    """Every tensor of an adapter's file by its name.

    Raises UsageError for a file that holds none, or more than plain tensors.
    """
    path = weights_file(folder)
    found = header(path) if path.name == SAFE else _unpickled(path)
    if not found:
        raise UsageError(
            f"adapter `{folder}` has no weights: 0 tensors in its file",
            "save the adapter again (a sharded training must gather its weights first)",
            str(path),
        )
    return found


def header(path: Path) -> Shapes:
    """The names and shapes at the head of a safetensors file."""
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(8), "little")
        room = path.stat().st_size - 8
        text = file.read(n_bytes) if n_bytes <= room else b""
    try:
        said = json.loads(text)
        found = {name: tuple(row["shape"]) for name, row in said.items() if name != "__metadata__"}
        ends = [row["data_offsets"][1] for name, row in said.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        raise _broken(path) from None
    if max(ends, default=0) > room - n_bytes:
        raise _broken(path)
    return found


def _broken(path: Path) -> UsageError:
    return UsageError(
        f"`{path.name}` is cut off, or no safetensors file", "copy or save it again", str(path)
    )


def _unpickled(path: Path) -> Shapes:
    """The tensors of a pickled file, which is never executed: plain tensors or nothing."""
    import pickle

    import torch

    try:
        said = torch.load(path, map_location="meta", weights_only=True)
    except (RuntimeError, EOFError):  # read, and not to its end
        raise UsageError(
            f"`{path.name}` is cut off, or no PyTorch file", "copy or save it again", str(path)
        ) from None
    except (pickle.UnpicklingError, ValueError, KeyError):
        said = None
    plain = isinstance(said, dict) and all(isinstance(one, torch.Tensor) for one in said.values())
    if said is None or not plain:
        raise UsageError(
            f"adapter `{path.parent}` is pickled and holds more than plain tensors: "
            "it was not opened",
            f"ask whoever made it for {SAFE}",
            str(path),
        )
    return {name: tuple(one.shape) for name, one in said.items()}


def fingerprint(base: str, folder: Path) -> str:
    """SHA-256 of all that an adapter's answers depend on: its base, its weights, its settings."""
    config = {
        name: value for name, value in read_adapter_config(folder).items() if name not in _SILENT
    }
    for name in _UNORDERED:  # PEFT writes a set in whatever order it comes
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name], key=str)
    return key("adapter", base, file_hash(weights_file(folder)), config)


def below(folder: Path) -> list[Path]:
    """Adapters and models in the folders below one that is none, the last checkpoint first."""
    places = [f"{depth}/{name}" for depth in ("*", "*/*") for name in (CONFIG, "config.json")]
    found = {path.parent for place in places for path in folder.glob(place) if path.is_file()}
    return sorted(found, key=lambda path: (-_step(path.name), str(path)))


def _step(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else -1
