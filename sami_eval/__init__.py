"""Did this adapter make the model better, or is it noise?

import sami_eval
document = sami_eval.compare("sami", "dpo", task="mtbench")
print(document["comparisons"][0]["interval"])
document = sami_eval.passk("base", "sft", ks=(1, 10))
adapter = sami_eval.align("sami")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sami_eval.core.versions import __version__

if TYPE_CHECKING:
    from sami_eval.align import align as align
    from sami_eval.experiment.faces import compare as compare
    from sami_eval.experiment.faces import passk as passk

__all__ = ["__version__", "align", "compare", "passk"]

_FACES = ("compare", "passk")


def __getattr__(name: str) -> object:
    if name == "align":
        # A package that can be called: the import of a part of it would put it here anyway.
        return importlib.import_module("sami_eval.align")
    if name not in _FACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("sami_eval.experiment.faces"), name)
