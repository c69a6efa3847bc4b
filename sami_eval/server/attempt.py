"""One attempt at a request, and what the server's answer means.

What the server calls temporary (408, 409, 429, 5xx, a timeout, a dropped connection, a body that
is no completion) may be tried again; what can never succeed ends the run with the server's words;
what concerns one conversation alone (a content filter, a conversation too long) becomes that
reply's `failure`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sami_eval.core import address
from sami_eval.core.calls import Reply, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress
from sami_eval.core.thoughts import thoughts
from sami_eval.core.types import Model, Usage
from sami_eval.server import dialect, drawn, endpoint, refusals, waits, wire
from sami_eval.server.batch.vendor import Batch
from sami_eval.server.connection import Connection, UnreachedError
from sami_eval.server.endpoint import masked
from sami_eval.server.limits import Limits
from sami_eval.server.refusals import RESUMES, Place, Refusal
from sami_eval.server.replicas import Replicas

API_FAILURE = "API failure"  # opens the `failure` of a reply that is worth asking for again

TIMEOUT_S = 300.0
# 424: a generation that failed; 425, 499: given up on the way; 498: Groq's flex tier has no room.
_TEMPORARY = (408, 409, 424, 425, 429, 498, 499)
_BUSY = (*_TEMPORARY, 503, 529)
_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to talk to a server.

    base_url: for models that name none; None is OPENAI_BASE_URL, else OpenAI's own.
    timeout_s: for one attempt, from the first byte sent to the last received.
    max_retries: further attempts at one request; waits double from backoff_s to max_backoff_s.
    longest_wait_s: a server that asks (Retry-After) for more ends the run.
    flex_patience_s: how long a request of a flex tier, which waits for what others leave, is tried
        while its server is busy; each attempt has at least flex_timeout_s.
    give_up_after: so many requests in a row without a usable answer end the run.
    limits: money and pace, shared by all that is asked with these settings.
    dialects: what servers refused so far, by address and model; shared likewise.
    replicas: which of a model's addresses answer; shared likewise.
    batch: requests go in batch jobs, and those written down there are found again.
    ledger: whose batch jobs no call is to repeat; None: none is looked for.
    """

    base_url: str | None = None
    concurrency: int = 16
    timeout_s: float = TIMEOUT_S
    max_retries: int = 6
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    longest_wait_s: float = 300.0
    flex_patience_s: float = 3600.0
    flex_timeout_s: float = 900.0
    give_up_after: int = 3
    limits: Limits = field(default_factory=Limits)
    dialects: dict[tuple[str, str, str], set[str]] = field(default_factory=dict, compare=False)
    replicas: Replicas = field(default_factory=Replicas, compare=False)
    batch: Batch | None = field(default=None, compare=False)
    ledger: Path | None = field(default=None, compare=False)


class Temporary(Exception):
    """An attempt failed in a way that the next one may not; wait_s as the server asked.

    usage: None where the call's end was not seen: the server may have answered, and may bill it.
    status: the server's. slow: no answer came in time.
    """

    def __init__(
        self,
        why: str,
        wait_s: float = 0.0,
        usage: Usage | None = _NOTHING,
        status: int | None = None,
        slow: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.wait_s = wait_s
        self.usage = usage
        self.is_busy = slow or status in _BUSY
        self.answers = status in _TEMPORARY  # whoever asks for patience is there


class Adapted(Exception):
    """The request is phrased anew: without what the server does not take, or with more room.

    usage: what the attempt took all the same; None where the server does not say.
    room: for thoughts; False: the conversation leaves none.
    """

    def __init__(self, usage: Usage | None = _NOTHING, room: bool = True) -> None:
        super().__init__()
        self.usage, self.room = usage, room


def is_flex(model: Model) -> bool:
    """Whether a model's requests wait for what others leave of its server: half the price."""
    return '"service_tier": "flex"' in model.request


class Connections:
    """Open connections to servers, and what they refused so far."""

    def __init__(self, settings: ClientSettings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self.open: dict[tuple[str, Model], Connection] = {}
        self.refused: list[str] = []  # the same words of several requests in a row
        self.not_before = 0.0  # a Retry-After holds for every worker

    async def close(self) -> None:
        """Close the connections."""
        for connection in self.open.values():
            await connection.close()

    async def try_once(
        self, request: Request, adapted: Collection[str]
    ) -> tuple[Reply, Usage | None]:
        """The reply and what it is paid by; None where its server does not say.

        adapted: how it is phrased, of what `known` has said.
        """
        urls = endpoint.addresses_of(request.model, self.settings.base_url)
        replicas, url = self.settings.replicas, self.settings.replicas.choose(urls)
        try:
            with replicas.asking(url):
                found = await self._ask(request, url, adapted)
        except Temporary as failure:
            if not failure.answers and replicas.failed(url):
                self.say_left_out(request.model, url, failure.why)
            raise
        except Adapted:
            replicas.answered(url)
            raise
        except SamiEvalError as error:
            if replicas.failed(url, for_good=True):
                self.say_left_out(request.model, url, error.message)
            if replicas.left(urls):
                raise Temporary(error.message) from None
            raise
        replicas.answered(url)
        self.look_for_thoughts(request, found[0], adapted)
        return found

    def look_for_thoughts(self, request: Request, reply: Reply, adapted: Collection[str]) -> None:
        """Give a model that thinks room for it; raises Adapted where this reply had too little."""
        stated, had = request.model.thoughts is not None, dialect.room(request, adapted)
        if stated or had or not request.room or not _thinks(reply):
            return
        self._adapt(f"{dialect.THINKS}{request.room}", request.model)
        if reply.finished is False:
            raise Adapted(reply.usage)

    def say_left_out(self, model: Model, url: str, why: str) -> None:
        """Say that a replica is asked no more, where others are left."""
        left = len(self.settings.replicas.left(model.replicas))
        if left:
            self.progress.say(
                f"replica {address.shown(url)} of `{model.base}` is left out: {why}; "
                f"{left} of {len(model.replicas)} are asked"
            )

    async def _ask(
        self, request: Request, url: str, left_out: Collection[str]
    ) -> tuple[Reply, Usage | None]:
        path, read, body = (
            "/chat/completions",
            wire.read_completion,
            dialect.body(request, left_out),
        )
        if request.as_sent:
            path, read, body = drawn.PATH, drawn.read_drawn, json.loads(request.as_sent)
        headers: Mapping[str, str] = {}
        timeout_s, asked_so = self.settings.timeout_s, dialect.used(request, left_out)
        if is_flex(request.model):
            timeout_s = max(timeout_s, self.settings.flex_timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                said = await self._connection(request.model, url).post(path, body)
            if 200 <= said.status < 300:
                reply = replace(read(said.text), left_out=asked_so)
                self.refused.clear()
                return reply, reply.usage
            refusal, headers = refusals.read_refusal(said.status, said.text), said.headers
        except TimeoutError:
            why = f"no answer within {timeout_s:g} s"
            raise Temporary(why, usage=None, slow=True) from None
        except wire.MalformedError as error:
            raise Temporary(masked(str(error)), usage=error.usage) from None
        except wire.RefusedError as error:
            refusal = error.refusal
        except UnreachedError as error:
            raise Temporary(endpoint.unreached(error), usage=None) from None
        at = Place(address.shown(url), endpoint.key_variable(request.model), request.model.base)
        reply = self.read_refusal(refusal, headers, request.model, at, body, left_out)
        return replace(reply, left_out=asked_so), Usage()

    def _connection(self, model: Model, url: str) -> Connection:
        if (url, model) not in self.open:
            self.open[url, model] = endpoint.connection(url, model)
        return self.open[url, model]

    def read_refusal(
        self,
        refusal: Refusal,
        headers: Mapping[str, str],
        model: Model,
        at: Place,
        body: Mapping[str, object],
        left_out: Collection[str],
    ) -> Reply:
        """What an error status means: a reply with a failure, another attempt, or the end."""
        status, words = refusal.status, masked(refusal.words)
        refusal = refusals.without_echo(refusal, body)
        change = refusals.adaptation(refusal, body, left_out)
        if change is not None:
            self._adapt(change, model)
            raise Adapted
        if status == 403 and refusal.is_filter:
            return Reply("", failure=wire.CONTENT_FILTER)
        refusals.check_final(refusal, words, at, address.shown(headers.get("location", "")))
        if refusals.is_too_long(refusal):
            return Reply("", failure=wire.TOO_LONG)
        if status in _TEMPORARY or status >= 500:
            # An error inside a body may come after the answer was paid for.
            usage, where = (Usage(), str(status)) if headers else (None, "an error inside a reply")
            wait_s = self._wait_asked(waits.asked_s(headers, refusal), words, model)
            raise Temporary(f"{where}: {words}", wait_s, usage, status)
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

    def _wait_asked(self, wait_s: float, words: str, model: Model) -> float:
        """Seconds that the server asks to wait, which then holds for every worker."""
        longest_s = self.settings.longest_wait_s
        if is_flex(model):
            longest_s = max(longest_s, self.settings.flex_patience_s)
        if wait_s > longest_s:
            raise SamiEvalError(f"the server asks to wait {wait_s:.0f} s: {words}", RESUMES)
        if wait_s:
            self.not_before = max(self.not_before, time.monotonic() + wait_s)
        return wait_s

    def known(self, model: Model) -> frozenset[str]:
        """How the model's server wants to be asked, as far as it has said so."""
        return frozenset(_dialect(self.settings, model))

    def _adapt(self, change: str, model: Model) -> None:
        known = _dialect(self.settings, model)
        if change in known:
            return  # another request in flight has met it already
        known.add(change)
        said = dialect.in_words(change)
        if said is not None:
            self.progress.say(f"`{model.base}` {said}")


def learn(settings: ClientSettings, model: Model, change: str) -> None:
    """Ask a model so from the first request on."""
    _dialect(settings, model).add(change)


def _dialect(settings: ClientSettings, model: Model) -> set[str]:
    url = endpoint.address_of(model, settings.base_url)
    return settings.dialects.setdefault((url, model.base, model.request), set())


def _thinks(reply: Reply) -> bool:
    return bool(reply.thoughts or reply.n_thought or thoughts(reply.text))
