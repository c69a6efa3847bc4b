"""Batch jobs at Anthropic: message batches, in the messages' own form.

100,000 requests or 256 MB a batch, its results for 29 days. States: in_progress, canceling, ended;
each result is succeeded, errored, canceled or expired (after 24 hours), in any order. A batch
carries no name of ours: one whose beginning was not seen is looked for among those of its size and
time, and known by the requests in its results.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sami_eval.core.types import Model
from sami_eval.ledger.jobs import Job
from sami_eval.server import endpoint
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.caller import Caller
from sami_eval.server.batch.files import named
from sami_eval.server.batch.vendor import Row, Status

VERSION = "2023-06-01"
_SKEW_S = 300.0  # how far two clocks may be apart
_PAGES = 20
# What the compatible layer takes and passes over: a reply is the same without it.
_UNKNOWN = ("seed", "logprobs", "top_logprobs", "max_completion_tokens", "messages", "stop")
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}


class MessageBatches:
    """Anthropic's message batches."""

    most_requests = 100_000
    most_bytes = 256 * 10**6 - 10**6
    names_jobs = False

    def __init__(self, model: Model, settings: ClientSettings) -> None:
        from openai import Omit

        key = endpoint.secret(endpoint.key_variable(model))
        headers = {"x-api-key": key, "anthropic-version": VERSION, "Authorization": Omit()}
        self.calls = Caller(model, settings, headers)

    def line(self, key: str, body: Mapping[str, object]) -> str:
        """One request."""
        return json.dumps({"custom_id": key, "params": native(body)}, ensure_ascii=False)

    async def upload(self, job: Job, lines: Sequence[str]) -> str | None:
        """Nothing: the requests go with the job."""
        return None

    async def create(self, job: Job, lines: Sequence[str]) -> str:
        """Begin the batch."""
        body = {"requests": [json.loads(line) for line in lines]}
        return str((await self.calls.post_once("/messages/batches", body))["id"])

    async def find(self, job: Job) -> str | None:
        """One of as many requests that began when this one may have; its results will tell."""
        after: str | None = None
        for _ in range(_PAGES):
            query = {"limit": 100, **({"after_id": after} if after else {})}
            page = await self.calls.get("/messages/batches", query)
            for row in page.get("data") or []:
                if _began(row) < job.created - _SKEW_S:
                    return None  # newest first
                n = sum((row.get("request_counts") or {}).values())
                if n == job.n and row["id"] not in job.others:
                    return str(row["id"])
            if not page.get("has_more"):
                return None
            after = page.get("last_id")
        return None

    async def status(self, job: Job) -> Status:
        """In the words of the API; one that was cancelled says `ended` all the same."""
        row = await self.calls.get(f"/messages/batches/{named(job.id)}")
        counts = row.get("request_counts") or {}
        state = str(row.get("processing_status"))
        if state == "ended" and row.get("cancel_initiated_at"):
            state = "canceled"
        failed = sum(counts.get(name) or 0 for name in ("errored", "canceled", "expired"))
        return Status(state, counts.get("succeeded"), failed)

    async def rows(self, job: Job, status: Status) -> list[Row]:
        """Its results, in any order."""
        found = []
        # By the batch's id: a results_url could name another address, and the key goes along.
        text = await self.calls.text(f"/messages/batches/{named(job.id)}/results")
        for line in text.splitlines():
            try:
                data = json.loads(line)
                found.append(_row(str(data["custom_id"]), data["result"]))
            except (ValueError, LookupError, TypeError, AttributeError):
                continue
        return found

    async def cancel(self, job: Job) -> None:
        """Have it end."""
        await self.calls.post(f"/messages/batches/{named(job.id)}/cancel")

    async def delete(self, job: Job, status: Status) -> str:
        """Nothing: there are no files, and results go after 29 days."""
        return ""

    async def close(self) -> None:
        """Close the connection."""
        await self.calls.close()


def native(body: Mapping[str, Any]) -> dict[str, object]:
    """A chat completion's request as the messages API has it.

    The system's words stand apart, and a stop string has another name.
    """
    turns = [row for row in body["messages"] if row["role"] != "system"]
    system = [row["content"] for row in body["messages"] if row["role"] == "system"]
    row = {name: value for name, value in body.items() if name not in _UNKNOWN}
    row["messages"] = turns
    row["max_tokens"] = body.get("max_tokens") or body.get("max_completion_tokens")
    if system:
        row["system"] = "\n\n".join(system)
    if body.get("stop"):
        row["stop_sequences"] = body["stop"]
    return row


def _row(key: str, result: Mapping[str, Any]) -> Row:
    kind = result.get("type")
    if kind == "succeeded":
        return Row(key, body=json.dumps(completion(result["message"])))
    if kind == "errored":
        error = result.get("error") or {}
        inner = error["error"] if isinstance(error.get("error"), dict) else error
        return Row(key, status=_STATUS.get(str(inner.get("type")), 500), error=inner)
    return Row(key, never=str(kind))


def completion(message: Mapping[str, Any]) -> dict[str, object]:
    """A message as a chat completion: parts, endings and counts keep their own names."""
    choice = {
        "message": {"role": "assistant", "content": message.get("content")},
        "finish_reason": message.get("stop_reason"),
    }
    return {"model": message.get("model"), "choices": [choice], "usage": message.get("usage")}


def _began(row: Mapping[str, Any]) -> float:
    try:
        text = str(row["created_at"]).replace("Z", "+00:00")
        return datetime.datetime.fromisoformat(text).timestamp()
    except (LookupError, ValueError):
        return 0.0
