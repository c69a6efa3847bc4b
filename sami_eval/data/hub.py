"""Data sets, of the hub or of files: read without a library's own words on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 200  # letters of a reason


class HubError(Exception):
    """A data set that could not be read; says why in one line."""


def read_rows(path: str, subset: str | None = None, *, split: str, **where: str | None) -> Any:
    """The rows of one split of a data set, mappings by column.

    path, subset, where: as `datasets.load_dataset` takes them; None is left out.
    Raises HubError.
    """
    import datasets

    said = {"name": subset, "split": split, **where}
    given = {name: value for name, value in said.items() if value is not None}
    try:
        with _quiet():
            return datasets.load_dataset(path, **given)
    except (OSError, ImportError, ValueError, datasets.exceptions.DatasetsError) as error:
        generic = isinstance(error, datasets.exceptions.DatasetGenerationError)
        told = error.__cause__ if generic and error.__cause__ else error
        raise HubError(" ".join(str(told).split("\n")[0].split())[:LONGEST]) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Each retry without a network is a line of its own to huggingface_hub; ours is the last."""
    import datasets

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        datasets.enable_progress_bars()
