"""The losses of a method: declared in its file, named in a recipe after a dot, as in `dpo.ipo`.

| in the method's file                   | says                                                |
|----------------------------------------|-----------------------------------------------------|
| LOSSES = ("plain", "other")            | their names; `METHOD` alone is the first            |
| LOSSES = "trl/trainer/dpo_trainer.py"  | all that an installed file compares `loss_type` with |
| SUMS = True                            | several may be added: `dpo.sigmoid,sft=0.2`         |

Nothing is imported: what a method imports takes seconds.
"""

from __future__ import annotations

import ast
import importlib.util
import math
from functools import lru_cache
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.source import constant, parsed

COMPARED = "loss_type"


def method_of(link: str) -> str:
    """The method of a link: `dpo` of `dpo.ipo`."""
    return link.partition(".")[0]


def terms(text: str) -> list[tuple[str, float]]:
    """Losses and their weights: `sigmoid,sft=0.2` is [("sigmoid", 1.0), ("sft", 0.2)].

    Raises UsageError for a weight that is none, and for a loss that stands twice.
    """
    found = [_term(part, text) for part in text.split(",")]
    if len({name for name, _ in found}) < len(found):
        raise UsageError(f"`{text}` names a loss twice", "add their weights: `sft=0.2`")
    return found


def _term(part: str, text: str) -> tuple[str, float]:
    name, equals, weight = part.partition("=")
    try:
        value = float(weight) if equals else 1.0
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"weight `{weight}` of the loss `{text}`", "e.g. `sigmoid,sft=0.2`")
    return name, value


def checked(link: str, file: Path) -> str:
    """A link as recipes print it: without a loss that the method has anyway.

    Raises UsageError, with those there are, for a loss that the method does not have.
    """
    method, dot, text = link.partition(".")
    if not dot:
        return link
    known = losses_of(file)
    if not known:
        raise UsageError(f"method `{method}` has one loss, and no `{text}`", f"write `{method}`")
    asked = terms(text)
    for name, _ in asked:
        if name not in known:
            raise UsageError(
                f"method `{method}` has no loss `{name}`", f"losses: {', '.join(known)}"
            )
    if len(asked) > 1 and constant(file, "SUMS") is not True:
        raise UsageError(f"method `{method}` takes one loss, not `{text}`", "name one")
    plain = ",".join(name if weight == 1 else f"{name}={weight:g}" for name, weight in asked)
    return method if plain == known[0] else f"{method}.{plain}"


def losses_of(file: Path) -> tuple[str, ...]:
    """A method's losses by name, its own first; empty where it declares none."""
    said = constant(file, "LOSSES")
    if isinstance(said, str):
        return _compared(said)
    return tuple(map(str, said)) if isinstance(said, tuple | list) else ()


@lru_cache
def _compared(path: str) -> tuple[str, ...]:
    """The texts that a file of an installed package compares `loss_type` with, in its order."""
    package, _, rest = path.partition("/")
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    file = next((one for one in (Path(folder) / rest for folder in folders) if one.is_file()), None)
    if file is None:
        raise UsageError(f"no file `{path}` is installed", f"pip install {package}")
    tree = parsed(file.read_text(encoding="utf-8"))
    found = [one for one in ast.walk(tree) if isinstance(one, ast.Compare) and _asks(one)]
    texts = (ast.literal_eval(one.comparators[0]) for one in sorted(found, key=lambda c: c.lineno))
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str)))


def _asks(one: ast.Compare) -> bool:
    """Whether it is `loss_type == "..."`, of an object or not."""
    name = ast.unparse(one.left).rpartition(".")[2]
    is_literal = isinstance(one.comparators[0], ast.Constant)
    return name == COMPARED and isinstance(one.ops[0], ast.Eq) and is_literal
