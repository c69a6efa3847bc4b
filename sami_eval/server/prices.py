"""What a model costs where it is asked: by the user's table, else by its vendor's list.

The vendors' lists are prices.toml. What is in neither has no price: it is unknown, never nothing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sami_eval.core.config import Price
from sami_eval.core.files import read_toml
from sami_eval.core.shape import fit
from sami_eval.core.types import SERVED, Model
from sami_eval.server.endpoint import address_of

FILE: Final = Path(__file__).with_name("prices.toml")
OLD_DAYS: Final = 180
STANDARD: Final = (None, "auto", "default", "standard", "standard_only")  # the lists are of these
_OF_ENTRY = ("also", "since", "until", "source", "date")  # not of the price itself


@dataclass(frozen=True, slots=True)
class Listed:
    """A vendor's price of one model. at: the host that bills so. models: its names there.

    source, date: where the figure stands, and when that was true. since, until: the days, both
        included, for which it is announced; None: no such day is known.
    """

    at: str
    models: tuple[str, ...]
    price: Price
    source: str
    date: datetime.date
    since: datetime.date | None = None
    until: datetime.date | None = None

    def holds(self, today: datetime.date) -> bool:
        """Whether it is the price of this day, as far as is known."""
        return (self.since or today) <= today <= (self.until or today)


@cache
def listed() -> tuple[Listed, ...]:
    """Every price of the vendors' lists."""
    vendors = read_toml(FILE, "install sami-eval anew").data.values()
    return tuple(_entry(*each, vendor) for vendor in vendors for each in _rows(vendor["models"]))


def _rows(models: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((name, row) for name, rows in models.items() for row in rows)


def _entry(name: str, row: Mapping[str, Any], vendor: Mapping[str, Any]) -> Listed:
    price = {key: value for key, value in row.items() if key not in _OF_ENTRY}
    return Listed(
        vendor["at"],
        (name, *row.get("also", ())),
        fit(price, Price),
        row.get("source", vendor["source"]),
        row.get("date", vendor["date"]),
        row.get("since"),
        row.get("until"),
    )


def tier_of(model: Model) -> object:
    """The tier of its vendor's service that a model's requests ask for; None: none is named."""
    return json.loads(model.request or "{}").get("service_tier")


def _of_tier(price: Price, model: Model) -> Price | None:
    """What a tier of the vendor's service costs.

    Flex is billed as a batch (developers.openai.com/api/docs/guides/flex-processing; half the price
    at ai.google.dev/gemini-api/docs/interactions/flex-inference, too).
    """
    tier = tier_of(model)
    if tier == "flex":
        return price.in_batch()
    return price if tier in STANDARD else None


class Prices:
    """What calls cost, by the model that is asked and its address.

    own: the user's table, by the name a model has at its server; it wins at every address.
    base_url: where models without an address of their own are asked.
    today: decides between prices that are announced to change. in_batch: calls go in batch jobs.
    """

    def __init__(
        self,
        own: Mapping[str, Price] | None = None,
        base_url: str | None = None,
        today: datetime.date | None = None,
        in_batch: bool = False,
    ) -> None:
        self._own, self.in_batch = own or {}, in_batch
        self._base_url = base_url
        self._today = today or datetime.date.today()
        self._found: dict[Model, Price | None] = {}  # each call asks for it several times

    def of(self, model: Model) -> Price | None:
        """A model's price, as its requests' tier is billed, in batches where calls go there.

        None where it is not known. The user's table holds for whichever tier the user asks for.
        """
        if model not in self._found:
            price = self._of_calls(model)
            batched = price.in_batch() if price is not None and self.in_batch else price
            self._found[model] = batched
        return self._found[model]

    def _of_calls(self, model: Model) -> Price | None:
        own = self._own.get(model.base)
        if own is not None:
            return own
        found = self.entry(model)
        return None if found is None else _of_tier(found.price, model)

    def lacks_batch(self, model: Model) -> bool:
        """Whether a price is known that does not say what a batch job costs."""
        found = self._of_calls(model)
        return self.in_batch and found is not None and found.batch is None

    def lacking(self, model: Model) -> str | None:
        """Which file lacks what of a model's price; None where it is known."""
        if self.of(model) is not None:
            return None
        table, is_listed = f'[prices."{model.base}"]', self.entry(model) is not None
        if self.lacks_batch(model) and not is_listed:
            return f"{table} of sami-eval.toml has no `batch`, the share that a batch job costs"
        if not is_listed:
            return f"sami-eval.toml has no {table}"
        what = "batch jobs" if self.lacks_batch(model) else "this service_tier"
        return f"its vendor's list has no price of {what}, and sami-eval.toml no {table}"

    def entry(self, model: Model) -> Listed | None:
        """What a vendor's list says of a model asked at that vendor's own address.

        None where the user's table has a price, where no list names exactly this model, and where
        its address is not the vendor's: a proxy, a region, Azure.
        """
        if model.engine not in SERVED or model.base in self._own:
            return None
        place = urlsplit(address_of(model, self._base_url))
        for one in listed():
            if (
                (place.scheme, place.netloc) == ("https", one.at)
                and model.base in one.models
                and one.holds(self._today)
            ):
                return one
        return None

    def aged(self, models: Iterable[Model]) -> list[str]:
        """What to say of prices older than OLD_DAYS, a line each."""
        found = {model.base: self.entry(model) for model in models}
        return [
            f"the price of `{name}` is of {one.date}, {days} days ago ({one.source}): "
            f'[prices."{name}"] in sami-eval.toml replaces it'
            for name, one in found.items()
            if one is not None and (days := (self._today - one.date).days) > OLD_DAYS
        ]
