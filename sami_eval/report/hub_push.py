"""What goes to the hub, and what stays: an adapter with its card, a run with its page.

Only what is known to be part of a model or a run goes: no ledger, no checkpoint, no settings of
this machine. Keys of servers are masked in every text.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from sami_eval.core.errors import KeyMissingError, SamiEvalError, UsageError
from sami_eval.core.files import read_text
from sami_eval.generate.peft_folder import CONFIG, read_adapter_config
from sami_eval.report import hub_card, tracked
from sami_eval.report.finished import Finished
from sami_eval.report.hub_card import NAMES_BASE

WEIGHTS = """
adapter_model.safetensors adapter_model.bin model.safetensors model-*-of-*.safetensors
pytorch_model.bin pytorch_model-*-of-*.bin
"""
BESIDE = """
adapter_config.json config.json generation_config.json *.index.json tokenizer* vocab.* merges.txt
special_tokens_map.json added_tokens.json chat_template* sami_eval.json training.jsonl
"""
TEXTS = (".json", ".jsonl", ".txt", ".jinja", ".md")
LOGIN = "hf auth login, or export HF_TOKEN=..."

Licence = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the repository. source: a file that goes as it is, or a text."""

    place: str
    source: Path | str

    @property
    def size(self) -> int:
        """In bytes."""
        if isinstance(self.source, Path):
            return self.source.stat().st_size
        return len(self.source.encode())


@dataclass(frozen=True, slots=True)
class Push:
    """left: files that stay, and why. notes: what is not known or not as one would wish."""

    kind: Literal["model", "dataset"]
    items: tuple[Item, ...]
    left: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def of_run(found: Finished, place: Path) -> Push:
    """A run: a data set of its page, figures, tables and settings. The answers are in the page."""
    card = Item(hub_card.FILE, tracked.without_keys(hub_card.run_card(found)))
    held = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    sent = {"settings.toml", "report.html", "comparison.json", "passk.json", "reproduction.json"}
    left = [(name, "its rows stand in report.html") for name in held if name.endswith(".jsonl")]
    left += [(name, "no part of a run") for name in held if not name.endswith(".jsonl")]
    return Push(
        "dataset",
        (card, *_of_run(found, place, "")),
        tuple(one for one in left if one[0] not in sent),
        (),
    )


def _of_run(found: Finished, place: Path, prefix: str) -> Iterator[Item]:
    for name, text in tracked.tracked(found, place).files.items():
        yield Item(prefix + name, text)


def is_model(folder: Path) -> bool:
    """Whether a folder holds an adapter or a whole model."""
    return any((folder / name).is_file() for name in (CONFIG, "config.json"))


def of_model(
    folder: Path, run: tuple[Finished, Path] | None, licence: Licence = hub_card.licence_of
) -> Push:
    """An adapter or a model with its card; run: what measured it, in a folder beside.

    Raises UsageError where there are no weights.
    """
    names = sorted(path.name for path in folder.iterdir())
    weights = [name for name in names if _among(name, WEIGHTS)]
    if not weights:
        raise UsageError(f"`{folder}` holds no weights", "name the folder that training wrote")
    going = [name for name in names if name in weights or _among(name, BESIDE)]
    base = hub_card.base_of(folder)
    base = hub_card.hub_id(base) or base
    said = licence(base) if base else None
    text = hub_card.model_card(folder, base, said, run[0] if run else None)
    items = [Item(hub_card.FILE, tracked.without_keys(text))]
    items += [_item(folder / name, hub_card.hub_id(base)) for name in going]
    if run is not None:
        prefix = f"runs/{tracked.name_and_key(run[0])[0]}/"
        items += _of_run(*run, prefix)
    left = tuple((name, _why(folder / name)) for name in names if name not in going)
    left = tuple(one for one in left if one[0] != hub_card.FILE)
    return Push("model", tuple(items), left, tuple(_notes(folder, base, said)))


def _among(name: str, patterns: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())


def _item(path: Path, base: str | None) -> Item:
    """A file as it is; a text goes without keys, and names the base by its id where there is one.

    base: that id.
    """
    if path.suffix not in TEXTS:
        return Item(path.name, path)
    text = read_text(path, "an adapter's texts are UTF-8")
    masked = tracked.without_keys(text)
    if base is not None and path.name == CONFIG and _place_of_base(path.parent):
        named = {**read_adapter_config(path.parent), NAMES_BASE: base}
        masked = tracked.without_keys(json.dumps(named, indent=2) + "\n")
    return Item(path.name, path if masked == text else masked)


def _place_of_base(folder: Path) -> str | None:
    """The place of this machine by which PEFT's settings name the base; None: they name none."""
    found = read_adapter_config(folder).get(NAMES_BASE) if (folder / CONFIG).is_file() else None
    return str(found) if found and not hub_card.is_hub_id(str(found)) else None


def _why(path: Path) -> str:
    if path.is_dir():
        return "a folder: checkpoints and ledgers stay here"
    return "hidden" if path.name.startswith(".") else "no part of a model or its card"


def _notes(folder: Path, base: str | None, licence: str | None) -> Iterator[str]:
    place, known = _place_of_base(folder), hub_card.hub_id(base)
    if known is None:
        yield f"base {base or 'not known'}: no id of the hub, so the card links to none"
    if place is not None and known is None:
        said = "names the base by a place of this machine"
        yield f"warning: `{CONFIG}` {said}, `{place}`: nobody else finds it there"
    elif place is not None:
        yield f"`{CONFIG}` goes with the base `{known}` in the place of `{place}`"
    if licence is None:
        yield "the base's licence is not known: the card names none"


def upload(push: Push, repo: str, public: bool) -> str:
    """Make the repository where there is none, and commit; its address.

    Raises KeyMissingError without a token or with one that is refused, SamiEvalError for the rest.
    """
    import huggingface_hub as hub

    if hub.get_token() is None:
        raise KeyMissingError("nobody is logged in to the hub", LOGIN)
    try:
        made = hub.create_repo(repo, repo_type=push.kind, private=not public, exist_ok=True)
        with TemporaryDirectory() as folder:
            for item in push.items:
                _place(item, Path(folder) / item.place)
            hub.upload_folder(
                repo_id=made.repo_id,
                repo_type=push.kind,
                folder_path=folder,
                commit_message="Upload by sami-eval",
            )
    except hub_card.hub_errors() as error:
        raise _refused(error, repo) from None
    return str(made.url)


def _place(item: Item, path: Path) -> None:
    """The item below a folder, without a copy of the weights where the system can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(item.source, str):
        path.write_text(item.source, encoding="utf-8")
        return
    try:
        os.symlink(item.source.resolve(), path)
    except OSError:
        shutil.copyfile(item.source, path)


def _refused(error: Exception, repo: str) -> SamiEvalError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    why = tracked.without_keys(" ".join(str(error).split()))[:200]
    if status in (401, 403):
        return KeyMissingError(f"the hub refuses to write `{repo}`: {why}", LOGIN)
    if isinstance(error, ValueError) and status is None:
        return UsageError(f"`{repo}`: {why}", "a repository is called NAME or OWNER/NAME")
    return SamiEvalError(f"the hub did not take `{repo}`: {why}", "the same command tries again")
