"""SHA-256 of what a model's answers depend on: a folder's weights, or a hub revision."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.ledger.store import key

# Model files by suffix; cards, logs and adapters in subfolders do not change an answer.
SUFFIXES = (".safetensors", ".bin", ".json", ".model", ".txt", ".jinja", ".gguf")
BLOCK = 1 << 22


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 of a local model's weights, config and tokenizer files, wherever it lies."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in SUFFIXES)
    return key("folder", {path.name: file_hash(path) for path in files})


def file_hash(path: Path) -> str:
    """SHA-256 of a file; read once as long as it does not change."""
    status = path.stat()
    return _hash(os.fspath(path.resolve()), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _hash(path: str, modified_ns: int, size: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def record_fingerprint(path: Path, model: str) -> str:
    """SHA-256 of one model's answers in a recorded file."""
    return key("record", file_hash(path), model)


def hub_commit(repo: str, revision: str | None) -> str | None:
    """The commit a hub revision stands for: of the local cache, else asked for; None if unknown.

    Raises UsageError for a gated repository.
    """
    from huggingface_hub import HfApi, errors, try_to_load_from_cache

    for name in ("config.json", "adapter_config.json"):
        try:
            cached = try_to_load_from_cache(repo, name, revision=revision)
        except errors.HFValidationError:
            return None
        if isinstance(cached, str):
            return Path(cached).parent.name
    try:
        return HfApi().model_info(repo, revision=revision, timeout=10).sha
    except errors.GatedRepoError:
        raise UsageError(
            f"`{repo}` is gated", f"accept its licence on the hub, then: hf auth login  ({repo})"
        ) from None
    except (OSError, errors.HTTPError):  # type: ignore[attr-defined]  # the HTTP library's own
        return None


def cached_snapshots(repo: str) -> list[Path]:
    """Copies of a hub model that the local cache holds, whatever revision they are of."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "snapshots"
    return sorted(path.parent for path in folder.glob("*/config.json"))
