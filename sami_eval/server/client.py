"""The only file that talks HTTP: chat completions from any OpenAI-compatible server.

Requests run side by side, up to `concurrency`. What the server calls temporary (408, 409, 429,
5xx, a timeout, a dropped connection, a body that is no completion) is asked again a bounded number
of times; the SDK's own retries are off so that the bound is ours. What can never succeed ends the
run with the server's words; what concerns one conversation alone (a content filter, a conversation
too long) becomes that reply's `failure`.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sami_eval.core import address
from sami_eval.core.calls import Reply, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.loops import run_to_end
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model, Usage
from sami_eval.server import dialect, endpoint, refusals, wire
from sami_eval.server.budget import BudgetError, Limits
from sami_eval.server.endpoint import masked
from sami_eval.server.refusals import RESUMES, Place, Refusal

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

API_FAILURE = "API failure"  # opens the `failure` of a reply that is worth asking for again

_TEMPORARY = (408, 409, 429)
# A key is for the address it was given for: nothing is sent on to where that points.
_WHERE_ASKED: RequestOptions = {"follow_redirects": False}
_GRACE_S = 10.0
_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to talk to a server.

    base_url: for models that name none; None is OPENAI_BASE_URL, else OpenAI's own.
    timeout_s: for one attempt, from the first byte sent to the last received.
    max_retries: further attempts at one request; waits double from backoff_s to max_backoff_s.
    longest_wait_s: a server that asks (Retry-After) for more ends the run.
    give_up_after: so many requests in a row without a usable answer end the run.
    limits: money and pace, shared by all that is asked with these settings.
    dialects: what servers refused so far, by address and model; shared likewise.
    """

    base_url: str | None = None
    concurrency: int = 16
    timeout_s: float = 300.0
    max_retries: int = 6
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    longest_wait_s: float = 300.0
    give_up_after: int = 3
    limits: Limits = field(default_factory=Limits)
    dialects: dict[tuple[str, str], set[str]] = field(default_factory=dict, compare=False)


class _Temporary(Exception):
    """An attempt failed in a way that the next one may not; wait_s as the server asked.

    usage: None where the call's end was not seen: the server may have answered, and may bill it.
    """

    def __init__(self, why: str, wait_s: float = 0.0, usage: Usage | None = _NOTHING) -> None:
        super().__init__(why)
        self.why = why
        self.wait_s = wait_s
        self.usage = usage


class _Elsewhere(Exception):
    """Another run has the reply by now, or asks for it."""


class _Adapted(Exception):
    """The server does not take a parameter; the request is now phrased without it."""


def check_key(model: Model, settings: ClientSettings) -> None:
    """Raise KeyMissingError where the key is missing or mangled, UsageError for no address."""
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
) -> None:
    """Ask for every request, several at once; on_reply(position, reply) the moment one arrives.

    wanted: whether the one at a position is still to be asked for; looked at before each call.

    Ctrl-C, an error of the server's and one raised by on_reply end it; replies already handed
    over stay so, and after an error those in flight are given a few seconds to arrive.
    Raises KeyMissingError (401, 403), SamiEvalError (404, no quota left, server unreachable),
    BudgetError before a call that could pass the budget's limit.
    """
    if not requests:
        return
    for model in dict.fromkeys(request.model for request in requests):
        check_key(model, settings)
        said = f"`{model.base}` is asked at {endpoint.place_of(model, settings.base_url)}"
        if said not in settings.limits.said:
            settings.limits.said.add(said)
            progress.say(said)

    async def exchange() -> None:
        await _Exchange(settings, progress, wanted).run(requests, on_reply)

    run_to_end(exchange)


class _Exchange:
    """One call of complete_all: what its workers share."""

    def __init__(
        self, settings: ClientSettings, progress: Progress, wanted: Callable[[int], bool]
    ) -> None:
        self.settings = settings
        self.wanted = wanted
        self.progress = progress
        self.clients: dict[tuple[str, str | None], AsyncOpenAI] = {}
        self.refused: list[str] = []  # the same words of several requests in a row
        self.unseen = ""  # why the end of a call, the last such, was not seen
        self.failed_in_a_row = 0
        self.not_before = 0.0  # a Retry-After holds for every worker
        self.stop = asyncio.Event()
        self.settled = asyncio.Event()  # set, and a new one begun, whenever a call has ended

    async def run(
        self, requests: Sequence[Request], on_reply: Callable[[int, Reply], None]
    ) -> None:
        """Let the workers empty the list; raise the first error after the others have stopped."""
        queue = iter(enumerate(requests))
        n_workers = min(max(self.settings.concurrency, 1), len(requests))
        workers = [asyncio.create_task(self._work(queue, on_reply)) for _ in range(n_workers)]
        try:
            done, pending = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            self.stop.set()
            if pending:
                await asyncio.wait(pending, timeout=_GRACE_S)
            failed = next((task for task in done if task.exception()), None)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for client in self.clients.values():
                await client.close()
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
        why, attempts = "", 0
        while attempts <= self.settings.max_retries:
            if not await self._admitted(request):
                return None
            if not self.wanted(position):
                self._settle(request, Usage())
                raise _Elsewhere
            try:
                reply = await self._settled_attempt(request)
            except _Adapted:
                continue
            except _Temporary as failure:
                why, attempts = failure.why, attempts + 1
                self.unseen = why if failure.usage is None else self.unseen
                if attempts > self.settings.max_retries:
                    break
                if await self._sleep(max(self._backoff(attempts), failure.wait_s)):
                    return None
            else:
                self.failed_in_a_row = 0
                return reply
        return self._gave_up(request, why)

    def _backoff(self, attempts: int) -> float:
        longest = min(self.settings.max_backoff_s, self.settings.backoff_s * 2.0 ** (attempts - 1))
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
        wait_s = max(limits.wait_s(request), self.not_before - time.monotonic())
        if wait_s > 0 and await self._sleep(wait_s):
            self._settle(request, Usage())
            return False
        return True

    async def _settled_attempt(self, request: Request) -> Reply:
        usage: Usage | None = None
        try:
            reply, usage = await self._attempt(request)
            if usage is None:
                self.settings.limits.budget.unmetered[request.model.base] += 1
            return reply
        except _Temporary as failure:
            usage = failure.usage
            raise
        except (_Adapted, SamiEvalError):
            usage = Usage()
            raise
        finally:
            self._settle(request, usage)

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
            url = masked(endpoint.address_of(request.model, self.settings.base_url))
            raise SamiEvalError(f"`{url}` gives no usable answers: {why}", RESUMES)
        return Reply("", failure=f"{API_FAILURE}: {why}")

    async def _attempt(self, request: Request) -> tuple[Reply, Usage | None]:
        """The reply and what it is paid by; None where its server does not say."""
        import openai

        left_out = set(self._dialect(request.model))
        body = dialect.body(request, left_out)
        headers: Mapping[str, str] = {}
        timeout_s, asked_so = self.settings.timeout_s, dialect.used(request, left_out)
        try:
            async with asyncio.timeout(timeout_s):
                # The raw text costs half the time of the SDK's typed objects, and a malformed body
                # is then ours to notice.
                text = await self._client(request.model).post(
                    "/chat/completions", cast_to=str, body=body, options=_WHERE_ASKED
                )
            reply = replace(wire.read_completion(text), left_out=asked_so)
            self.refused.clear()
            return reply, reply.usage
        except (TimeoutError, openai.APITimeoutError):
            raise _Temporary(f"no answer within {timeout_s:g} s", usage=None) from None
        except wire.MalformedError as error:
            raise _Temporary(masked(str(error)), usage=error.usage) from None
        except wire.RefusedError as error:
            refusal = error.refusal
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            why = masked(f"connection failed: {str(cause) or type(cause).__name__}")
            raise _Temporary(why, usage=None) from None
        except openai.APIStatusError as error:
            refusal = refusals.read_refusal(error.status_code, error.response.text)
            headers = error.response.headers
        reply = self._refused(refusal, headers, request, body, left_out)
        return replace(reply, left_out=asked_so), Usage()

    def _client(self, model: Model) -> AsyncOpenAI:
        url = endpoint.address_of(model, self.settings.base_url)
        variable = endpoint.key_variable(model)
        if (url, variable) not in self.clients:
            self.clients[url, variable] = endpoint.connect(url, model.engine, variable)
        return self.clients[url, variable]

    def _refused(
        self,
        refusal: Refusal,
        headers: Mapping[str, str],
        request: Request,
        body: Mapping[str, object],
        left_out: Collection[str],
    ) -> Reply:
        """What an error status means: a reply with a failure, another attempt, or the end."""
        status, words = refusal.status, masked(refusal.words)
        refusal = refusals.without_echo(refusal, body)
        change = refusals.adaptation(refusal, body, left_out)
        if change is not None:
            self._adapt(change, request.model)
            raise _Adapted
        if status == 403 and refusal.is_filter:
            return Reply("", failure=wire.CONTENT_FILTER)
        url = endpoint.address_of(request.model, self.settings.base_url)
        at = Place(address.shown(url), endpoint.key_variable(request.model), request.model.base)
        refusals.check_final(refusal, words, at, address.shown(headers.get("location", "")))
        if status in _TEMPORARY or status >= 500:
            # An error inside a body may come after the answer was paid for.
            usage, where = (Usage(), str(status)) if headers else (None, "an error inside a reply")
            raise _Temporary(f"{where}: {words}", self._wait_asked(headers, words), usage)
        if refusal.failure is not None:
            return Reply("", failure=refusal.failure)
        self._check_repeated(words, status)
        return Reply("", failure=f"{API_FAILURE}: {status}: {words}")

    def _check_repeated(self, words: str, status: int) -> None:
        """Raise where the third request in a row is refused in the same words: all would be."""
        same = re.sub(r"\d+|\b[0-9a-f-]{8,}\b", "#", words)
        self.refused = [*(one for one in self.refused if one == same), same]
        if len(self.refused) >= self.settings.give_up_after:
            raise SamiEvalError(
                f"the server refuses every request: {status}: {words}",
                "what is done is kept; change what it complains of and run again",
            )

    def _wait_asked(self, headers: Mapping[str, str], words: str) -> float:
        """Seconds by Retry-After, which then holds for every worker."""
        wait_s = wire.retry_after_s(headers)
        if wait_s > self.settings.longest_wait_s:
            raise SamiEvalError(f"the server asks to wait {wait_s:.0f} s: {words}", RESUMES)
        if wait_s:
            self.not_before = max(self.not_before, time.monotonic() + wait_s)
        return wait_s

    def _dialect(self, model: Model) -> set[str]:
        url = endpoint.address_of(model, self.settings.base_url)
        return self.settings.dialects.setdefault((url, model.base), set())

    def _adapt(self, change: str, model: Model) -> None:
        known = self._dialect(model)
        if change in known:
            return  # another request in flight has met it already
        known.add(change)
        said = dialect.in_words(change)
        if said is not None:
            self.progress.say(f"`{model.base}` {said}")
