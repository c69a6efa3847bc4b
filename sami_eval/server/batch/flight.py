"""The jobs in flight: looked after until they end, and found where their beginning was not seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from sami_eval.core import address
from sami_eval.core.progress import Progress
from sami_eval.ledger.jobs import SENDING, Job, Jobs
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.caller import NotThereError
from sami_eval.server.batch.kinds import FILE, model_of, unknown, vendor_of
from sami_eval.server.batch.run_batch import answers_of, to_run
from sami_eval.server.batch.vendor import CANCELLING, LOST, Batch, Status, Vendor

FIRST_LOOK_S, LONGEST_LOOK_S = 0.25, 60.0
TOLD_EVERY_S = 30.0  # of a job whose counts alone change
LIST_LAGS_S = (0.0, 1.0, 2.0)  # a list of jobs may be older than the last one


class Flight:
    """Jobs by their marks, and those who have them."""

    def __init__(self, settings: ClientSettings, batch: Batch, progress: Progress) -> None:
        self.settings, self.batch, self.progress = settings, batch, progress
        self.kept = Jobs(batch.ledger)
        self.jobs: dict[str, Job] = {}
        self.waited_for: set[str] = set()  # those that had not ended when they were looked at
        self._vendors: dict[tuple[str, ...], Vendor] = {}
        self._told: dict[str, tuple[Status, float]] = {}  # the last of a job, and when

    def vendor_of(self, job: Job) -> Vendor:
        """Who has a job."""
        who = (job.kind, job.engine, job.url, job.model, job.key_variable or "")
        if who not in self._vendors:
            ledger = self.kept.path
            self._vendors[who] = vendor_of(job.kind, model_of(job), self.settings, ledger)
        return self._vendors[who]

    async def close(self) -> None:
        """Close the connections."""
        for vendor in self._vendors.values():
            await vendor.close()

    def noted(self, job: Job, **facts: object) -> Job:
        """Write down what is new of a job."""
        new = replace(job, **facts)  # type: ignore[arg-type]
        self.kept.note(new)
        self.jobs[job.mark] = new
        return new

    async def ended(self) -> list[tuple[Job, Status]]:
        """The jobs that have ended, or were given up, by the first look that finds some."""
        wait_s = FIRST_LOOK_S
        while True:
            looked = [(mark, await self._look(mark)) for mark in list(self.jobs)]
            ended = [(self.jobs[m], s) for m, s in looked if s is not None and s.ended]
            if ended or any(status is None for _, status in looked):
                return ended
            if all(job.kind == FILE for job in self.jobs.values()):
                raise to_run(self._unanswered())
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, LONGEST_LOOK_S)

    def _unanswered(self) -> list[Job]:
        """The files of this command that wait for their answers, its other judges' too."""
        every = [job for job in self.kept.every() if job.mark in self.batch.met]
        return [job for job in every if job.kind == FILE and not answers_of(job).is_file()]

    async def _look(self, mark: str) -> Status | None:
        """How a job is; None where it turns out never to have been handed in."""
        job = self.jobs[mark]
        if job.id is None:
            found = self.kept.read(mark)
            if found is not None and found.id is None:
                if found.is_being_sent:
                    return Status("being handed in")
                found = await self._found(found)
            if found is None:
                del self.jobs[mark]
                return None
            job = self.jobs[mark] = found
        try:
            status = await self.vendor_of(job).status(job)
        except NotThereError:
            status = Status(LOST)
        job = self.noted(job, state=status.state, done=status.done, failed=status.failed)
        self._tell(job, status)
        if not status.ended:
            self.waited_for.add(mark)
        return status

    async def _found(self, job: Job) -> Job | None:
        """A job whose beginning was not seen, by the vendor's list; None where it has none."""
        vendor = self.vendor_of(job)
        if job.state == SENDING:
            for lag_s in LIST_LAGS_S:
                await asyncio.sleep(lag_s)
                try:
                    known = await vendor.find(job)
                except NotThereError:
                    raise unknown(job) from None
                if known is not None:
                    self.progress.say(f"`{job.mark}` had begun: it is `{known}`")
                    return self.noted(job, id=known)
        self.kept.dissolve(job)
        return None

    def _tell(self, job: Job, status: Status) -> None:
        """Say how a job is where that is news."""
        last, when = self._told.get(job.mark, (None, 0.0))
        now = time.monotonic()
        same = last is not None and last.state == status.state
        if last is not None and same and (last == status or now - when < TOLD_EVERY_S):
            return
        self._told[job.mark] = (status, now)
        counts = "" if status.done is None else f", {status.done:,} of {job.n:,} done"
        counts += f", {status.failed:,} failed" if status.failed else ""
        self.progress.say(f"`{job.name}`: {status.state.replace('_', ' ')}{counts}")

    def say_left(self) -> None:
        """What goes on without this run."""
        names = ", ".join(f"`{job.name}`" for job in self.jobs.values())
        if names:
            self.progress.say(
                f"{names} goes on: the same command waits for it, `sami-eval cancel` ends it"
            )


async def cancel(job: Job, ledger: Path) -> str:
    """Have a job end at its vendor, or forget one that was never handed in; what to say of it."""
    kept, vendor = Jobs(ledger), vendor_of(job.kind, model_of(job), as_filed(job, ledger), ledger)
    try:
        if job.is_being_sent:
            return f"`{job.name}` is being handed in by another process: end that one first"
        if job.id is None or job.kind == FILE:
            known = None if job.kind == FILE or job.state != SENDING else await _known(vendor, job)
            if known is None:
                await _forget(job, kept, vendor)
                return f"`{job.name}` is forgotten: nothing of it was begun"
            job = replace(job, id=known)
        await vendor.cancel(job)
        kept.note(replace(job, state=CANCELLING))
        return f"`{job.name}` is being cancelled: run its command again to read what it answered"
    except NotThereError:
        kept.note(replace(job, state=LOST))
        return f"`{job.name}` is unknown at `{address.shown(job.url)}`"
    finally:
        await vendor.close()


async def _known(vendor: Vendor, job: Job) -> str | None:
    """The id of a job that may have begun; None also where its vendor lists no jobs."""
    try:
        return await vendor.find(job)
    except NotThereError:
        return None


async def _forget(job: Job, kept: Jobs, vendor: Vendor) -> None:
    if job.kind == FILE:
        await vendor.cancel(job)
    kept.dissolve(job)


def as_filed(job: Job, ledger: Path) -> ClientSettings:
    """How the server of a job is asked, by what was written down of it."""
    return ClientSettings(job.url, batch=Batch(ledger, job.kind == FILE))
