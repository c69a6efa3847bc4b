"""Whether an adapter takes effect: every weight finds its place, every place its weight.

The adapter is laid on a network without memory (the `meta` device), as PEFT would load it, so a
misfit is known in seconds and before any engine starts.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.generate import peft_folder, plain_lora
from sami_eval.generate.fingerprints import cached_snapshots
from sami_eval.generate.formats import config_of, read_model_json
from sami_eval.generate.loading import first, quiet, trusts_code

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import Tensor

NAME = "probe"
LEAST_ALPHA = 1e-6  # a smaller one adds less than any number format of weights can show


def check_fit(models: Sequence[Model]) -> list[str]:
    """Raise for the first adapter that does not fit its base whole.

    Returns what is to be said of those that do.
    """
    said = [
        _check(model.base, model.revision, model.adapter, model.fingerprint)
        for model in models
        if model.engine == "local" and model.adapter is not None
    ]
    return [one for one in dict.fromkeys(said) if one is not None]


@functools.lru_cache(maxsize=256)
def _check(base: str, revision: str | None, adapter: str, fingerprint: str) -> str | None:
    folder = Path(adapter)
    peft_folder.check_kind(folder)
    peft_folder.check_type(folder)
    peft_folder.check_scale(folder)
    peft_folder.check_init(folder)
    peft_folder.tensors(folder)
    weights = load_weights(folder)
    _check_numbers(adapter, weights)
    if not plain_lora.fits(read_model_json(base, revision, "config.json"), base, revision, folder):
        _check_by_peft(base, revision, folder, weights)
    idle = _idle(peft_folder.read_adapter_config(folder), weights)
    return f"warning: adapter `{adapter}` changes nothing: {idle}" if idle else None


def _check_by_peft(
    base: str, revision: str | None, folder: Path, weights: Mapping[str, Tensor]
) -> None:
    empty = {name: weight.to("meta") for name, weight in weights.items()}
    with quiet():
        network = _on_meta(base, revision, folder)
        misfit = _misfit(network, empty)
    if misfit is not None:
        raise UsageError(
            f"adapter `{folder}` does not fit its base `{base}`: {misfit}",
            "name the base it was trained on with --base (where embeddings are of another shape, "
            "one with its vocabulary), or save the adapter again",
        )


def _idle(stated: Mapping[str, Any], weights: dict[str, Tensor]) -> str | None:
    """Why a LoRA adds nothing anywhere, or None: what it adds is alpha times B times A."""
    if not all("lora_A" in name or "lora_B" in name for name in weights):
        return None
    zero = {name for name, weight in weights.items() if not weight.float().any()}
    second = {name for name in weights if "lora_B" in name}
    if second <= zero:
        return "every lora_B in it is zero, as before any training"
    if any(name.endswith(".bias") for name in second - zero):
        return None
    if all(name in zero or name.replace("lora_B", "lora_A") in zero for name in second):
        return "one of the two factors is zero in every layer"
    alphas = {_alpha(stated, name.partition(".lora_B")[0]) for name in second - zero}
    if any(abs(alpha) > LEAST_ALPHA for alpha in alphas):
        return None
    return f"its lora_alpha is {' and '.join(f'{alpha:g}' for alpha in sorted(alphas))}"


def _alpha(stated: Mapping[str, Any], module: str) -> float:
    """The alpha of one layer: its pattern's, found as PEFT finds it, or the adapter's own."""
    patterns: Mapping[str, float] = stated.get("alpha_pattern") or {}
    module = module.removeprefix("base_model.model.")
    own = [alpha for key, alpha in patterns.items() if re.match(rf"(.*\.)?({key})$", module)]
    return float(own[0] if own else stated.get("lora_alpha", 8))


def load_weights(folder: Path) -> dict[str, Tensor]:
    """An adapter's tensors in memory; pickled ones are plain tensors, or refused before."""
    path = peft_folder.weights_file(folder)
    if path.name == peft_folder.SAFE:
        from safetensors.torch import load_file

        return dict(load_file(path))
    import torch

    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _check_numbers(adapter: str, weights: dict[str, Tensor]) -> None:
    bad = sorted(name for name, weight in weights.items() if not weight.float().isfinite().all())
    if bad:
        raise UsageError(
            f"adapter `{adapter}`: {len(bad)} of {len(weights)} weights hold numbers that are not "
            f"finite: {first(bad)}",
            "its training went astray: train it again, at a lower learning rate",
        )


def _on_meta(base: str, revision: str | None, folder: Path) -> PeftModel:
    """The base with the adapter's layers on it, none of them with any memory."""
    from accelerate import init_empty_weights
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM

    config = config_of(base, revision)
    try:
        with init_empty_weights():
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=trusts_code())
        stated = PeftConfig.from_pretrained(str(folder))
        _check_settings(folder, stated)
        stated.inference_mode = False
        return PeftModel(network, stated, NAME, low_cpu_mem_usage=True)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, re.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"adapter `{folder}` cannot be laid on `{base}`: {reason}",
            "name the base it was trained on with --base, or save the adapter again",
            str(folder / peft_folder.CONFIG),
        ) from None


def _check_settings(folder: Path, stated: PeftConfig) -> None:
    """Refuse a setting of a later PEFT, or of another tool, that the installed one passes over."""
    known = {field.name for field in dataclasses.fields(stated)}
    strange = peft_folder.unusual(
        peft_folder.read_adapter_config(folder), peft_folder.USUAL | known
    )
    if strange:
        from peft import __version__

        raise UsageError(
            f"adapter `{folder}` has the setting `{strange[0]}`, which PEFT {__version__} does not "
            "know",
            "pip install -U peft; or take it out of the file where it says nothing of the weights",
            str(folder / peft_folder.CONFIG),
        )


def _misfit(network: PeftModel, weights: dict[str, Tensor]) -> str | None:
    """What does not fit, or None. weights: the file's, without memory."""
    from peft import get_peft_model_state_dict

    own = get_peft_model_state_dict(network, adapter_name=NAME, save_embedding_layers=False)
    own = {name: weight.to("meta") for name, weight in own.items()}
    # What PEFT misses of its own file belongs to the base.
    of_base, _ = _loaded(network, own)
    missing, strangers = _loaded(network, weights)
    lacking = sorted(missing - of_base)
    # A file may hold layers of the base itself: embeddings that its training resized.
    places = {**network.state_dict(), **own}
    other = [
        f"`{name}` is {list(weight.shape)} here and {list(places[name].shape)} there"
        for name, weight in sorted(weights.items())
        if name in places and places[name].shape != weight.shape
    ]
    if other:
        return f"{len(other)} of {len(weights)} weights are of another shape: {other[0]}"
    if not strangers and not lacking:
        return None
    n_lost = len(lacking)
    if strangers:
        names = sorted(set(weights) - set(own)) or sorted(strangers)
        said = f"{len(strangers)} of {len(weights)} weights fit nothing: {first(names)}"
        return f"{said}; {n_lost} that it should have are missing" if lacking else said
    names = sorted(set(own) - set(weights)) or lacking
    return f"{n_lost} of {len(own)} weights that its settings name are missing: {first(names)}"


def _loaded(network: PeftModel, weights: dict[str, Tensor]) -> tuple[set[str], list[str]]:
    """What a network misses once the weights are laid on it, and which of them fit nothing."""
    from peft import set_peft_model_state_dict

    try:
        # A weight of another shape is left out, and so is missing.
        result = set_peft_model_state_dict(network, weights, NAME, ignore_mismatched_sizes=True)
    except KeyError as error:  # a whole layer that the settings name and the file lacks
        return {str(error.args[0])}, []
    return set(result.missing_keys), list(result.unexpected_keys)


def replaced_weight(model: Model) -> str | None:
    """The first weight of its base that an adapter's file holds and has otherwise, or None.

    PEFT lays it over the base's own; a server of LoRAs passes over it.
    """
    import torch

    for name, weight in load_weights(Path(str(model.adapter))).items():
        if "lora_" in name:
            continue
        own = _of_base(model, name.removeprefix("base_model.model.").replace(".base_layer.", "."))
        if own is None or not torch.equal(own.to(weight.dtype), weight):
            return name
    return None


def _of_base(model: Model, name: str) -> Tensor | None:
    """A weight of the base by its name; a head that is tied to the embeddings is the embeddings."""
    from safetensors import safe_open

    folder = Path(model.base)
    if model.revision is not None:
        held = [one for one in cached_snapshots(model.base) if one.name == model.revision]
        folder = held[0] if held else folder
    for wanted in (name, name.replace("lm_head", "model.embed_tokens")):
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                if wanted in file.keys():  # noqa: SIM118  # not a dict
                    found: Tensor = file.get_tensor(wanted)
                    return found
    return None
