"""What one run's calls share: what they may cost, and how fast they may come. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sami_eval.core.calls import Request
from sami_eval.core.config import Price
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model, Usage
from sami_eval.server.budget import Budget, Purse, most_tokens


class Pace:
    """A token bucket of so many a minute whose depth is one take: no minute holds a burst."""

    def __init__(self, a_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 60 / a_minute
        self._clock = clock
        self._free_at = -math.inf

    def take(self, amount: float) -> float:
        """Use up an amount; the seconds to wait before it may be spent."""
        now = self._clock()
        start = max(now, self._free_at)
        self._free_at = start + amount * self._seconds_each
        return start - now

    def give_back(self, amount: float) -> None:
        """What was taken and turned out not to be needed; a negative amount takes more."""
        self._free_at -= amount * self._seconds_each


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run's calls share, contenders and judges alike. said: what is not said again.

    servers: the paces of servers that have their own, of requests and of tokens, by name.
    reported: the names that servers gave their models, each once, in the order they came.
    """

    budget: Budget = field(default_factory=Budget)
    requests: Pace | None = None
    tokens: Pace | None = None
    said: set[str] = field(default_factory=set)
    servers: dict[str, tuple[Pace | None, Pace | None]] = field(default_factory=dict)
    reported: dict[Model, list[str]] = field(default_factory=dict)

    def note_reported(self, model: Model, name: str | None) -> None:
        """A server has answered for a model under this name; None: it gave none."""
        known = self.reported.setdefault(model, [])
        if name is not None and name not in known:
            known.append(name)

    def wait_s(self, request: Request) -> float:
        """Take a request's turn; the seconds until it comes."""
        waits = [0.0]
        for calls, tokens in self._paces(request):
            if calls is not None:
                waits.append(calls.take(1))
            if tokens is not None:
                waits.append(tokens.take(_size(most_tokens(request))))
        return max(waits)

    def settle(self, request: Request, usage: Usage | None) -> None:
        """A call has ended with this usage, None where its end was not seen."""
        self.budget.settle(request, usage)
        for _, tokens in self._paces(request):
            if tokens and usage is not None:
                tokens.give_back(_size(most_tokens(request)) - _size(usage))

    def _paces(self, request: Request) -> Iterator[tuple[Pace | None, Pace | None]]:
        """Of requests and of tokens: the run's, and those of the server that is asked."""
        yield self.requests, self.tokens
        own = request.model.allowance
        if own is not None:
            if own.server not in self.servers:
                self.servers[own.server] = (_pace(own.rpm), _pace(own.tpm))
            yield self.servers[own.server]


def limits_of(
    prices: Mapping[str, Price],
    max_cost: float | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    purse: Purse | None = None,
    base_url: str | None = None,
    in_batch: bool = False,
) -> Limits:
    """The limits of `--max-cost`, `--rpm` and `--tpm`; None is none. Others: as for Budget.

    Raises UsageError for anything but a finite number above 0.
    """
    limit = _positive("--max-cost", max_cost, "5  (USD)")
    budget = Budget(prices, limit, purse, base_url, in_batch)
    requests = _positive("--rpm", rpm, "500  (requests a minute)")
    tokens = _positive("--tpm", tpm, "100000  (tokens a minute)")
    return Limits(budget, _pace(requests), _pace(tokens))


def _pace(a_minute: float | None) -> Pace | None:
    return None if a_minute is None else Pace(a_minute)


def _positive(flag: str, value: object, example: str) -> float | None:
    if value is None:
        return None
    number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
    if not 0 < number < math.inf:
        shown = f"{number:g}" if type(value) is float else value
        raise UsageError(f"`{flag} {shown}`: must be a number above 0", f"{flag} {example}")
    return number


def _size(usage: Usage) -> int:
    return usage.prompt_tokens + usage.completion_tokens
