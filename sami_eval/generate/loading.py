"""Loading what others have made: quietly, completely, and never running code that came with it.

Heavy imports stand inside the functions.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import warnings
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.types import Model

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

TRUST = "trust_remote_code"
_trusting: ContextVar[bool] = ContextVar("trusting", default=False)


def trust(arguments: Mapping[str, str]) -> None:
    """Note whether code that comes with a model may run, as `--engine-arg` says for this command.

    Raises UsageError for neither true nor false.
    """
    said = arguments.get(TRUST, "false").lower()
    if said not in ("true", "false"):
        raise UsageError(f"`{TRUST}={said}` is not true or false", f"--engine-arg {TRUST}=true")
    _trusting.set(said == "true")


def trusts_code() -> bool:
    """Whether code that comes with a model may run; never asked about."""
    return _trusting.get()


def own_code(name: str) -> UsageError:
    """That a model comes with code of its own, and how to allow it."""
    return UsageError(
        f"`{name}` comes with code of its own, which does not run unasked",
        f"read it; then, to let it run: --engine-arg {TRUST}=true",
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bar, warning or report of a library's own: what matters is checked and said by us."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _check_shards(folder: Path) -> None:
    """Refuse a checkpoint without a file that its index names."""
    for index in folder.glob("*.safetensors.index.json"):
        stated = json.loads(index.read_text(encoding="utf-8"))
        named = stated.get("weight_map") if isinstance(stated, dict) else None
        files = set(map(str, named.values())) if isinstance(named, dict) else set()
        absent = sorted(name for name in files if not (folder / name).is_file())
        if absent:
            raise UsageError(
                f"`{folder}` lacks {first(absent)}, which its index names",
                "copy or download it again, whole",
                str(index),
            )


def load_network(
    model: Model, kind: str = "AutoModelForCausalLM", head: bool = True, **settings: Any
) -> PreTrainedModel:
    """The base's network with all of its weights. settings: go to `from_pretrained`.

    kind: transformers' class that loads it. head: whether its last layer is in these files, too;
        else an adapter brings it.
    Raises UsageError for files that are not all there, or leave a weight at random.
    """
    import transformers

    _check_shards(Path(model.base))
    try:
        with quiet():
            network, found = getattr(transformers, kind).from_pretrained(
                model.base,
                revision=model.revision,
                trust_remote_code=trusts_code(),
                output_loading_info=True,
                **settings,
            )
    except pickle.UnpicklingError:
        raise UsageError(
            f"the weights of `{model.named}` are pickled and hold more than plain tensors: "
            "they were not opened",
            "ask whoever made it for model.safetensors",
        ) from None
    missing = sorted(name for name in found["missing_keys"] if head or not is_head(name))
    if missing:
        raise UsageError(
            f"`{model.named}`: {len(missing)} of {len(network.state_dict())} weights of its "
            f"network are not in its files: {first(missing)}",
            "save the model again; an adapter's own names in it mean that it was not merged",
        )
    return cast("PreTrainedModel", network)


def add_adapter(
    network: PreTrainedModel | PeftModel, folder: str, name: str, hint: str
) -> PeftModel:
    """The PEFT model with an adapter's weights in it; its layers lie inside the network.

    hint: what to do where they are of another network.
    Raises SamiEvalError, and UsageError where a weight finds no place or is missing.
    """
    from peft import PeftModel

    try:
        with quiet():
            peft = network
            if not isinstance(peft, PeftModel):
                peft = PeftModel.from_pretrained(peft, folder, name)
            found = peft.load_adapter(folder, name)  # says what found no place
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise SamiEvalError(
            f"adapter `{folder}` does not fit its base: {str(error).strip().splitlines()[-1]}",
            "check `base_model_name_or_path` in its adapter_config.json",
        ) from None
    misfits = [*found.missing_keys, *found.unexpected_keys]
    if misfits:
        raise UsageError(
            f"adapter `{folder}` does not fit its base: {len(misfits)} weights fit nothing or "
            f"are missing: {first(misfits)}",
            hint,
        )
    return peft


def is_head(name: str) -> bool:
    """Whether a weight is of the layer by which a classifier scores."""
    return "score" in name.split(".") or "classifier" in name.split(".")


def first(names: list[str], n: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(f"`{name}`" for name in names[:n]) + more
