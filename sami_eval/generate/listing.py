"""What can be named without a path, and what is said of a name that means nothing."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.generate import peft_folder, recipes, steps
from sami_eval.generate.recipes import ADAPTERS, find_methods
from sami_eval.server.named import nearest


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `sami-eval ls models`. source: the file or folder it comes from."""

    name: str
    what: str
    source: str


def unknown(spec: str, config: Config) -> UsageError:
    """That a spec names nothing, and what near it does."""
    if spec.startswith(("/", "./", "../", "~")) or spec.endswith((".json", ".jsonl")):
        return UsageError(
            f"no folder and no file `{spec}`", "sami-eval ls models lists what is known"
        )
    name, mark, seeds = spec.rpartition("@")
    if mark and "," in seeds:  # several seeds: of a recipe, or of nothing
        return UsageError(
            f"`{spec}`: `{name}` is no recipe, and nothing else has seeds",
            f"name each model by itself, or a recipe: sami@{seeds}; sami-eval ls models lists them",
        )
    known = [listed.name for listed in list_models(config)]
    at = nearest(spec, config)
    close = [at] if at else difflib.get_close_matches(spec, known, n=2)
    meant = f"did you mean {' or '.join(f'`{name}`' for name in close)}? " if close else ""
    return UsageError(
        f"unknown model `{spec}`",
        f"{meant}it is no name in sami-eval.toml, no recipe ({', '.join(known)}), no folder, "
        "no file, not `openai:MODEL`, and no hub id that is cached or can be reached",
    )


def list_models(config: Config) -> list[Listed]:
    """What can be named without a path: [models], recipes, and the adapters trained so far."""
    named = [
        Listed(name, row.get("adapter") or row.get("base", ""), str(config.path))
        for name, row in config.models.items()
    ]
    paths = find_methods()
    plain = [Listed(recipes.BASE, "the base itself", "--base, by default the embedded one")]
    for method, file in sorted(paths.items()):
        recipe = recipes.parse(method, paths)
        plain.append(Listed(method, f"recipe {recipe.name}", str(file)))
    trained = sorted((config.root / ADAPTERS).glob(f"*/[!.]*/{peft_folder.CONFIG}"))
    return [*named, *plain, *(_adapter(path.parent, config) for path in trained)]


def _adapter(folder: Path, config: Config) -> Listed:
    kept = ", ".join(map(str, steps.of(folder)))
    what = f"trained adapter; steps kept: {kept}" if kept else "trained adapter"
    return Listed(str(folder.relative_to(config.root)), what, str(folder))
