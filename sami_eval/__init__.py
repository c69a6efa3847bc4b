"""Did this adapter make the model better, or is it noise?

import sami_eval
document = sami_eval.compare("sami", "dpo", task="mtbench")
print(document["comparisons"][0]["interval"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sami_eval.run import compare as compare

__version__ = "0.1.0"
__all__ = ["__version__", "compare"]


def __getattr__(name: str) -> object:
    if name != "compare":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sami_eval import run

    return run.compare
