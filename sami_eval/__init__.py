"""Did this adapter make the model better, or is it noise?

import sami_eval
result = sami_eval.compare("sami", "dpo", task="mtbench")
print(result)                                   # a notebook shows tables: result alone
print(result["comparisons"][0]["interval"])
result = sami_eval.passk("base", "sft", ks=(1, 10))
adapter = sami_eval.align("sami")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sami_eval.core.versions import __version__

if TYPE_CHECKING:
    from sami_eval.align import align as align
    from sami_eval.core.errors import KeyMissingError as KeyMissingError
    from sami_eval.core.errors import SamiEvalError as SamiEvalError
    from sami_eval.core.errors import UsageError as UsageError
    from sami_eval.faces.agreement import agreement as agreement
    from sami_eval.faces.compare import compare as compare
    from sami_eval.faces.contrast import contrast as contrast
    from sami_eval.faces.passk import passk as passk
    from sami_eval.faces.power import power as power
    from sami_eval.faces.show import show as show

_FACES = ("agreement", "compare", "contrast", "passk", "power", "show")
_ERRORS = ("KeyMissingError", "SamiEvalError", "UsageError")

__all__ = [
    "KeyMissingError",
    "SamiEvalError",
    "UsageError",
    "__version__",
    "agreement",
    "align",
    "compare",
    "contrast",
    "passk",
    "power",
    "show",
]


def __getattr__(name: str) -> object:
    if name == "align":
        # A package that can be called: the import of a part of it would put it here anyway.
        return importlib.import_module("sami_eval.align")
    if name in _ERRORS:
        return getattr(importlib.import_module("sami_eval.core.errors"), name)
    if name not in _FACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"sami_eval.faces.{name}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
