"""What every vendor of batch jobs has in common: what is sent, what comes back, and its states."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sami_eval.ledger.jobs import Job

LOST = "unknown to its vendor"
ENDED = ("completed", "expired", "cancelled", "canceled", "failed", "ended", LOST)
CANCELLING = "cancelling"  # by us: whoever cancels has given up what it may still answer
CANCELLED = ("cancelled", "canceled")
FAILED = "failed"
# The words of a vendor who has more in its queue than it lets one have there.
QUEUE_FULL = ("token_limit_exceeded", "enqueued_token_limit", "enqueued token limit")
_NEVER_ASKED = ("batch_expired", "batch_cancelled", "expired", "canceled", "cancelled")


@dataclass(frozen=True, slots=True)
class Status:
    """How a job is: its state in the vendor's word, and rows so far; why: of one that failed."""

    state: str
    done: int | None = None
    failed: int | None = None
    why: str = ""
    outputs: tuple[str, ...] = ()  # ids of the files that hold its rows

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one request.

    body: a chat completion. status and error: of a refusal. never: why it was not asked at all.
    """

    key: str
    body: str | None = None
    status: int = 0
    error: Any = None
    never: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests go in batch jobs.

    ledger: where the jobs are written down. to_file: they are files for `vllm run-batch`, and no
        server is asked. rows: of jobs that have ended, by mark: no file is loaded twice.
    met: marks of the jobs that a command has to do with.
    """

    ledger: Path
    to_file: bool = False
    rows: dict[str, dict[str, Row]] = field(default_factory=dict, compare=False, repr=False)
    met: set[str] = field(default_factory=set, compare=False)


class Vendor(Protocol):
    """How one vendor takes jobs in. Its limits are of one job.

    names_jobs: whether `find` can be sure of what it finds.
    """

    most_requests: int
    most_bytes: int
    names_jobs: bool

    def line(self, key: str, body: Mapping[str, object]) -> str:
        """One request, as JSON on one line."""

    async def upload(self, job: Job, lines: Sequence[str]) -> str | None:
        """Hand over the input where that is a step of its own; its id. Nothing is begun by it."""

    async def create(self, job: Job, lines: Sequence[str]) -> str:
        """Begin the job; its id."""

    async def find(self, job: Job) -> str | None:
        """The id of a job whose beginning was not seen; None where the vendor has none."""

    async def status(self, job: Job) -> Status:
        """How it is now."""

    async def rows(self, job: Job, status: Status) -> list[Row]:
        """What came of its requests, in any order, as far as they were asked."""

    async def cancel(self, job: Job) -> None:
        """Have it end; what is done stays."""

    async def delete(self, job: Job, status: Status) -> str:
        """Remove the files of a job that was read whole; why not, where some lie there still."""

    async def close(self) -> None:
        """Close the connections."""


def read_rows(text: str) -> Iterator[Row]:
    """The rows of an output or error file in OpenAI's form; one that cannot be read is no row."""
    for line in text.splitlines():
        try:
            data = json.loads(line)
            yield _row(data["custom_id"], data.get("response"), data.get("error"))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue


def _row(key: str, response: Any, error: Any) -> Row:
    code = error.get("code") if isinstance(error, dict) else None
    if code in _NEVER_ASKED:
        return Row(key, never=str(error.get("message") or code))
    if not isinstance(response, dict):
        return Row(key, status=500, error=error or "neither an answer nor an error")
    # Some leave out the envelope.
    status, body = response.get("status_code", 200), response.get("body", response)
    if status == 200 and error is None:
        return Row(key, body=json.dumps(body))
    return Row(key, status=status if isinstance(status, int) else 0, error=error or body)
