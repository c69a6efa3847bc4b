"""What a method is, and how its file is read, checked and loaded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from sami_eval.align import launch
from sami_eval.align.options import Options
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.source import constant, import_as_written
from sami_eval.core.types import Contrast, Model
from sami_eval.generate.recipes import BUNDLED, methods_in


class Method(Protocol):
    """What a module of `methods/` offers.

    It may name in UNUSED, a tuple of texts, the options that a user may not give it, and in
    LOSSES what `options.loss` may be (generate/losses.py); NOTE is a text for its card.
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


def refuse_unused(changes: Mapping[str, object], file: Path) -> None:
    """Raise UsageError for an option that a method would not look at; nothing is imported."""
    unused = constant(file, "UNUSED")
    for name in map(str, unused) if isinstance(unused, tuple | list) else ():
        if changes.get(name) is not None:
            raise UsageError(
                f"option `{name}` is nothing to the method `{file.stem}`",
                f"leave --{name.replace('_', '-')} out; it goes to the last link of a recipe",
            )


def with_loss(spec: str, changes: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """A recipe that names the loss which the changes ask of its last link, and the other changes.

    ("dpo@1", {"loss": "ipo"}) is ("dpo.ipo@1", {}): a recipe's name says what was trained.
    """
    loss = changes.get("loss")
    if loss is None:
        return spec, changes
    plain, _ = methods_in(spec)
    if "." in plain.partition("@")[0].rpartition("+")[2]:
        raise UsageError(f"`--loss {loss}`, and `{spec}` names a loss", "leave one of them out")
    name, at, seeds = spec.partition("@")
    others = {key: value for key, value in changes.items() if key != "loss"}
    return f"{name}.{loss}{at}{seeds}", others


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
    if file.suffix != ".py":
        raise UsageError(f"`{file}` is no Python file", "see sami-eval ls methods")
    if launch.is_main():  # of several processes one says it; --quiet is about progress alone
        print(running(file), file=sys.stderr, flush=True)
    try:
        return import_as_written(f"sami_eval_method_{file.stem}", file)
    except (SyntaxError, ImportError) as error:
        raise UsageError(f"cannot import method: {error}", "", str(file)) from error
