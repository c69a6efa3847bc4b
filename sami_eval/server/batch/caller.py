"""Calls of a vendor's batch API: a bounded number of attempts, and errors in plain words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sami_eval.core import address
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Model
from sami_eval.server import endpoint, refusals
from sami_eval.server.attempt import ClientSettings, Temporary
from sami_eval.server.endpoint import masked
from sami_eval.server.refusals import RESUMES, Place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI

T = TypeVar("T")
MOST_BYTES = 2**30  # of one file of answers
_TRANSFER_S = 1800.0  # for a file of some hundred MB on a slow line
_DELETION_S = 30.0
_TEMPORARY = (408, 409, 425, 429)


class UnseenError(Exception):
    """A call's end was not seen: what it was to begin may have begun."""


class NotThereError(Exception):
    """The vendor knows nothing of that name."""


class Caller:
    """One vendor's address, with the key it is asked with."""

    def __init__(
        self, model: Model, settings: ClientSettings, headers: Mapping[str, Any] | None = None
    ) -> None:
        self.url = endpoint.address_of(model, settings.base_url)
        self._model, self._settings = model, settings
        self._headers = headers or {}
        self._opened: AsyncOpenAI | None = None

    @property
    def client(self) -> AsyncOpenAI:
        """The connection, opened when it is first wanted."""
        if self._opened is None:
            variable = endpoint.key_variable(self._model)
            engine = self._model.engine
            self._opened = endpoint.connect(self.url, engine, variable, MOST_BYTES)
        return self._opened

    async def close(self) -> None:
        """Close it."""
        if self._opened is not None:
            await self._opened.close()

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """What lies there, as JSON. Raises NotThereError, SamiEvalError."""
        options = self.options(params=dict(query or {}))
        text = await self.patiently(lambda: self.client.get(path, cast_to=str, options=options))
        return _parsed(text)

    async def text(self, path: str) -> str:
        """A file. Raises NotThereError, SamiEvalError."""
        return await self.patiently(
            lambda: self.client.get(path, cast_to=str, options=self.options()), _TRANSFER_S
        )

    async def post(self, path: str, body: object = None) -> Any:
        """What a call answers that does no harm when it is made again."""
        return _parsed(await self.patiently(lambda: self._posted(path, body)))

    async def post_once(self, path: str, body: object) -> Any:
        """What a call answers that begins something: it is not made again.

        Raises UnseenError where it may have begun. What was refused is tried again.
        """
        return _parsed(await self.patiently(lambda: self._posted(path, body), _TRANSFER_S, True))

    async def delete(self, path: str) -> str:
        """Remove what lies there, by one attempt; why it may lie there still, else nothing."""
        try:
            await self._attempt(
                lambda: self.client.delete(path, cast_to=str, options=self.options()), _DELETION_S
            )
        except NotThereError:
            return ""
        except Temporary as failure:
            return failure.why
        except SamiEvalError as error:
            return error.message
        return ""

    async def _posted(self, path: str, body: object) -> str:
        return await self.client.post(path, cast_to=str, body=body, options=self.options())

    def options(self, **more: Any) -> Any:
        """Of a call: no redirect is followed, as the key is for this address alone."""
        return {"follow_redirects": False, "headers": dict(self._headers), **more}

    async def patiently(
        self, call: Callable[[], Awaitable[T]], timeout_s: float | None = None, once: bool = False
    ) -> T:
        """What a call gives. Temporary errors are met by another attempt, a bounded number of them.

        once: only where the server has refused.
        """
        settings, attempts = self._settings, 0
        while True:
            try:
                return await self._attempt(call, timeout_s or settings.timeout_s)
            except Temporary as failure:
                if once and failure.usage is None:
                    raise UnseenError(failure.why) from None
                attempts += 1
                if attempts > settings.max_retries:
                    where = address.shown(self.url)
                    raise SamiEvalError(f"`{where}`: {failure.why}", RESUMES) from None
                longest = min(settings.max_backoff_s, settings.backoff_s * 2.0 ** (attempts - 1))
                await asyncio.sleep(max(longest, failure.wait_s))

    async def _attempt(self, call: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        import openai

        from sami_eval.server import waits, wire

        try:
            async with asyncio.timeout(timeout_s):
                return await call()
        except TimeoutError:
            raise Temporary(f"no answer within {timeout_s:g} s", usage=None) from None
        except openai.APIConnectionError as error:
            raise Temporary(endpoint.unreached(error), usage=None) from None
        except wire.MalformedError as error:
            raise SamiEvalError(f"`{address.shown(self.url)}`: {error}", RESUMES) from None
        except openai.APIStatusError as error:
            status, headers = error.status_code, error.response.headers
            refusal = refusals.read_refusal(status, error.response.text)
            words = masked(refusal.words)
            if status == 404:
                raise NotThereError(words) from None
            wait_s = waits.asked_s(headers, refusal)
            if status >= 500:  # it may have done what it was asked for all the same
                raise Temporary(f"{status}: {words}", wait_s, usage=None) from None
            variable = endpoint.key_variable(self._model)
            at = Place(address.shown(self.url), variable, self._model.base)
            refusals.check_final(refusal, words, at, address.shown(headers.get("location", "")))
            if status in _TEMPORARY and wait_s <= self._settings.longest_wait_s:
                raise Temporary(f"{status}: {words}", wait_s) from None
            raise SamiEvalError(f"`{at.url}` answers {status}: {words}", RESUMES) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise SamiEvalError(f"not JSON: {text[:80].strip()!r}", RESUMES) from None
