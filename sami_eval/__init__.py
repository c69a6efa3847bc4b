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

if TYPE_CHECKING:
    from sami_eval.align import align as align
    from sami_eval.passk import passk as passk
    from sami_eval.run import compare as compare

__version__ = "0.1.0"
__all__ = ["__version__", "align", "compare", "passk"]


def __getattr__(name: str) -> object:
    if name in ("align", "passk"):
        # Modules that can be called: the import of a part of them would put them here anyway.
        return importlib.import_module(f"{__name__}.{name}")
    if name != "compare":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sami_eval import run

    return run.compare
