"""What a row of a batch job's answers means: a reply, another attempt, or the end."""

from __future__ import annotations

from dataclasses import replace

from sami_eval.core import address
from sami_eval.core.calls import Reply, Request
from sami_eval.core.types import Usage
from sami_eval.ledger.jobs import Job
from sami_eval.server import dialect, refusals, wire
from sami_eval.server.attempt import Adapted, Connections, Temporary
from sami_eval.server.batch.vendor import Row
from sami_eval.server.endpoint import masked
from sami_eval.server.refusals import Place


def reply_of(
    job: Job, request: Request, row: Row | None, reading: Connections
) -> tuple[Reply, Usage | None]:
    """A row's reply, and what it is paid by: as the same answer to a call would be.

    row: None where the job has none. Raises Adapted, Temporary where it is to be asked again, and
    whatever ends a run of calls.
    """
    left_out = set(job.dialect)
    asked_so = dialect.used(request, left_out)
    if row is None or row.never is not None:
        raise Temporary(row.never if row and row.never else "its batch job left it out")
    if row.body is not None:
        try:
            reply = wire.read_completion(row.body)
            reading.look_for_thoughts(request, reply, left_out)
            return replace(reply, left_out=asked_so), reply.usage
        except wire.MalformedError as error:
            raise Temporary(masked(str(error)), usage=error.usage) from None
        except wire.RefusedError as error:
            refusal = error.refusal
    else:
        refusal = refusals.refusal_of(row.status or 500, row.error)
    # With a header: this is no error inside an answer that was paid for.
    headers = {"batch": job.mark}
    body = dialect.body(request, left_out)
    at = Place(address.shown(job.url), job.key_variable, job.model)
    reply = reading.read_refusal(refusal, headers, request.model, at, body, left_out)
    if reply.failure == refusals.TOO_LONG and dialect.was_given_room(request, asked_so):
        raise Adapted(room=False)
    return replace(reply, left_out=asked_so), Usage()
