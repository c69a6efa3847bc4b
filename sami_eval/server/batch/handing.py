"""Jobs handed in: written down first, then uploaded, then begun, each of which may be the last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sami_eval.core import address
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Model
from sami_eval.ledger.jobs import SENDING, Job, new_mark
from sami_eval.server import endpoint
from sami_eval.server.attempt import Connections
from sami_eval.server.batch.caller import UnseenError
from sami_eval.server.batch.flight import Flight
from sami_eval.server.batch.kinds import kind_of
from sami_eval.server.refusals import RESUMES

TRIES = 3  # times that a request is handed in, and jobs in a row whose beginning is not seen


class Handing:
    """Puts jobs into flight; of a model's replicas the first takes them that does not fail."""

    def __init__(self, flight: Flight, connections: Connections) -> None:
        self.flight, self.connections = flight, connections
        self.unseen = 0  # jobs in a row whose beginning was not seen

    def job(self, model: Model, adapted: Iterable[str]) -> Job:
        """A job for a model, empty yet."""
        settings = self.flight.settings
        urls = endpoint.addresses_of(model, settings.base_url)
        url = (settings.replicas.left(urls) or urls)[0]
        kind = kind_of(replace(model, base_url=url), settings)
        facts = (model.engine, model.base, url, endpoint.key_variable(model))
        return Job(new_mark(), kind, *facts, tuple(sorted(adapted)), 0)

    async def begin(
        self, model: Model, lines: Mapping[str, str], adapted: Iterable[str]
    ) -> list[str]:
        """Begin a job of the lines, by request, that stand in no other; which requests those are.

        Raises SamiEvalError where no replica takes it.
        """
        flight, job = self.flight, self.job(model, adapted)
        taken = flight.kept.begin(job, list(lines))
        if not taken:
            return []  # another run has them in a job by now
        job = flight.jobs[job.mark] = flight.kept.read(job.mark) or job
        flight.batch.met.add(job.mark)
        where = f" at {address.shown(job.url)}, one of {len(model.replicas)} addresses"
        said = f"handing in {job.n:,} requests to `{job.model}` as `{job.mark}`"
        flight.progress.say(said + where * bool(model.replicas))
        mine = [lines[name] for name in taken]
        try:
            file = await flight.vendor_of(job).upload(job, mine)
        except SamiEvalError as error:
            if not self._left_out(model, job, error):
                raise
            return await self.begin(model, {name: lines[name] for name in taken}, adapted)
        await self._create(flight.noted(job, file=file), mine)
        return taken

    def _left_out(self, model: Model, job: Job, error: SamiEvalError) -> bool:
        """Forget a job that a replica did not take; whether there is another to take it."""
        replicas = self.flight.settings.replicas
        if replicas.failed(job.url, for_good=True):
            self.connections.say_left_out(model, job.url, error.message)
        if not replicas.left(model.replicas):
            return False
        self.flight.kept.dissolve(job)
        del self.flight.jobs[job.mark]
        return True

    async def _create(self, job: Job, lines: Sequence[str]) -> None:
        flight, vendor = self.flight, self.flight.vendor_of(job)
        job = flight.noted(job, state=SENDING)
        try:
            flight.noted(job, id=await vendor.create(job, lines), state="validating")
            self.unseen = 0
        except UnseenError as error:
            self.unseen += 1
            if self.unseen >= TRIES:
                raise SamiEvalError(f"`{job.url}` begins no job: {error}", RESUMES) from None
            flight.progress.say(f"`{job.mark}`: {error}: looking whether it has begun")
