"""What every job works with, handed down as one."""

from __future__ import annotations

from dataclasses import dataclass, field

from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.generate.engines import Kept
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings


@dataclass(frozen=True, slots=True)
class Tools:
    """What is configured, what is kept, whom one tells, and how servers are asked.

    kept: engines of a run that asks part by part.
    """

    config: Config
    ledger: Ledger
    progress: Progress
    client: ClientSettings = field(default_factory=ClientSettings)
    kept: Kept = field(default_factory=Kept)
