"""Memory that a training or an engine held, given back before the next one asks for its own.

And when Python looks for what can be given back.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def release() -> None:
    """Free what only cycles hold, and the GPU memory torch keeps for later.

    A trainer and its model refer to each other; and vLLM refuses to start on a GPU whose memory is
    not free, whoever in the process holds it.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def uncollected() -> Iterator[None]:
    """Have Python look for no cycles: of what a large import makes, nothing goes away."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
