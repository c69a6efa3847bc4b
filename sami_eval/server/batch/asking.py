"""Requests to replies by way of batch jobs: handed in once, looked after, read in the end.

What stands in a job is found by the ledger (ledger/jobs.py), so a run that ends at any moment is
gone on with by the same command: it waits for the job, or reads what is there. What a job did not
answer (expired, cancelled, failed for a while) is handed in again, a bounded number of times.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sami_eval.core import address
from sami_eval.core.calls import Reply, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model, Usage
from sami_eval.ledger.jobs import SENDING, Job
from sami_eval.ledger.store import Ledger
from sami_eval.server import dialect
from sami_eval.server.attempt import (
    API_FAILURE,
    Adapted,
    ClientSettings,
    Connections,
    Temporary,
    learn,
)
from sami_eval.server.batch.answers import reply_of
from sami_eval.server.batch.flight import Flight
from sami_eval.server.batch.handing import TRIES, Handing
from sami_eval.server.batch.kinds import request_key
from sami_eval.server.batch.vendor import (
    CANCELLED,
    FAILED,
    LOST,
    QUEUE_FULL,
    Batch,
    Row,
    Status,
    Vendor,
)
from sami_eval.server.budget import BudgetError
from sami_eval.server.refusals import RESUMES

OnReply = Callable[[int, Reply], None]
Wanted = Callable[[int], bool]

SMALLEST_SHARE = 20  # of what is left: a job of less, for want of money, is not worth a day


class Asking:
    """One call of the client's: its requests, and the jobs they stand in."""

    def __init__(
        self,
        requests: Sequence[Request],
        settings: ClientSettings,
        batch: Batch,
        progress: Progress,
        on_reply: OnReply,
        wanted: Wanted,
    ) -> None:
        self.settings, self.batch = settings, batch
        self.progress, self.on_reply, self.wanted = progress, on_reply, wanted
        self.budget = settings.limits.budget
        self.flight = Flight(settings, batch, progress)
        self.kept, self.jobs = self.flight.kept, self.flight.jobs
        self.connections = Connections(settings, progress)  # reads refusals; opens nothing
        self.handing = Handing(self.flight, self.connections)
        self.open: dict[str, list[int]] = {}  # positions by request, of what has no reply yet
        self.request: dict[str, Request] = {}
        for position, request in enumerate(requests):
            name = request_key(request, settings.base_url)
            self.open.setdefault(name, []).append(position)
            self.request[name] = request
        self.reserved: dict[str, Request] = {}  # as it is paid for
        self.tries: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()  # jobs that failed whole, by model
        self.why: dict[str, str] = {}  # why a request has no answer
        self.most: int | None = None  # of a job, where a vendor's queue has no room for more

    async def run(self) -> None:
        """Every request's reply, handed over as its job is read."""
        try:
            while self.open:
                self._adopt()
                await self._hand_in()
                if not self.jobs:
                    return  # what is left is other runs' work
                for job, status in await self.flight.ended():
                    await self._take(job, status)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.flight.say_left()
            raise
        finally:
            await self.flight.close()

    async def send(self) -> None:
        """Hand in what stands in no job, and do not wait: `run` finds it."""
        try:
            self._adopt()
            await self._hand_in(reserving=False)
        finally:
            await self.flight.close()

    def _adopt(self) -> None:
        """Jobs that the open requests stand in, of this run and of earlier ones."""
        for name, mark in self.kept.holding(self.open).items():
            if mark not in self.jobs:
                job = self.kept.read(mark)
                if job is None:
                    self.kept.free([name], mark)
                    continue
                self.jobs[mark] = job
                self.batch.met.add(mark)
            self.tries[name] = max(self.tries[name], 1)
            if name not in self.reserved:
                self.reserved[name] = self._as_paid(name)
                self.budget.commit(self.reserved[name])

    async def _hand_in(self, reserving: bool = True) -> None:
        """Jobs for all that stands in none, as far as there is money and room in the queue."""
        held = self.kept.holding(self.open)
        for name in [name for name in self.open if name not in held]:
            self.open[name] = [at for at in self.open[name] if self.wanted(at)]
            if not self.open[name]:
                self._settle(name, Usage())
                del self.open[name]
        alike: dict[tuple[Model, frozenset[str]], list[str]] = {}
        for name in self.open:
            if name not in held:
                alike.setdefault(self._asked_as(name), []).append(name)
        for (model, adapted), names in alike.items():
            for lines in self._chunks(model, adapted, names):
                if self.most is not None and self.jobs:
                    return  # the vendor's queue has room for one at a time
                if reserving and not (lines := self._afforded(lines, len(names))):
                    return
                self.tries.update(await self.handing.begin(model, lines, adapted))

    def _asked_as(self, name: str) -> tuple[Model, frozenset[str]]:
        """Who is asked, and how: what those of one job share."""
        request = self.request[name]
        adapted = self._dialect(request.model)
        return request.model, adapted if request.room else dialect.without_room(adapted)

    def _chunks(
        self, model: Model, adapted: frozenset[str], names: Sequence[str]
    ) -> Iterator[dict[str, str]]:
        """Lines by request, as many as one job of the vendor's takes."""
        vendor = self.flight.vendor_of(self.handing.job(model, adapted))
        most = min(self.most or vendor.most_requests, vendor.most_requests)
        lines: dict[str, str] = {}
        n_bytes = 0
        for name in names:
            line = vendor.line(name, dialect.body(self.request[name], adapted))
            size = len(line.encode()) + 1
            if lines and (len(lines) >= most or n_bytes + size > vendor.most_bytes):
                yield lines
                lines, n_bytes = {}, 0
            lines[name] = line
            n_bytes += size
        if lines:
            yield lines

    def _dialect(self, model: Model) -> frozenset[str]:
        """What its server refused in this run, else what the ledger knows that it once did."""
        if not self.connections.known(model):
            with Ledger(self.batch.ledger, read_only=True) as ledger:
                for change in dialect.last_noted(ledger, model):
                    learn(self.settings, model, change)
        return self.connections.known(model)

    def _afforded(self, lines: dict[str, str], n_left: int) -> dict[str, str]:
        """As many of the lines as the budget allows; none where jobs in flight must end first.

        Raises BudgetError where nothing in flight can change that there are none, or few.
        """
        paid: dict[str, str] = {}
        for name, line in lines.items():
            if name not in self.reserved:
                paid_for = self._as_paid(name)
                if not self.budget.reserve(paid_for):
                    break
                self.reserved[name] = paid_for
            paid[name] = line
        if len(paid) == len(lines) or len(paid) * SMALLEST_SHARE >= n_left:
            return paid
        for name in paid:
            self._settle(name, Usage())
        if self.jobs:
            return {}
        raise BudgetError(
            f"stopped: `--max-cost {self.budget.limit_usd:g}` is sure to pay for {len(paid):,} of "
            f"{n_left:,} requests that are left",
            "what is done is kept: the same command goes on from here, with a limit of its own",
        )

    async def _take(self, job: Job, status: Status) -> None:
        """Hand over what a job has answered; what it has not is open again."""
        vendor = self.flight.vendor_of(job)
        rows = await self._rows(job, status, vendor)
        held = self.kept.holding(self.open)
        mine = [name for name, mark in held.items() if mark == job.mark]
        if not vendor.names_jobs and rows and not rows.keys() & set(mine):
            self._is_another(job)
            return
        undone, end = self._hand_over(job, mine, rows)
        is_read = self.kept.free(mine, job.mark)
        del self.jobs[job.mark]
        if is_read and (why := await vendor.delete(job, status)):
            left = f"the files of `{job.name}` lie at {address.shown(job.url)} still"
            self.progress.say(f"{left}: {why}")
        if end is not None:
            raise end
        if status.state == FAILED:
            self._after_failure(job, status, mine)
        if status.state in CANCELLED and undone and job.mark in self.flight.waited_for:
            raise SamiEvalError(
                f"`{job.name}` was cancelled: {undone:,} of {len(mine):,} requests have no answer",
                "what is done is kept: the same command hands in the others",
            )
        self._give_up(mine)

    async def _rows(self, job: Job, status: Status, vendor: Vendor) -> Mapping[str, Row]:
        known = self.batch.rows
        if job.mark not in known:
            found = [] if status.state == LOST else await vendor.rows(job, status)
            # Where a row comes twice, the one with an answer.
            known[job.mark] = {
                row.key: row for row in sorted(found, key=lambda r: r.body is not None)
            }
        return known[job.mark]

    def _hand_over(
        self, job: Job, mine: Iterable[str], rows: Mapping[str, Row]
    ) -> tuple[int, SamiEvalError | None]:
        """Replies to those that have one; how many have none, and what ends the run afterwards."""
        undone, end = 0, None
        some_answered = any(row.body is not None for row in rows.values())
        for name in mine:
            if some_answered:
                self.connections.refused.clear()  # the server does not refuse every request
            try:
                reply, usage = reply_of(job, self.request[name], rows.get(name), self.connections)
            except Adapted as asked:
                self._settle(name, asked.usage)
                self.tries[name] -= 1  # it was not asked as its server wants to be
                if not asked.room:
                    self.request[name] = replace(self.request[name], room=0)
                undone += 1
                continue
            except Temporary as failure:
                self._settle(name, failure.usage)
                self.why[name] = failure.why
                undone += 1
                continue
            except SamiEvalError as error:
                self._settle(name, Usage())
                end, undone = end or error, undone + 1
                continue
            self._settle(name, usage)
            if usage is None:
                self.budget.unmetered[self.request[name].model] += 1
            self.settings.limits.note_reported(self.request[name].model, reply.model_reported)
            for position in self.open.pop(name):
                self.on_reply(position, reply)
        return undone, end

    def _is_another(self, job: Job) -> None:
        """What was taken for this job holds none of its requests: it is looked for again."""
        self.batch.rows.pop(job.mark, None)
        others = (*job.others, str(job.id))
        self.flight.noted(job, id=None, state=SENDING, others=others, owner="")

    def _after_failure(self, job: Job, status: Status, names: Iterable[str]) -> None:
        """A job that failed whole: again, in smaller parts where the queue was full; then never."""
        if any(words in status.why.lower() for words in QUEUE_FULL) and (job.n > 1 or self.jobs):
            # With others of ours in the queue there may be room for it when they have ended.
            self.most = self.most or job.n if self.jobs else max(1, job.n // 2)
            self.tries.subtract(names)
            self.progress.say(f"`{job.name}`: {status.why}: one job of {self.most:,} at a time")
            return
        self.broken[job.model] += 1
        if self.broken[job.model] > 1:
            raise SamiEvalError(f"`{job.name}` failed: {status.why or 'it says not why'}", RESUMES)

    def _give_up(self, names: Iterable[str]) -> None:
        """A failed reply for what was handed in often enough."""
        for name in names:
            if name in self.open and self.tries[name] >= TRIES:
                failure = f"{API_FAILURE}: {self.why.get(name, 'its job failed')}"
                for position in self.open.pop(name):
                    self.on_reply(position, Reply("", failure=failure))

    def _settle(self, name: str, usage: Usage | None) -> None:
        if name in self.reserved:
            self.budget.settle(self.reserved.pop(name), usage)

    def _as_paid(self, name: str) -> Request:
        request = self.request[name]
        return dialect.with_room(request, self._dialect(request.model))
