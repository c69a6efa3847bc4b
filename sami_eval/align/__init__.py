"""Contrasts in, an adapter out: SFT, DPO, SAMI, and any method in one more file.

A method is a module with a `train` function. The modules of `sami_eval/align/methods/` and the
files of `./methods/` are the registry; a user's file wins over ours of the same name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from sami_eval.align import launch
from sami_eval.align.options import Options
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress, silent
from sami_eval.core.settings import Amount, Face, check, made
from sami_eval.core.types import Contrast, Model

if TYPE_CHECKING:
    from torch import Tensor

BUNDLED = Path(__file__).with_name("methods")
OWN = Path("methods")
ADAPTERS = Path("adapters")


class Method(Protocol):
    """What a module of `methods/` offers.

    It may name in UNUSED, a tuple of texts, the options that a user may not give it.
    """

    def train(
        self,
        contrasts: Sequence[Contrast],
        base: Model,
        options: Options,
        out: Path,
        progress: Progress,
    ) -> Model:
        """Train an adapter and save it as a PEFT folder.

        base: where training starts; with `base.adapter` set, from that adapter's weights, which
            are also the frozen reference.
        out: an existing folder, empty unless it holds `checkpoints/` that the same training left
            when it was killed. The method may write `training.jsonl` into it, one line of metrics
            a step, and `trained_on.json`, the ids of the prompts it used where it left some out.
        Returns base with `adapter` set to out.
        """


@dataclass(frozen=True, slots=True)
class Settings:
    """What `align` was asked to do besides contrasts and base."""

    recipe: str
    out: Path | None
    adapters: Path
    seed: Amount
    preset: str | None
    changes: Mapping[str, Any]
    resume: bool

    def __post_init__(self) -> None:
        check(self, hint="sami-eval align --help")


def find_methods(folder: Path = OWN) -> dict[str, Path]:
    """Every method by name, with the file it comes from; nothing is imported."""
    files = [*sorted(BUNDLED.glob("*.py")), *sorted(folder.glob("*.py"))]
    return {file.stem: file for file in files if not file.stem.startswith("_")}


def listing(folder: Path = OWN) -> list[tuple[str, str, str]]:
    """(name, first line of its docstring, file) of every method; nothing is imported."""
    rows = []
    for name, file in find_methods(folder).items():
        try:
            text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            text = f"cannot be read: {error}"
        rows.append((name, text.partition("\n")[0], str(file)))
    return rows


def refuse_unused(changes: Mapping[str, object], file: Path) -> None:
    """Raise UsageError for an option that a method would not look at; nothing is imported."""
    for name in _unused(file):
        if changes.get(name) is not None:
            raise UsageError(
                f"option `{name}` is nothing to the method `{file.stem}`",
                f"leave --{name.replace('_', '-')} out; it goes to the last link of a recipe",
            )


def _unused(file: Path) -> tuple[str, ...]:
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()  # loading it says what is wrong
    for one in body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "UNUSED":
            texts = (part.value for part in ast.walk(one.value) if isinstance(part, ast.Constant))
            return tuple(map(str, texts))
    return ()


def methods_in(spec: str, folder: Path = OWN) -> tuple[str, dict[str, Path]]:
    """The recipe with methods given by path replaced by their names, and every method it may use.

    Raises UsageError for a path that is no file.
    """
    known = find_methods(folder)
    name, at, seeds = spec.partition("@")
    links = name.split("+")
    for i, link in enumerate(links):
        if not link.endswith(".py"):
            continue
        file = Path(link)
        if not file.is_file():
            raise UsageError(f"no method file `{link}`", "see sami-eval ls methods")
        links[i] = file.stem
        known[file.stem] = file
    return "+".join(links) + at + seeds, known


def load_method(file: Path) -> Method:
    """The module of a method, imported now; another's than ours is said to be run before it is.

    Raises UsageError where it has no `train`.
    """
    if file.resolve().parent == BUNDLED.resolve():
        module = importlib.import_module(f"sami_eval.align.methods.{file.stem}")
    else:
        module = _import(file)
    if not callable(getattr(module, "train", None)):
        raise UsageError(
            f"method `{file.stem}` has no function `train`",
            "define train(contrasts, base, options, out, progress) -> Model",
            str(file),
        )
    return cast(Method, module)


def running(file: Path) -> str:
    """What to say before a user's method file is run: it is code, and may stand in for ours."""
    ours = (BUNDLED / file.name).is_file()
    instead = ", not the one that comes with sami-eval" if ours else ""
    return f"method `{file.stem}`: the code of {file} is run{instead}"


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sami_eval_method_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"`{file}` is no Python file", "see sami-eval ls methods")
    module = importlib.util.module_from_spec(spec)
    if launch.is_main():  # of several processes one says it; --quiet is about progress alone
        print(running(file), file=sys.stderr, flush=True)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        raise UsageError(f"cannot import method: {error}", "", str(file)) from error
    return module


def sami_loss(logps: Tensor) -> Tensor:
    """SAMI's loss of a contrast matrix (arXiv 2404.14313); see `align.loss.sami_loss`.

    logps: (N, N) or (B, N, N) in nats; entry [i, j] is the log-probability of response j under
        constitution i.
    Returns a scalar in nats. Raises ValueError if logps is not square.
    """
    from sami_eval.align import loss

    return loss.sami_loss(logps)


def align(
    recipe: str,
    contrasts: Sequence[Contrast] | Path | str | None = None,
    base: Model | Path | str | None = None,
    *,
    out: Path | str | None = None,
    adapters: Path | str = ADAPTERS,
    seed: int = 0,
    preset: str | None = None,
    changes: dict[str, object] | None = None,
    progress: Progress | None = None,
    resume: bool = True,
) -> Model:
    """Train a recipe's adapter on contrasts: `sami-eval align` from Python.

    recipe: as on the command line; missing earlier links are trained first.
    contrasts: or a file of them; by default those beside the base's adapters, which the embedded
        base writes first. base: or its name, as `--base`; by default that of `sami-eval.toml`.
    out: the adapter's folder, by default `adapters/BASE/RECIPE@SEED`.
    seed: where the recipe names none. preset: of `align/presets.toml`, by default the base's own.
    changes: Options fields for the last link. An adapter trained on the same contrasts with the
    same options is returned as it is; resume: a killed one goes on from its last checkpoint.
    Returns the base with `adapter` set, or the checkpoint under `full`.
    Raises UsageError for an unknown recipe, preset or option and for contrasts that cannot be
    trained on, SamiEvalError where training fails or collapses.
    """
    from sami_eval.align import chain

    given = {"recipe": recipe, "out": out, "adapters": adapters, "seed": seed, "preset": preset}
    asked = made(Settings, "align", {**given, "changes": changes or {}, "resume": resume})
    if "seed" in asked.changes:
        raise UsageError("option `seed` is among the changes", "seed=..., or a recipe `NAME@SEED`")
    shown = progress or silent()
    start = base if isinstance(base, Model) else _base(base)
    read = _contrasts(contrasts, start, shown)
    work = chain.Work(start, asked.adapters, asked.seed, asked.preset, shown, asked.resume)
    return chain.align(asked.recipe, read, work, asked.out, asked.changes)


def _base(spec: Path | str | None) -> Model:
    from sami_eval.core.config import find_config
    from sami_eval.generate import models

    config = find_config(Path.cwd())
    return models.resolve_base(str(spec) if spec else config.defaults.get("base"), config)


def _contrasts(
    given: Sequence[Contrast] | Path | str | None, base: Model, progress: Progress
) -> Sequence[Contrast]:
    from sami_eval.align import adapters
    from sami_eval.core.config import find_config
    from sami_eval.data.contrasts import read_contrasts
    from sami_eval.ledger.store import Ledger

    if isinstance(given, str | Path):
        return read_contrasts(Path(given))
    if given is not None:
        return given
    config = find_config(Path.cwd())
    with Ledger(config.ledger_path, say=progress.say) as ledger:
        return adapters.contrasts_for(base, adapters.Workshop(config, ledger, progress, train=True))


sys.modules[__name__].__class__ = Face
