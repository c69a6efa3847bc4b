"""How many calls verdicts stand on: a reply counts once, however many verdicts it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sami_eval.core.calls import Reply
from sami_eval.core.types import Usage
from sami_eval.server.budget import total
from sami_eval.server.client import is_api_failure


@dataclass(slots=True)
class Counted:
    """Replies asked for in this run, with their usage, and those the ledger held, by their keys.

    failed: calls that were never answered.
    """

    made: dict[str, Usage | None] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def add(self, replies: Mapping[str, Reply], fresh: Mapping[str, Reply]) -> None:
        """Count the replies to one pair; those that are fresh were asked for just now."""
        self.made |= {k: r.usage for k, r in fresh.items() if not is_api_failure(r)}
        self.failed |= {k for k, r in fresh.items() if is_api_failure(r)}
        self.stored |= replies.keys() - fresh.keys() - self.made.keys()

    @property
    def tokens(self) -> Usage:
        """What the calls of this run took, as far as it was reported."""
        return total(usage for usage in self.made.values() if usage is not None)
