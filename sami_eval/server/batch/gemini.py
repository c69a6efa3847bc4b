"""Batch jobs at Gemini: OpenAI's jobs, with files by Google's own protocol.

The compatible layer has /batches and no /files: the input is uploaded and the answers are loaded by
the Files API beside it (a resumable upload in two steps; 2 GB a file), and a job ends by a call of
the native API. A job is found again by its file: the layer documents no metadata.

https://ai.google.dev/gemini-api/docs/openai#batch
https://ai.google.dev/gemini-api/docs/batch-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Model
from sami_eval.ledger.jobs import Job
from sami_eval.server import endpoint
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.files import Files, named
from sami_eval.server.batch.vendor import Status
from sami_eval.server.refusals import RESUMES

_SESSION = "x-goog-upload-url"


class Gemini(Files):
    """Gemini's batches."""

    def __init__(self, model: Model, settings: ClientSettings) -> None:
        super().__init__(model, settings)
        self._root = self.calls.url.partition("/v1beta")[0]
        self._key = {"x-goog-api-key": endpoint.secret(endpoint.key_variable(model))}

    def noted(self, job: Job) -> dict[str, object]:
        """Nothing: the layer names three fields."""
        return {}

    async def upload(self, job: Job, lines: Sequence[str]) -> str | None:
        """The file's name, `files/...`."""
        content = "\n".join(lines).encode() + b"\n"
        begin = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(len(content)),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        about = {"file": {"display_name": job.mark}}
        opened = await self._raw(f"{self._root}/upload/v1beta/files", begin, body=about)
        session = str(opened.headers.get(_SESSION, ""))
        if urlsplit(session).netloc != urlsplit(self._root).netloc:
            raise SamiEvalError(f"`{self._root}` names no place for the upload", RESUMES)
        send = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize"}
        return str((await self._raw(session, send, content=content)).json()["file"]["name"])

    async def content(self, file: str) -> str:
        """What a file of answers holds."""
        return str((await self._raw(self._download(file), {})).text)

    def _download(self, file: str) -> str:
        return f"{self._root}/download/v1beta/{named(file)}:download?alt=media"

    async def cancel(self, job: Job) -> None:
        """By the native call."""
        await self._raw(f"{self._root}/v1beta/{named(job.id)}:cancel", {}, body={})

    async def delete(self, job: Job, status: Status) -> str:
        """Nothing: Google keeps files for 48 hours."""
        return ""

    async def _raw(
        self,
        url: str,
        headers: Mapping[str, str],
        body: object = None,
        content: bytes | None = None,
    ) -> Any:
        """The response to a call beside the compatible layer."""
        method = "GET" if body is None and content is None else "POST"
        sent = {**self._key, **headers}
        # The SDK's own connection; its address is not the one that is asked here.
        http = self.calls.client._client
        more: dict[str, Any] = {"content": content} if content is not None else {"json": body}

        async def call() -> Any:
            response = await http.request(
                method,
                url,
                headers=sent,
                follow_redirects=False,
                **({} if method == "GET" else more),
            )
            if response.status_code >= 300:
                raise self.calls.client._make_status_error_from_response(response)
            return response

        return await self.calls.patiently(call)
