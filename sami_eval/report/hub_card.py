"""The card of what goes to the hub: a model's with its base and licence, a run's with its table."""

from __future__ import annotations

import re
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_text
from sami_eval.generate import card
from sami_eval.generate.peft_folder import CONFIG, read_adapter_config
from sami_eval.report.finished import Finished, about, report_of
from sami_eval.report.formats.markdown import markdown
from sami_eval.report.table import Lines

FILE = "README.md"
HINT = "mend its first lines, between two of ---"
FRONT = re.compile(r"---\n.*?\n---\n", re.S)
LICENCE = re.compile(r"^license: *([\w.-]+)", re.M)
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")
NAMES_BASE = "base_model_name_or_path"
CACHED = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/")


def base_of(folder: Path) -> str | None:
    """The base of an adapter or a trained model, as its card or PEFT's settings name it."""
    known = card.read(folder)
    if known is not None:
        return str(known["base"]["id"])
    if (folder / CONFIG).is_file():
        named = read_adapter_config(folder).get(NAMES_BASE)
        return str(named) if named else None
    return None


def is_hub_id(base: str) -> bool:
    """Whether others find it under this name: no path of this machine."""
    return bool(HUB_ID.match(base)) and not Path(base).exists()


def hub_id(base: str | None) -> str | None:
    """The name under which others find a base, that of a copy in the hub's cache too; or None."""
    cached = CACHED.search(base or "")
    if cached is not None:
        return f"{cached[1]}/{cached[2]}"
    return base if base and is_hub_id(base) else None


def licence_of(base: str) -> str | None:
    """What the base's card says of its licence, at the hub or in its folder; None: not known."""
    from huggingface_hub import model_info

    if not is_hub_id(base):
        file = Path(base) / FILE
        front = FRONT.match(read_text(file, HINT)) if file.is_file() else None
        said = LICENCE.search(front[0]) if front else None
        return said[1] if said else None
    try:
        data = model_info(base).card_data
    except hub_errors():
        return None
    found = None if data is None else data.get("license")
    return found if isinstance(found, str) else None


def hub_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises; its HTTP library is another from version to version."""
    from huggingface_hub.errors import HfHubHTTPError

    of_http = [one for one in HfHubHTTPError.__mro__ if one.__name__ == "HTTPError"]
    return (OSError, ValueError, *of_http)


def model_card(folder: Path, base: str | None, licence: str | None, run: Finished | None) -> str:
    """The folder's own card, with what the hub wants to know, and what a run measured."""
    import yaml
    from huggingface_hub import ModelCard, ModelCardData

    file = folder / FILE
    text = read_text(file, HINT) if file.is_file() else _plain(folder, base)
    try:
        made = ModelCard(text, ignore_metadata_errors=True)
    except (ValueError, yaml.YAMLError) as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(f"no card of the hub: {what}", HINT, str(file)) from None
    assert isinstance(made.data, ModelCardData)
    made.data.base_model = hub_id(base)
    made.data.license = made.data.license or licence
    return str(made) + ("" if run is None else f"\n## Measured\n\n{_measured(run)}")


def _plain(folder: Path, base: str | None) -> str:
    kind = "peft" if (folder / CONFIG).is_file() else "transformers"
    said = f" of `{base}`" if base else ""
    return f"---\nlibrary_name: {kind}\n---\n\n# {folder.name}\n\nAn adapter{said}.\n"


def run_card(found: Finished) -> str:
    """A run's: what was compared, by whom judged, and the table."""
    command = " ".join(about(found)[1].split()) or "from Python"
    return f"""---
tags: [sami-eval]
---

# A run of sami-eval

{_measured(found)}
`report.html` has every question, answer and verdict; `result.json` every figure. The command was

    {command}
"""


def _measured(found: Finished) -> str:
    """Title and table; names that others wrote mean nothing in it."""
    title = Lines((about(found)[0],), exported=True)
    return markdown([[title], *report_of(found)])
