"""Chat completions from any OpenAI-compatible server, for many requests at once.

Requests run side by side, up to `concurrency`. What the server calls temporary is asked again a
bounded number of times; the SDK's own retries are off so that the bound is ours.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sami_eval.core.calls import Reply, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.loops import run_to_end
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model, Usage
from sami_eval.ledger.jobs import Job
from sami_eval.server import dialect, endpoint
from sami_eval.server.attempt import API_FAILURE, Adapted, Connections, Temporary, is_flex
from sami_eval.server.attempt import TIMEOUT_S as TIMEOUT_S
from sami_eval.server.attempt import ClientSettings as ClientSettings
from sami_eval.server.batch import flight, pending
from sami_eval.server.batch.asking import Asking
from sami_eval.server.batch.kinds import FILE, model_of
from sami_eval.server.budget import BudgetError
from sami_eval.server.endpoint import masked
from sami_eval.server.refusals import RESUMES, TOO_LONG

_GRACE_S = 10.0


class _Elsewhere(Exception):
    """Another run has the reply by now, or asks for it."""


def check_key(model: Model, settings: ClientSettings) -> None:
    """Raise KeyMissingError where the key is missing or mangled, UsageError for no address.

    A file that is run elsewhere needs neither.
    """
    if settings.batch is None or not settings.batch.to_file:
        endpoint.check(model, settings.base_url)


def is_api_failure(reply: Reply) -> bool:
    """Whether the server never answered: nothing to keep, to be asked again on the next run."""
    return reply.failure is not None and reply.failure.startswith(API_FAILURE)


def _always(position: int) -> bool:
    return True


def complete_all(
    requests: Sequence[Request],
    settings: ClientSettings,
    on_reply: Callable[[int, Reply], None],
    progress: Progress,
    wanted: Callable[[int], bool] = _always,
    models: Iterable[Model] = (),
) -> None:
    """Ask for every request, several at once; on_reply(position, reply) the moment one arrives.

    wanted: whether the one at a position is still to be asked for; looked at before each call.
    models: all that are asked, where that is known: requests are then looked at one by one.

    Ctrl-C, an error of the server's and one raised by on_reply end it; replies already handed
    over stay so, and after an error those in flight are given a few seconds to arrive.
    Raises KeyMissingError (401, 403), SamiEvalError (404, no quota left, server unreachable),
    BudgetError before a call that could pass the budget's limit, UsageError before any for what a
    batch job has.
    """
    if not requests:
        return
    if settings.batch is None:
        pending.check(requests, settings, progress)
    asked = tuple(models) or _models_of(requests)
    _say_where(asked, settings, progress)

    async def exchange() -> None:
        if settings.batch is not None:
            await Asking(requests, settings, settings.batch, progress, on_reply, wanted).run()
        else:
            await _Exchange(settings, progress, wanted).run(requests, asked, on_reply)

    run_to_end(exchange)


def send_ahead(requests: Sequence[Request], settings: ClientSettings, progress: Progress) -> None:
    """Hand in batch jobs for all that `complete_all` is about to be asked for part by part.

    Under a limit of cost only where all of it is sure to stay below it. Without batch jobs, raise
    UsageError where an earlier run has handed in some of it.
    """
    batch = settings.batch
    if batch is None:
        pending.check(requests, settings, progress)
        return
    if not requests or not settings.limits.budget.covers(requests):
        return
    _say_where(_models_of(requests), settings, progress)

    async def exchange() -> None:
        await Asking(requests, settings, batch, progress, lambda at, reply: None, _always).send()

    run_to_end(exchange)


def cancel_batch(job: Job, ledger: Path) -> str:
    """End a batch job that stands in a ledger; what to say of it. Raises KeyMissingError."""
    said: list[str] = []

    async def exchange() -> None:
        said.append(await flight.cancel(job, ledger))

    if job.kind != FILE:
        check_key(model_of(job), ClientSettings(job.url))
    run_to_end(exchange)
    return said[0]


def _models_of(requests: Iterable[Request]) -> tuple[Model, ...]:
    return tuple(dict.fromkeys(request.model for request in requests))


def _say_where(models: Iterable[Model], settings: ClientSettings, progress: Progress) -> None:
    """Check the keys of those that are asked, and say once where they are asked."""
    if settings.batch is not None and settings.batch.to_file:
        return  # nobody is asked from here
    for model in models:
        check_key(model, settings)
        lines = [f"`{model.base}` is asked at {endpoint.place_of(model, settings.base_url)}"]
        lines += settings.limits.budget.prices.aged([model])
        if settings.limits.budget.prices.lacks_batch(model):
            lines += [
                f"the cost of `{model.base}` is not known: "
                f"{settings.limits.budget.prices.lacking(model)}"
            ]
        for said in lines:
            if said not in settings.limits.said:
                settings.limits.said.add(said)
                progress.say(said)


def _paced_by(model: Model) -> str | None:
    """The server that says how many calls may be in flight there; None: the run says it."""
    return model.allowance.server if model.allowance and model.allowance.concurrency else None


def _at_once(models: Iterable[Model], settings: ClientSettings) -> dict[str | None, int]:
    """How many calls may be in flight, by who says it."""
    own = {_paced_by(model): model.allowance for model in models}
    run = max(settings.concurrency, 1)
    return {server: (server and said and said.concurrency) or run for server, said in own.items()}


class _Exchange:
    """One call of complete_all: what its workers share."""

    def __init__(
        self, settings: ClientSettings, progress: Progress, wanted: Callable[[int], bool]
    ) -> None:
        self.settings = settings
        self.wanted = wanted
        self.connections = Connections(settings, progress)
        self.places: dict[str | None, asyncio.Semaphore] = {}
        self.unseen = ""  # why the end of a call, the last such, was not seen
        self.failed_in_a_row = 0
        self.stop = asyncio.Event()
        self.settled = asyncio.Event()  # set, and a new one begun, whenever a call has ended

    async def run(
        self,
        requests: Sequence[Request],
        models: Iterable[Model],
        on_reply: Callable[[int, Reply], None],
    ) -> None:
        """Let the workers empty the list; raise the first error after the others have stopped."""
        queue = iter(enumerate(requests))
        at_once = _at_once(models, self.settings)
        self.places = {server: asyncio.Semaphore(n) for server, n in at_once.items()}
        n_workers = min(sum(at_once.values()), len(requests))
        workers = [asyncio.create_task(self._work(queue, on_reply)) for _ in range(n_workers)]
        try:
            done, pending = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            self.stop.set()
            if pending:
                await asyncio.wait(pending, timeout=_GRACE_S)
            failed = next((task for task in done if task.exception()), None)
        finally:
            self.stop.set()  # one whose library ate the cancel ends with the call in flight
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self.connections.close()
        if failed is not None:
            failed.result()

    async def _work(
        self, queue: Iterator[tuple[int, Request]], on_reply: Callable[[int, Reply], None]
    ) -> None:
        for position, request in queue:
            try:
                reply = await self._ask(position, request)
            except _Elsewhere:
                continue
            if reply is None:
                return
            on_reply(position, reply)
            if self.stop.is_set():
                return

    async def _ask(self, position: int, request: Request) -> Reply | None:
        """The reply, its failure after the last attempt, or None where the run is being ended."""
        attempts, n_busy, patient_until = 0, 0, time.monotonic() + self.settings.flex_patience_s
        while True:
            try:
                reply = await self._attempt(position, request)
            except Adapted:
                continue
            except Temporary as failure:
                self.unseen = failure.why if failure.usage is None else self.unseen
                waits = failure.is_busy and is_flex(request.model)
                attempts, n_busy = attempts + (not waits), n_busy + waits
                if waits and time.monotonic() > patient_until:
                    # A tier that is busy says nothing of the run.
                    return Reply("", failure=f"{API_FAILURE}: {failure.why}")
                if attempts > self.settings.max_retries:
                    return self._gave_up(request, failure.why)
                if waits:
                    self._say_busy(request.model, failure.why)
                # Who limits the pace counts by the minute, and may not say how long.
                unsaid = 2 if failure.answers and not failure.wait_s else 0
                wait_s = max(self._backoff(attempts + n_busy + unsaid), failure.wait_s)
                if await self._sleep(wait_s):
                    return None
                continue
            if reply is not None:
                self.failed_in_a_row = 0
            if (
                reply is None
                or reply.failure != TOO_LONG
                or not dialect.was_given_room(request, reply.left_out)
            ):
                return reply
            request = replace(request, room=0)  # thoughts and answer must do with less

    def _say_busy(self, model: Model, why: str) -> None:
        minutes = round(self.settings.flex_patience_s / 60)
        said = f"the flex tier of `{model.base}` is busy, asked again for up to {minutes} minutes"
        if said not in self.settings.limits.said:
            self.settings.limits.said.add(said)
            self.connections.progress.say(f"{said}: {why}")

    async def _attempt(self, position: int, request: Request) -> Reply | None:
        async with self.places[_paced_by(request.model)]:
            adapted = self.connections.known(request.model)
            paid = dialect.with_room(request, adapted)
            if self.stop.is_set() or not await self._admitted(paid):
                return None
            if not self.wanted(position):
                self._settle(paid, Usage())
                raise _Elsewhere
            return await self._settled_attempt(request, paid, adapted)

    def _backoff(self, attempts: int) -> float:
        doubled = self.settings.backoff_s * 2.0 ** min(attempts - 1, 30)
        longest = min(self.settings.max_backoff_s, doubled)
        # Jitter spreads the load and changes no result, so it needs no seed.
        return longest * random.uniform(0.5, 1.0)

    async def _admitted(self, request: Request) -> bool:
        """Wait for the money and the turn to ask; False where the run is being ended."""
        limits = self.settings.limits
        try:
            while not limits.budget.reserve(request):
                await self.settled.wait()
                if self.stop.is_set():
                    return False
        except BudgetError as error:
            # Money that went on calls without an answer is the server's doing, not the limit's.
            why = f"; of the calls paid for whole, the last: {self.unseen}" if self.unseen else ""
            raise BudgetError(error.message + why, error.hint) from None
        wait_s = max(limits.wait_s(request), self.connections.not_before - time.monotonic())
        if wait_s > 0 and await self._sleep(wait_s):
            self._settle(request, Usage())
            return False
        return True

    async def _settled_attempt(
        self, request: Request, paid: Request, adapted: Collection[str]
    ) -> Reply:
        usage: Usage | None = None
        try:
            reply, usage = await self.connections.try_once(request, adapted)
            self.settings.limits.note_reported(request.model, reply.model_reported)
            if usage is None:
                self.settings.limits.budget.unmetered[request.model] += 1
            return reply
        except (Temporary, Adapted) as ended:
            usage = ended.usage
            raise
        except SamiEvalError:
            usage = Usage()
            raise
        finally:
            self._settle(paid, usage)

    def _settle(self, request: Request, usage: Usage | None) -> None:
        self.settings.limits.settle(request, usage)
        self.settled.set()
        self.settled = asyncio.Event()

    async def _sleep(self, wait_s: float) -> bool:
        """Wait; True where the run is being ended meanwhile."""
        try:
            await asyncio.wait_for(self.stop.wait(), wait_s)
        except TimeoutError:
            return False
        return True

    def _gave_up(self, request: Request, why: str) -> Reply:
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= self.settings.give_up_after:
            url = masked(endpoint.shown_address(request.model, self.settings.base_url))
            raise SamiEvalError(f"`{url}` gives no usable answers: {why}", RESUMES)
        return Reply("", failure=f"{API_FAILURE}: {why}")
