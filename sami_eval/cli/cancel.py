"""`sami-eval cancel`: end a batch job that was handed in, and keep what it has answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group
from sami_eval.ledger.jobs import Job


def jobs() -> list[Job]:
    """The batch jobs of this folder's ledger, the oldest first."""
    from sami_eval.core.config import find_config
    from sami_eval.ledger.jobs import Jobs
    from sami_eval.ledger.store import Ledger

    path = find_config(Path.cwd()).ledger_path
    if not path.exists():
        return []
    with Ledger(path):  # brought up to date
        return Jobs(path).every()


def cancel(
    batch: Annotated[
        str, Flag("As `sami-eval ls batches` names it.", Group.ASKED, positional=True)
    ],
) -> None:
    """End a batch job. What it has answered is read by the command that handed it in, run again."""
    from sami_eval.core.config import find_config
    from sami_eval.server.client import cancel_batch

    found = [job for job in jobs() if batch in (job.id, job.mark)]
    if not found:
        raise UsageError(f"no batch job `{batch}`", "sami-eval ls batches")
    print(cancel_batch(found[-1], find_config(Path.cwd()).ledger_path))
