"""What `sami`, `base+dpo` or `sft+sami+dpo@1,2,3` mean: a chain of methods and its seeds.

| recipe       | chain             | printed as   |
|--------------|-------------------|--------------|
| base         | (nothing trained) | base         |
| sft          | sft               | sft          |
| sami, dpo    | sft, then it      | sft+sami     |
| base+sami    | sami              | base+sami    |
| sft+sami+dpo | left to right     | sft+sami+dpo |
| dpo.ipo      | sft, then dpo.ipo | sft+dpo.ipo  |
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.source import parsed
from sami_eval.generate import losses

BASE = "base"
FIRST = "sft"
BUNDLED = Path(__file__).parents[1] / "align" / "methods"
OWN = Path("methods")
ADAPTERS = Path("adapters")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Methods in the order they are applied to the base; seeds is empty where none was given.

    A method stands with its loss where it is not the method's own: `dpo.ipo` (losses.py).
    """

    chain: tuple[str, ...]
    seeds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """How tables print it, without seeds."""
        begins = () if self.chain[:1] == (FIRST,) else (BASE,)
        return "+".join((*begins, *self.chain))

    @property
    def method(self) -> str:
        """The last method, without its loss."""
        return losses.method_of(self.chain[-1])

    def links(self) -> list[Recipe]:
        """Every recipe trained on the way, this one last: sft, then sft+sami."""
        return [Recipe(self.chain[:n], self.seeds) for n in range(1, len(self.chain) + 1)]


def find_methods(folder: Path = OWN) -> dict[str, Path]:
    """Every method by name, with the file it comes from; nothing is imported."""
    files = [*sorted(BUNDLED.glob("*.py")), *sorted(folder.glob("*.py"))]
    return {file.stem: file for file in files if not file.stem.startswith("_")}


def listing(folder: Path = OWN) -> list[tuple[str, str, str]]:
    """(name, first line of its docstring, file) of every method; nothing is imported."""
    rows = []
    for name, file in find_methods(folder).items():
        try:
            text = ast.get_docstring(parsed(file.read_text(encoding="utf-8"))) or ""
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            text = f"cannot be read: {error}"
        rows.append((name, text.partition("\n")[0], str(file)))
    return rows


def methods_in(spec: str, folder: Path = OWN) -> tuple[str, dict[str, Path]]:
    """The recipe with methods given by path replaced by their names, and every method it may use.

    Raises UsageError for a path that is no file.
    """
    known = find_methods(folder)
    name, at, seeds = spec.partition("@")
    links = name.split("+")
    for i, link in enumerate(links):
        path, suffix, loss = link.rpartition(".py")
        if not suffix or not (loss == "" or loss.startswith(".")):
            continue
        file = Path(path + suffix)
        if not file.is_file():
            raise UsageError(f"no method file `{file}`", "see sami-eval ls methods")
        links[i] = file.stem + loss
        known[file.stem] = file
    return "+".join(links) + at + seeds, known


def match(spec: str, methods: Mapping[str, Path]) -> Recipe | None:
    """The recipe a spec names, or None where it names none and may mean something else.

    methods: by name, with their files. Raises UsageError for a recipe with bad seeds, a loss that
    its method does not have, or an ambiguous beginning.
    """
    name, at, seeds = spec.partition("@")
    links = name.split("+")
    named = all(losses.method_of(link) in methods or link == BASE for link in links)
    if not named or BASE in links[1:] or ("." in name and Path(name).exists()):
        return None
    links = [
        link if link == BASE else losses.checked(link, methods[losses.method_of(link)])
        for link in links
    ]
    name = "+".join(links)
    return Recipe(_chain(name, links), _seeds(spec, seeds) if at else ())


def parse(spec: str, methods: Mapping[str, Path]) -> Recipe:
    """The recipe a spec names. Raises UsageError listing the methods where it names none."""
    recipe = match(spec, methods)
    if recipe is None:
        known = ", ".join(f"`{method}`" for method in sorted(methods))
        raise UsageError(
            f"no recipe `{spec}`",
            f"methods are {known}; recipes are `base`, a method, `base+METHOD` or `sft+METHOD+...`",
        )
    return recipe


def _chain(name: str, links: list[str]) -> tuple[str, ...]:
    if links[0] == BASE:
        return tuple(links[1:])
    if links[0] == FIRST:
        return tuple(links)
    if len(links) == 1:
        return (FIRST, links[0])  # as in the paper: one round on top of SFT
    raise UsageError(
        f"recipe `{name}` does not say where it begins", f"write `sft+{name}` or `base+{name}`"
    )


def _seeds(spec: str, text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"seeds of `{spec}` are not whole numbers", "e.g. `sami@1,2,3`")
    seeds = tuple(map(int, parts))
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"`{spec}` names a seed twice", "e.g. `sami@1,2,3`")
    return seeds
