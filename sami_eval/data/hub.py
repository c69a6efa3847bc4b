"""Data sets, of the hub or of files: read without a library's own words on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST = 200  # letters of a reason
# datasets logs as an error what it then raises.
_LOUDEST = {"huggingface_hub": logging.ERROR, "datasets": logging.CRITICAL}


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
    except StopIteration:  # of a file of lines without one
        raise HubError("there is no row") from None
    except (OSError, ImportError, ValueError, datasets.exceptions.DatasetsError) as error:
        generic = isinstance(error, datasets.exceptions.DatasetGenerationError)
        told = error.__cause__ if generic and error.__cause__ else error
        raise HubError(_one_line(told)) from None


def fetch(repo: str, name: str, revision: str | None = None) -> Path:
    """A file of a data set's repository, in the hub's local cache. Raises HubError."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision))
    except (OSError, ValueError, errors.EntryNotFoundError) as error:
        raise HubError(_one_line(error)) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).strip().split("\n")[0].split())[:LONGEST]


@contextmanager
def _quiet() -> Iterator[None]:
    """Each retry without a network is a line of its own to huggingface_hub; ours is the last."""
    import datasets

    loggers = {logging.getLogger(name): most for name, most in _LOUDEST.items()}
    levels = {logger: logger.level for logger in loggers}
    for logger, most in loggers.items():
        logger.setLevel(most)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        datasets.enable_progress_bars()
