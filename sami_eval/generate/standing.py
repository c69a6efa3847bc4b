"""What contenders stand on, and where they are asked: it decides what they are asked.

The embedded world belongs to the embedded base. A server, a hub id, an adapter of another base is
never asked its questions, whatever was or was not said about a base.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sami_eval.core.address import normal, shown
from sami_eval.core.types import SERVED, Model
from sami_eval.embedded import BASE_DIR
from sami_eval.generate import card
from sami_eval.generate.fingerprints import folder_fingerprint
from sami_eval.server.endpoint import URL_VARIABLE, addresses_of, shown_address

EMBEDDED = "the embedded base"


def on_embedded(model: Model) -> bool:
    """Whether a model is the embedded base, an adapter on it, or a checkpoint trained from it."""
    folder = Path(model.base)
    if model.engine != "local" or not folder.is_dir():
        return False
    if folder == BASE_DIR:
        return True
    known = (card.read(folder) or {}).get("base", {})
    return folder_fingerprint(BASE_DIR) in (known.get("fingerprint"), folder_fingerprint(folder))


def some_on(base: Model, models: Sequence[Model]) -> bool:
    """Whether any model that runs here stands on this base."""
    return any(model.engine == "local" and model.base == base.base for model in models)


def that_run(models: Sequence[Model]) -> list[Model]:
    """The models that answer now; records have answered."""
    return [model for model in models if model.engine != "recorded"]


def in_embedded_world(models: Sequence[Model]) -> bool:
    """Whether any model runs, and all that do stand on the embedded base."""
    running = that_run(models)
    return bool(running) and all(map(on_embedded, running))


def base_name(model: Model) -> str | None:
    """What a model stands on, as a person names it; None where nobody here can know."""
    if model.engine != "local":
        return None
    if on_embedded(model):
        return EMBEDDED
    return f"{model.base}@{model.revision[:12]}" if model.revision else model.named


def address(model: Model, base_url: str | None) -> str | None:
    """Where a model is asked, without keys; None where no server is."""
    return shown_address(model, base_url) if model.engine in SERVED else None


def unused_address(models: Sequence[Model], base_url: str | None) -> str | None:
    """What to say of an address that was typed, where no model is asked at it."""
    if base_url is None or base_url == os.environ.get(URL_VARIABLE):
        return None
    served = [model for model in models if model.engine in SERVED]
    asked = {normal(one) for model in served for one in addresses_of(model, base_url)}
    if normal(base_url) in asked:
        return None
    each = ", ".join(f"`{model.name}` is at {address(model, base_url)}" for model in served)
    where = each or "no model is asked at a server"
    return f"`--base-url {shown(base_url)}` is not used: {where}"


def alike(models: Sequence[Model]) -> list[str]:
    """What to say of models that are one and the same under two names."""
    first: dict[tuple[object, ...], str] = {}
    said = []
    for model in models:
        asked = (model.base, model.base_url, model.replicas, model.request)
        place = asked if model.engine in SERVED else ()  # what runs here may be copied
        same = (model.engine, model.fingerprint, model.chat_template, place)
        known = first.setdefault(same, model.name)
        if known != model.name:
            said.append(f"`{known}` and `{model.name}` are one and the same: they answer alike")
    return said


def difference(models: Sequence[Model], base_url: str | None) -> str | None:
    """What to say of models on different bases: what is measured is then the bases', too."""
    grounds: dict[str, tuple[str, str]] = {}
    for model in that_run(models):
        base = base_name(model)
        ground = f"on {base}" if base else f"at {address(model, base_url)}"
        # One folder or file may have been named in two ways.
        place = os.path.realpath(model.base) if base == model.named else ground
        grounds.setdefault(place, (ground, model.name))
    if len(grounds) < 2 or not any(ground.startswith("on ") for ground, _ in grounds.values()):
        return None
    each = ", ".join(f"`{name}` {ground}" for ground, name in grounds.values())
    return f"different bases: {each}; the difference is not an adapter's alone"
