"""vLLM without processes of its own: for a tiny model on a CPU their start outlasts its answers.

vLLM 0.32 starts two, and each imports torch and vLLM anew.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from sami_eval.core.types import Model
from sami_eval.generate.formats import read_model_json

VARIABLE = "VLLM_ENABLE_V1_MULTIPROCESSING"


@contextmanager
def in_this_process() -> Iterator[None]:
    """Engines of this block compute here, by one thread; what the user has said stays.

    vLLM seeds every generator of the process and puts a function that does nothing in the place of
    `torch.set_num_threads`: both are as before afterwards.
    """
    if VARIABLE in os.environ:
        yield
        return
    import numpy as np
    import torch

    set_threads, n_threads = torch.set_num_threads, torch.get_num_threads()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    os.environ[VARIABLE] = "0"
    set_threads(1)
    try:
        yield
    finally:
        _clean_up()
        del os.environ[VARIABLE]
        torch.set_num_threads = set_threads
        set_threads(n_threads)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _clean_up() -> None:
    """Let go of what vLLM keeps in a process beyond an engine."""
    from vllm.distributed import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()


def tiny_room(model: Model) -> dict[str, int]:
    """Room for the cache of a tiny model: 512 MiB, where that holds four of its longest prompts."""
    config = read_model_json(model.base, model.revision, "config.json")
    layers, context = config.get("num_hidden_layers"), config.get("max_position_embeddings")
    if not isinstance(layers, int) or not isinstance(context, int):
        return {"kv_cache_memory_bytes": 2 << 30}
    longest = 8 * layers * int(config["hidden_size"]) * context  # keys and values in float32
    return {"kv_cache_memory_bytes": 1 << (29 if 4 * longest < 1 << 29 else 31)}
