"""What calls may cost and did cost.

A call is reserved at the most it could cost before it is sent and settled on the usage its server
reports, so calls in flight cannot add up to more than the limit. Nothing here talks or waits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sami_eval.core.calls import Request
from sami_eval.core.config import Price
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.types import Model, Usage
from sami_eval.server.prices import Prices

# Tokenizers of today write English and code at 3 to 4 bytes a token, other scripts at 2 or more.
BYTES_A_TOKEN = 2
# Of the input's price, at Anthropic for an hour; whose price is not known counts so at most.
DEAREST_WRITE = 2.0
TOKENS_A_MESSAGE = 8  # role and separators


class BudgetError(SamiEvalError):
    """The next call could pass `--max-cost`."""


def most_tokens(request: Request) -> Usage:
    """The tokens a request could take: its prompt estimated high from bytes, and its limit.

    Room for thoughts counts where it is said; what a model is found to need is not known before.
    """
    prompt = sum(_prompt_tokens(role, text) for role, text in request.messages)
    return Usage(prompt, request.sampling.max_tokens + (request.model.thoughts or 0))


def _prompt_tokens(role: str, text: str) -> int:
    n_bytes = len(role) + len(text.encode("utf-8", "replace"))
    return TOKENS_A_MESSAGE + math.ceil(n_bytes / BYTES_A_TOKEN)


def total(usages: Iterable[Usage]) -> Usage:
    """Usages added up."""
    several = list(usages)
    return Usage(
        sum(usage.prompt_tokens for usage in several),
        sum(usage.completion_tokens for usage in several),
        sum(usage.cached_tokens for usage in several),
        sum(usage.written_tokens for usage in several),
    )


def cost_usd(usage: Usage, price: Price) -> float:
    """What tokens cost; those put into a cache as the others, where their price is not known."""
    cached = price.input if price.cached is None else price.cached
    write = price.input if price.cache_write is None else price.cache_write
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.written_tokens
    read = fresh * price.input + usage.cached_tokens * cached + usage.written_tokens * write
    return (read + usage.completion_tokens * price.output) / 1e6


def most_usd(most: Usage, price: Price) -> float:
    """The most that so many tokens can cost: all of them put into a cache, where that is dearer."""
    dearest = max(price.input, price.cache_write or 0.0)
    return (most.prompt_tokens * dearest + most.completion_tokens * price.output) / 1e6


def whole_cost(costs: Iterable[float | None]) -> float | None:
    """What several things cost together; not known where one of them is not."""
    every = list(costs)
    return None if None in every else sum(cost for cost in every if cost)


def dollars(amount: float) -> str:
    """An amount as text; small ones keep the digits that tell them from nothing."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


@dataclass(slots=True)
class Purse:
    """What one limit pays for: a run's budget, or those of a command's several runs.

    closed: nothing is paid for, as in a dry run: no key is needed.
    """

    budgets: list[Budget] = field(default_factory=list)
    closed: bool = False

    @property
    def spent_usd(self) -> float:
        """What is known to be spent, and the most that unseen calls can cost."""
        return sum(one.gone_usd for one in self.budgets)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a budget was: the usage by model, and the answers without one."""

    used: Mapping[Model, Usage]
    n_unmetered: int


class Budget:
    """What one run has spent and reserved; limit_usd None is no limit.

    prices: the user's table. base_url: where models without an address of their own are asked.
    in_batch: calls go in batch jobs, and are paid as such.
    purse: what counts against the limit, this budget included; by default nothing else.
    used: the usage reported so far, by model.
    unmetered: by model, answers of which it is not known what was spent: without their usage, to a
        prompt longer than the price holds for, or with tokens put into a cache at no known price.
    unseen_usd: the most that answers without usage, and calls whose end was not seen, can cost.
    """

    def __init__(
        self,
        prices: Mapping[str, Price] | None = None,
        limit_usd: float | None = None,
        purse: Purse | None = None,
        base_url: str | None = None,
        in_batch: bool = False,
    ) -> None:
        self.prices = Prices(prices, base_url, in_batch=in_batch)
        self.limit_usd = limit_usd
        self.purse = purse or Purse()
        self.purse.budgets.append(self)
        self.used: dict[Model, Usage] = {}
        self.unmetered: Counter[Model] = Counter()
        self.unseen_usd = 0.0
        self._reserved_usd = 0.0
        self._n_in_flight = 0

    def check(self, models: Iterable[Model]) -> None:
        """Raise UsageError where there is a limit and a model's price is not known."""
        for model in models:
            if self.limit_usd is not None and (lacking := self.prices.lacking(model)):
                raise UsageError(
                    f"`--max-cost` needs the price of `{model.base}`: {lacking}",
                    f'in sami-eval.toml: [prices."{model.base}"] input = 2.5, output = 10.0'
                    f"{', batch = 0.5' if self.prices.in_batch else ''} "
                    "(USD per million tokens)",
                )

    @property
    def spent_usd(self) -> float | None:
        """The price of the usage reported; None where a price or an answer's usage is not known."""
        return None if self.unmetered else self._cost({}, self.used)

    def mark(self) -> Mark:
        """How far it is, for `since`."""
        return Mark(dict(self.used), self.unmetered.total())

    def since(self, mark: Mark) -> float | None:
        """The price of what was used since then; None as for spent_usd."""
        new = {model: use for model, use in self.used.items() if use != mark.used.get(model)}
        if self.unmetered.total() > mark.n_unmetered:
            return None
        return self._cost(mark.used, new)

    def _cost(self, before: Mapping[Model, Usage], used: Mapping[Model, Usage]) -> float | None:
        """What came to each model's usage since before; None where a price is not known."""
        cost = 0.0
        for model, usage in used.items():
            price = self.prices.of(model)
            if price is None:
                return None
            cost += cost_usd(usage, price) - cost_usd(before.get(model, Usage()), price)
        return cost

    @property
    def _known_usd(self) -> float:
        known = ((usage, self.prices.of(model)) for model, usage in self.used.items())
        return sum(cost_usd(usage, price) for usage, price in known if price is not None)

    @property
    def gone_usd(self) -> float:
        """Of this budget, what counts against the limit."""
        return self._known_usd + self.unseen_usd

    def reserve(self, request: Request) -> bool:
        """Set aside the most a call could cost; False where calls in flight must settle first.

        Raises BudgetError where the limit could be passed and nothing in flight can change that.
        """
        most = self._most_usd(request)
        gone = self.purse.spent_usd
        if self.limit_usd is not None and gone + self._reserved_usd + most > self.limit_usd:
            if self._n_in_flight:
                return False
            raise BudgetError(
                f"stopped at {dollars(gone)}: the next call could cost {dollars(most)} "
                f"and pass `--max-cost {self.limit_usd:g}`",
                "what is done is kept: the same command goes on from here, with a limit of its own",
            )
        self.commit(request)
        return True

    def covers(self, requests: Iterable[Request]) -> bool:
        """Whether all of these together are sure to stay below the limit."""
        if self.limit_usd is None:
            return True
        most = sum(map(self._most_usd, requests))
        return self.purse.spent_usd + self._reserved_usd + most <= self.limit_usd

    def commit(self, request: Request) -> None:
        """Set aside what a call could cost that an earlier run began: no limit stops it now."""
        self._n_in_flight += 1
        self._reserved_usd += self._most_usd(request)

    def settle(self, request: Request, usage: Usage | None) -> None:
        """End a reservation with the usage reported.

        usage: None where the call's end was not seen: the server may bill all of it, so all of it
            stays counted against the limit.
        """
        self._n_in_flight -= 1
        most, model = self._most_usd(request), request.model
        self._reserved_usd = self._reserved_usd - most if self._n_in_flight else 0.0
        if usage is None:
            self.unseen_usd += most
        elif usage != Usage():  # nothing, where the server refused
            self.used[model] = total([self.used.get(model, Usage()), usage])
            price = self.prices.of(model)
            if price is None:
                return
            unknown = usage.written_tokens if price.cache_write is None else 0
            self.unseen_usd += unknown * price.input * (DEAREST_WRITE - 1) / 1e6
            if unknown or (price.up_to and usage.prompt_tokens > price.up_to):
                self.unmetered[model] += 1

    def _most_usd(self, request: Request) -> float:
        """The most a call can cost; 0 without a price. Raises BudgetError for too long a prompt."""
        price = self.prices.of(request.model)
        if price is None:
            return 0.0
        most = most_tokens(request)
        if self.limit_usd is not None and price.up_to and most.prompt_tokens > price.up_to:
            raise BudgetError(
                f"a prompt may be longer than the {price.up_to:,} tokens up to which the price of "
                f"`{request.model.base}` is known, and `--max-cost` needs it",
                f'in sami-eval.toml: [prices."{request.model.base}"] with the price of long ones',
            )
        return most_usd(most, price)

    def note(self) -> str:
        """Cost so far, for a progress line; empty where nothing is known to say."""
        spent = self.spent_usd if self.used else None
        return "" if spent is None else dollars(spent)
