"""A `.gguf` file as a base: converted once to a model folder, which everything else then uses.

transformers reads the file; what is quantised in it becomes float32, which loses nothing. The
folder lies beside the ledger under the file's name and content, so a file is converted again only
where its content is new. What transformers 5.19 leaves out of a file is mended in `gguf_mend`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.generate.fingerprints import file_hash
from sami_eval.generate.loading import first, quiet
from sami_eval.ledger.store import disk_error

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SUFFIX, MAGIC = ".gguf", b"GGUF"
FOLDER = "models"  # beside the ledger
RECORD = "CONVERTED-FROM"  # in a converted folder: its file. No suffix that a fingerprint counts
WHOLE = "download it again, whole"
ANOTHER = "name the model it was made from: a hub id or a model folder"
# Files of one type of number keep it; all others hold quantised tensors.
PLAIN = {"F16": "float16", "BF16": "bfloat16"}
ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says of itself.

    facts: its metadata, lists left out. dtype: what its weights are kept in. rope: factors of the
    wave lengths of its rotary embedding; None where they are as they are.
    """

    facts: Mapping[str, Any]
    dtype: str
    rope: tuple[float, ...] | None


def is_gguf(path: Path) -> bool:
    """Whether a file is meant as GGUF by its name, or is by its first bytes."""
    return path.is_file() and (path.suffix.lower() == SUFFIX or _begins_well(path))


def _begins_well(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def source_of(folder: Path) -> str | None:
    """The file that a model folder was converted from, as seen from here; None for any other."""
    try:
        source = Path((folder / RECORD).read_text(encoding="utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError):
        return None
    here = Path.cwd()
    return str(source.relative_to(here) if source.is_relative_to(here) else source)


def converted(path: Path, config: Config) -> Path:
    """The model folder of a file, made where there is none.

    Raises UsageError for a file that is damaged, is no whole model, or that transformers does not
    know; SamiEvalError where the disk refuses.
    """
    try:
        if not _begins_well(path):
            raise UsageError(f"`{path}` is no GGUF file: it does not begin with `GGUF`", WHOLE)
        place = config.ledger_path.parent / FOLDER / f"{path.stem}-{file_hash(path)[:16]}"
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}", "check its rights") from None
    try:
        if not _is_whole(place):
            with _alone(place, config):
                if not _is_whole(place):
                    _make(path, place, config)
    except OSError as error:
        raise disk_error(place, error) from error
    return place


def _is_whole(place: Path) -> bool:
    return (place / RECORD).is_file()


@contextlib.contextmanager
def _alone(place: Path, config: Config) -> Iterator[None]:
    """Hold the place against other processes; the lock of one that is gone is free."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        config.say(f"waiting: another process converts to `{place}`")
        lock.acquire()
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while held: who waits makes a new one
        lock.release()


def _make(path: Path, place: Path, config: Config) -> None:
    """Convert beside the place, then rename: it is whole or not there, whoever is killed."""
    stated = read(path)
    beside = place.with_name(f".{place.name}.unfinished")
    for left in (beside, place):  # of a process that was killed; of whoever deleted a part of it
        shutil.rmtree(left, ignore_errors=True)
    config.say(f"converting `{path}` to a model folder, once: {place}")
    beside.mkdir()
    try:
        _convert(path, stated, beside, config)
        record = beside / RECORD
        record.write_text(f"{path.absolute()}\n", encoding="utf-8")
        for file in beside.iterdir():
            file.chmod(record.stat().st_mode)  # safetensors keeps its own to their owner
            with file.open("rb") as written:
                os.fsync(written.fileno())
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read(path: Path) -> Stated:
    """What a file says of itself. Raises UsageError for one that is damaged, or no whole model."""
    if importlib.util.find_spec("gguf") is None:
        raise UsageError(f"`{path}` is read by the package gguf", "pip install gguf")
    from gguf import GGUFReader, GGUFValueType

    try:
        reader = GGUFReader(path)
        # Of lists, which are vocabularies, nothing is asked here; they take seconds.
        plain = {k: v for k, v in reader.fields.items() if v.types[:1] != [GGUFValueType.ARRAY]}
        facts = {name: field.contents() for name, field in plain.items()}
    except (ValueError, IndexError, KeyError, OverflowError):  # numpy's, of what is not there
        raise UsageError(f"`{path}` is cut off or damaged", WHOLE) from None
    kind, n_parts = facts.get("general.type", "model"), facts.get("split.count", 1)
    if kind != "model":
        raise UsageError(f"`{path}` holds no model: its type is `{kind}`", ANOTHER)
    if n_parts > 1:
        hint = f"llama-gguf-split --merge {path} whole.gguf"
        raise UsageError(f"`{path}` is one of {n_parts} parts of a model", hint)
    types = {tensor.tensor_type.name for tensor in reader.tensors} - {"F32"}
    dtype = PLAIN.get(next(iter(types)), "float32") if len(types) == 1 else "float32"
    factors = [tensor.data for tensor in reader.tensors if tensor.name == ROPE_FACTORS]
    rope = tuple(float(one) for one in factors[0].reshape(-1)) if factors else None
    return Stated(facts, dtype, rope)


def _convert(path: Path, stated: Stated, folder: Path, config: Config) -> None:
    """Write a file's network and tokenizer as a model folder."""
    from sami_eval.generate import gguf_mend

    try:
        # The conversion's bar is tqdm's own, which no setting of transformers silences.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = _tokenizer(path)
            network = _network(path, stated.dtype)
            left_out = [*gguf_mend.mend(network, tokenizer, stated.facts, stated.rope)]
    except ImportError as error:
        reason = f"cannot read `{path}`: {error}"
        raise UsageError(reason, "pip install --upgrade transformers gguf") from None
    except (ValueError, KeyError, TypeError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"transformers cannot read `{path}`: {reason}", ANOTHER) from None
    for said in left_out:
        config.warn(f"`{path}`: {said}")
    with quiet():
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    _forget_versions(folder)


def _tokenizer(path: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path.absolute().parent, gguf_file=str(path.absolute()))


def _network(path: Path, dtype: str) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM, GgufConfig

    network, found = AutoModelForCausalLM.from_pretrained(
        path.absolute().parent,
        gguf_file=str(path.absolute()),  # absolute: a file of its name may lie where we stand
        dtype=dtype,
        quantization_config=GgufConfig(dequantize=True),  # else it refuses to be saved
        output_loading_info=True,
    )
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} weights are not in it: {first(missing)}")
    return network


def _forget_versions(folder: Path) -> None:
    """Leave transformers' version out: the same file is the same model under the next one."""
    for path in (folder / "config.json", folder / "generation_config.json"):
        if path.is_file():
            stated = json.loads(path.read_text(encoding="utf-8"))
            stated.pop("transformers_version", None)
            path.write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
