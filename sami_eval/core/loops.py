"""Coroutines run to their end from anywhere, a notebook's cell included."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

# A signal may arrive in another thread, and one that waits for a lock alone then sleeps on.
_AWAKE_S = 0.1
# A thousand calls in flight are a hundred thousand objects, looked through for cycles at every 700
# new ones: a quarter of a call's time.
_NEW_OBJECTS = 20_000

Work = Callable[[], Coroutine[Any, Any, None]]


def run_to_end(work: Work) -> None:
    """Run it, here or, where this thread runs a loop already, in a thread of its own."""
    with _seldom_collected():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(work())
        else:
            _beside_a_loop(work)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Have Python look for cycles less often, and not among what there is already."""
    often, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(max(_NEW_OBJECTS, often[0]) if often[0] else 0, *often[1:])
    if not frozen:  # by whoever called us, for reasons of their own
        gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*often)
        if not frozen:
            gc.unfreeze()


def _beside_a_loop(work: Work) -> None:
    """Run it in a thread: a notebook runs a loop in this one, which has room for one alone.

    Ctrl-C arrives here, and ends the calls there.
    """
    begun: Future[Callable[[], object]] = Future()

    async def main() -> None:
        task, loop = asyncio.ensure_future(work()), asyncio.get_running_loop()
        begun.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        await task

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(lambda: asyncio.run(main()))
        try:
            while not running.done():
                wait([running], timeout=_AWAKE_S)
        except BaseException:
            if not running.done():
                begun.result()()
            raise
        running.result()
