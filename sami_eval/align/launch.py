"""What a process knows of the others that `accelerate launch` started with it."""

from __future__ import annotations

import os


def n_processes() -> int:
    """Processes of this launch; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes what all have trained."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_everyone() -> None:
    """Return once all processes of the launch have come here."""
    if n_processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
