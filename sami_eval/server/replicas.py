"""Several addresses of one model: which is asked next, and which are left out for failing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

FAILURES = 3  # in a row at one address, until it is left out; a single one happens to the best


class Replicas:
    """How the addresses that are asked do; a run's, whatever the number of its jobs."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()  # in a row
        self._out: set[str] = set()

    def left(self, urls: Sequence[str]) -> list[str]:
        """Those that are not left out."""
        return [url for url in urls if url not in self._out]

    def choose(self, urls: Sequence[str]) -> str:
        """The one with the fewest calls in flight, of several the one asked least so far.

        Where all are left out, all are asked: then it is the run that fails, in its own way.
        """
        among = self.left(urls) or urls
        return min(among, key=lambda url: (self._in_flight[url], self._asked[url]))

    @contextmanager
    def asking(self, url: str) -> Iterator[None]:
        """A call in flight."""
        self._asked[url] += 1
        self._in_flight[url] += 1
        try:
            yield
        finally:
            self._in_flight[url] -= 1

    def answered(self, url: str) -> None:
        """The address has answered, whatever it said."""
        self._failed[url] = 0
        self._out.discard(url)

    def failed(self, url: str, for_good: bool = False) -> bool:
        """The address gave no answer; whether it is left out from now on.

        for_good: the next call would fare no better.
        """
        self._failed[url] += 1
        if url in self._out or (self._failed[url] < FAILURES and not for_good):
            return False
        self._out.add(url)
        return True
