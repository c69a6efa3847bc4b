"""Which base an adapter stands on: the one it names, or the one that is named in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.generate import card, gguf
from sami_eval.generate.fingerprints import cached_snapshots, hub_commit
from sami_eval.generate.peft_folder import read_adapter_config
from sami_eval.ledger.store import key

# (spec or None for the embedded base, revision) -> the base.
Resolve = Callable[[str | None, str | None], Model]

_SNAPSHOT = re.compile(r"models--(?P<repo>.+)")


@dataclass(frozen=True, slots=True)
class Stated:
    """What an adapter says of its base: PEFT's settings, and our card where there is one.

    fingerprint, by_commit: of our card; whether it is that of a hub commit, not of a folder.
    source: the .gguf file that the base was converted from.
    """

    adapter: Path
    base: str
    revision: str | None
    fingerprint: str | None
    by_commit: bool
    source: str | None


def stated(adapter: Path) -> Stated:
    """What an adapter's folder says of its base."""
    config, known = read_adapter_config(adapter), _of_card(adapter)
    base, name = config.get("base_model_name_or_path"), str(known.get("id") or "")
    return Stated(
        adapter,
        str(base or name),
        known.get("revision") or config.get("revision"),
        known.get("fingerprint"),
        known.get("revision") is not None,
        gguf.source_of(Path(str(base))) or (name if name.endswith(gguf.SUFFIX) else None),
    )


def _of_card(adapter: Path) -> Mapping[str, Any]:
    base = (card.read(adapter) or {}).get("base", {})
    return base if isinstance(base, dict) else {}


def base_of_adapter(said: Stated, base: str | None, config: Config, resolve: Resolve) -> Model:
    """The base to load. base: what `--base` or the file names in its place.

    A base that is known to be another is refused; one that may be the same under another name (a
    path of the machine it was trained on, a hub id, a quantised twin) is taken with a warning.
    """
    default = config.defaults.get("base")
    own = _here(said, resolve)
    if base is None or base == default:
        own = own or _elsewhere(said, config, resolve)
    if own is not None and base in (None, default):
        return _unchanged(said, own)
    if base is None:
        raise _not_here(said)
    model = resolve(base, said.revision if base == said.base else None)
    if _is_known_other(said, model, own):
        leave_out = own is not None and _matches(said, own)
        raise UsageError(
            f"adapter `{said.adapter}` was trained on {_named(said)}, not on `{base}`",
            "leave --base out" if leave_out else f"name that one with --base; or, {_forget(said)}",
        )
    if not _matches(said, model):
        config.warn(
            f"adapter `{said.adapter}` was trained on {_named(said)}; `{base}` stands in for it, "
            "and shapes alone decide whether it fits"
        )
    return model


def _unchanged(said: Stated, own: Model) -> Model:
    """The adapter's own base, where it is what it was when the adapter was trained."""
    if said.fingerprint and not said.by_commit and own.fingerprint != said.fingerprint:
        raise UsageError(
            f"adapter `{said.adapter}` was trained on {_named(said)}, "
            "whose files have changed since",
            f"train it again; or, {_forget(said)}",
        )
    return own


def _named(said: Stated) -> str:
    name = f"`{said.source or said.base or said.fingerprint or 'a base it does not name'}`"
    return name + (f" at revision `{said.revision}`" if said.revision else "")


def _forget(said: Stated) -> str:
    return f"where it is the same model, move {said.adapter / card.FILE} away and give --base"


def _here(said: Stated, resolve: Resolve) -> Model | None:
    """The base an adapter names, where it is the embedded one, or lies on this machine."""
    if said.fingerprint:
        default = resolve(None, None)
        if default.fingerprint == said.fingerprint:
            return default  # the package may have moved since
    for near in (said.adapter / said.base, Path(said.base).expanduser()):
        if said.base and (near / "config.json").is_file():
            return resolve(str(near), None)
    file = Path(said.source or "").expanduser()
    return resolve(str(file), None) if gguf.is_gguf(file) else None


def _elsewhere(said: Stated, config: Config, resolve: Resolve) -> Model | None:
    """The base an adapter names, where it is a name of the config or a hub id that is known."""
    if said.base in config.models:
        return resolve(said.base, said.revision)
    if not said.base or _is_path(said.base):
        return None
    known = hub_commit(said.base.partition("@")[0], said.revision) is not None
    return resolve(said.base, said.revision) if known else None


def _is_path(name: str) -> bool:
    """Whether a name can only be a folder; a hub id has one slash at most."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name


def _matches(said: Stated, model: Model) -> bool:
    """Whether a base is, for all that can be told, the one an adapter names."""
    if said.fingerprint == model.fingerprint:
        return True
    if said.fingerprint and said.by_commit == (model.revision is not None):
        return False
    repo, commit = _snapshot(model)
    if said.base in (model.base, repo):
        return said.revision is None or commit is None or commit.startswith(said.revision)
    here = Path(said.base)
    return here.exists() and here.resolve() == Path(model.base).resolve()


def _snapshot(model: Model) -> tuple[str | None, str | None]:
    """The hub id and commit of a base: its own, or those of the cache folder it lies in."""
    if model.revision is not None:
        return model.base, model.revision
    folder = Path(model.base)  # .../models--OWNER--NAME/snapshots/COMMIT
    match = _SNAPSHOT.fullmatch(folder.parent.parent.name)
    if match is None or folder.parent.name != "snapshots":
        return None, None
    return match["repo"].replace("--", "/", 1), folder.name


def _is_known_other(said: Stated, model: Model, own: Model | None) -> bool:
    """Whether a base is surely not the adapter's: of other content than the one it was made on."""
    if said.fingerprint:
        same_sort = said.by_commit == (model.revision is not None)
        return same_sort and not _matches(said, model) and not _is_twin(said, model)
    if own is None or own.revision is not None or model.revision is not None:
        return False
    if own.fingerprint == model.fingerprint or _matches(said, model):
        return False
    from sami_eval.generate.formats import is_quantised

    return is_quantised(own) == is_quantised(model)


def _is_twin(said: Stated, model: Model) -> bool:
    """Another hub id: a quantised or renamed copy, as far as anybody can tell."""
    return said.by_commit and said.base != model.base


def _not_here(said: Stated) -> UsageError:
    if not said.base:
        return UsageError(
            f"adapter `{said.adapter}` does not name its base",
            "name it with --base FOLDER, or a hub id",
        )
    found = [] if _is_path(said.base) else cached_snapshots(said.base)
    where = str(found[0]) if found else "FOLDER, or a hub id"
    return UsageError(
        f"adapter `{said.adapter}` was trained on {_named(said)}, which is not here",
        f"say where that base is: --base {where}",
    )


def with_tokenizer(model: Model, base: str | None, config: Config, resolve: Resolve) -> Model:
    """A model folder without tokenizer, as some trainers leave it, with that of the named base.

    Raises UsageError for a vocabulary of another size.
    """
    from sami_eval.generate.formats import has_words, read_model_json

    if base is None or has_words(Path(model.base)):
        return model
    ground = resolve(base, None)
    folder = Path(ground.base)
    if ground.revision is not None:
        held = [one for one in cached_snapshots(ground.base) if one.name == ground.revision]
        folder = held[0] if held else folder
    if folder.resolve() == Path(model.base).resolve() or not has_words(folder):
        return model
    sizes = [
        read_model_json(str(one), None, "config.json").get("vocab_size")
        for one in (model.base, folder)
    ]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"`{model.base}` has no tokenizer, and that of `{base}` is for {sizes[1]} tokens, not "
            f"{sizes[0]}",
            "name the model it was made from with --base, or copy its tokenizer into the folder",
        )
    config.warn(f"`{model.base}` has no tokenizer: that of `{base}` is used")
    fingerprint = key("tokenizer", model.fingerprint, ground.fingerprint)
    return replace(model, tokenizer=str(folder), fingerprint=fingerprint)
