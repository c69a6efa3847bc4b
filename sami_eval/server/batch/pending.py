"""Calls for what a batch job has: they would be paid for twice, which is said before any is made.

A job that was cancelled, failed, or was never sent keeps nobody from calling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sami_eval.core.calls import Request
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.ledger.jobs import WRITTEN, Job, Jobs
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.kinds import FILE, request_key
from sami_eval.server.batch.vendor import CANCELLED, CANCELLING, FAILED, LOST

_GIVEN_UP = (CANCELLING, *CANCELLED)
_NOTHING_COMES = (*_GIVEN_UP, WRITTEN, FAILED, LOST)


def holding(
    requests: Iterable[Request], settings: ClientSettings, read_only: bool = False
) -> dict[Job, int]:
    """The jobs of the ledger that requests stand in, and how many do."""
    if settings.ledger is None:
        return {}
    kept = Jobs(settings.ledger, read_only)
    if not kept.hold_any():
        return {}
    keys = {request_key(request, settings.base_url) for request in requests}
    counts = Counter(kept.holding(keys).values())
    return {job: counts[job.mark] for job in kept.every() if job.mark in counts}


def of_worth(found: dict[Job, int]) -> dict[Job, int]:
    """Those of them that have answers to read, or to come."""
    return {
        job: n for job, n in found.items() if job.state not in _NOTHING_COMES or job.is_being_sent
    }


def check(requests: Iterable[Request], settings: ClientSettings, progress: Progress) -> None:
    """Raise UsageError where a job has what would be called for; say what was cancelled."""
    found = holding(requests, settings)
    waiting = of_worth(found)
    if waiting:
        first = next(iter(waiting))
        flag = "--batch-file" if first.kind == FILE else "--batch"
        ends = "; ".join(f"`sami-eval cancel {job.name}`" for job in waiting)
        raise UsageError(
            f"{in_words(waiting)}: a call would pay for what it answers again",
            f"{flag} reads it; {ends} gives it up",
        )
    for job in found:
        said = f"`{job.name}` was cancelled: what it answered all the same is read by --batch alone"
        if job.state in _GIVEN_UP and said not in settings.limits.said:
            settings.limits.said.add(said)
            progress.say(said)


def in_words(waiting: dict[Job, int]) -> str:
    """Which jobs have how many requests."""
    names = ", ".join(f"`{job.name}` ({job.state.replace('_', ' ')})" for job in waiting)
    jobs = "batch job" if len(waiting) == 1 else "batch jobs"
    n = sum(waiting.values())
    return f"{n:,} {'request is' if n == 1 else 'requests are'} in {jobs} {names}"
