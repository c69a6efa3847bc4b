"""Batch jobs by files: OpenAI's, Azure's, and every server that has /files and /batches like them.

A job goes there as an uploaded file of one request a line, and comes back as a file of answers and
one of errors, in any order. Its states are validating, in_progress, finalizing, then completed,
failed, expired or cancelled (cancelling before). 50,000 requests and 200 MB a file, a window of 24
hours; Azure takes 100,000 and lets nothing expire.

https://platform.openai.com/docs/guides/batch
https://learn.microsoft.com/azure/foundry/openai/how-to/batch
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.ledger.jobs import Job
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.caller import Caller, NotThereError
from sami_eval.server.batch.vendor import Row, Status, read_rows

MARK = "sami_eval"  # the key of our mark in a job's metadata
_OUTPUTS = ("output_file_id", "error_file_id")
_PAGE = 100  # jobs a page of the list
_PAGES = 20  # the list is newest first: what was just begun stands at its top


class Files:
    """OpenAI's files and batches."""

    most_requests = 50_000
    most_bytes = 200 * 10**6 - 10**6
    names_jobs = True

    def __init__(self, model: Model, settings: ClientSettings) -> None:
        self.calls = Caller(model, settings)
        host = urlsplit(self.calls.url).hostname or ""
        azure = model.engine == "azure" or host.endswith(".azure.com")
        self.endpoint = "/chat/completions" if azure else "/v1/chat/completions"

    def line(self, key: str, body: Mapping[str, object]) -> str:
        """One request, under the name that its answer comes back with."""
        row = {"custom_id": key, "method": "POST", "url": self.endpoint, "body": body}
        return json.dumps(row, ensure_ascii=False)

    async def upload(self, job: Job, lines: Sequence[str]) -> str | None:
        """The id of the uploaded file. Another attempt costs nothing: no file is begun by it."""
        content = "\n".join(lines).encode() + b"\n"
        name = (f"{job.mark}.jsonl", content, "application/jsonl")
        options = self.calls.options()
        options["headers"]["Content-Type"] = "multipart/form-data"
        try:
            text = await self.calls.patiently(
                lambda: self.calls.client.post(
                    "/files",
                    cast_to=str,
                    body={"purpose": "batch"},
                    files=[("file", name)],
                    options=options,
                )
            )
        except NotThereError:
            raise no_batches(self.calls.url) from None
        return str(json.loads(text)["id"])

    async def create(self, job: Job, lines: Sequence[str]) -> str:
        """Begin the job on its uploaded file."""
        body = {
            "input_file_id": job.file,
            "endpoint": self.endpoint,
            "completion_window": "24h",
            **self.noted(job),
        }
        try:
            return str((await self.calls.post_once("/batches", body))["id"])
        except NotThereError:
            raise no_batches(self.calls.url) from None

    def noted(self, job: Job) -> dict[str, object]:
        """What goes with a job besides what it needs."""
        return {"metadata": {MARK: job.mark}}

    async def find(self, job: Job) -> str | None:
        """By our mark, or by its file, which is no other job's."""
        async for row in self._listed():
            metadata = row.get("metadata")
            mark = metadata.get(MARK) if isinstance(metadata, dict) else None
            if mark == job.mark or (job.file and row.get("input_file_id") == job.file):
                return str(row["id"])
        return None

    async def _listed(self) -> AsyncIterator[Mapping[str, Any]]:
        after: str | None = None
        for _ in range(_PAGES):
            query = {"limit": _PAGE, **({"after": after} if after else {})}
            page = await self.calls.get("/batches", query)
            rows = page.get("data") or []
            for row in rows:
                yield row
            if not rows or not page.get("has_more"):
                return
            after = str(rows[-1]["id"])

    async def status(self, job: Job) -> Status:
        """As the API says it."""
        row = await self.calls.get(f"/batches/{named(job.id)}")
        counts = row.get("request_counts") or {}
        outputs = tuple(str(row[name]) for name in _OUTPUTS if row.get(name))
        state = str(row.get("status"))
        return Status(state, counts.get("completed"), counts.get("failed"), _why(row), outputs)

    async def rows(self, job: Job, status: Status) -> list[Row]:
        """Those of the answers' file, then those of the errors'."""
        found: list[Row] = []
        for output in status.outputs:
            found += read_rows(await self.content(output))
        return found

    async def content(self, file: str) -> str:
        """What a file holds."""
        return await self.calls.text(f"/files/{named(file)}/content")

    async def cancel(self, job: Job) -> None:
        """Have it end."""
        await self.calls.post(f"/batches/{named(job.id)}/cancel")

    async def delete(self, job: Job, status: Status) -> str:
        """Its input, its answers and its errors."""
        ids = filter(None, (job.file, *status.outputs))
        failed = [await self.calls.delete(f"/files/{named(one)}") for one in ids]
        return next(filter(None, failed), "")

    async def close(self) -> None:
        """Close the connection."""
        await self.calls.close()


def named(name: str | None) -> str:
    """An id as a part of a path; those of some vendors are paths themselves."""
    return quote(name or "", safe="/")


def no_batches(url: str) -> UsageError:
    """What to say where a server has no batch API."""
    return UsageError(
        f"`{url}` takes no batch jobs: it has no /files and /batches",
        "leave `--batch` out; for a vLLM of your own: --batch-file",
    )


def _why(row: Mapping[str, Any]) -> str:
    """Why a job failed as a whole, in the vendor's words, the code in front."""
    errors = row.get("errors")
    found = (errors.get("data") if isinstance(errors, dict) else errors) or []
    said = [
        ": ".join(str(one[name]) for name in ("code", "message") if one.get(name))
        for one in found[:3]
        if isinstance(one, dict)
    ]
    return "; ".join(filter(None, said))
