"""`sami_eval.power`: how many questions for an effect, or which effect for so many."""

from __future__ import annotations

from sami_eval.report.power import Found, reckon


def power(
    *, win_rate: float | None = None, questions: int | None = None, ties: float = 0.0
) -> Found:
    """Say how many questions find an effect, or which effect they find: `sami-eval power`.

    win_rate: the true one to find, e.g. 0.57; ties count half. questions: the number at hand.
    ties: the expected share of ties.
    Returns the figures; printed, they are the command's sentences.
    Raises UsageError where nothing is asked, and for a share that is none.
    """
    return reckon(win_rate, questions, ties)
