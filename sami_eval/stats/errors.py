"""What the statistics refuse to compute."""

from __future__ import annotations

from sami_eval.core.errors import UsageError


class OutOfRangeError(UsageError, ValueError):
    """A number no such statistic exists for; a ValueError to Python, wrong usage to a command."""
