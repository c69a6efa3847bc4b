"""Everything that judges are about to be asked, handed in at once where it goes in batch jobs.

A comparison asks judge after judge and pair after pair, and a batch job may take a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sami_eval.core.calls import Request
from sami_eval.core.types import SERVED, Model, Prompt, Response
from sami_eval.experiment.compare_plan import ComparePlan
from sami_eval.generate.tools import Tools
from sami_eval.judge import stored_replies, to_ask
from sami_eval.ledger.jobs import Jobs
from sami_eval.server.client import send_ahead


def hand_in(
    plan: ComparePlan,
    games: Sequence[tuple[Model, Model]],
    prompts: Sequence[Prompt],
    responses: Mapping[str, Sequence[Response]],
    tools: Tools,
) -> None:
    """Batch jobs of all judgments that the ledger does not hold.

    Without `--batch` nothing; raises UsageError where earlier jobs have some of them.
    """
    if plan.client.batch is None and not Jobs(tools.ledger.path).hold_any():
        return
    asked: dict[str, Request] = {}
    again = plan.settings.retry_unparsed
    for seat in plan.seats:
        if seat.at is None or seat.at.engine not in SERVED:
            continue
        for a, b in games:
            requests = to_ask(
                seat.judge,
                prompts,
                responses[a.name],
                responses[b.name],
                plan.orders,
                plan.settings.repeats,
                seat.at,
            ).requests
            stored = stored_replies(seat.judge, requests, tools.ledger, again)
            asked |= {k: requests[k] for k in requests if k not in stored}
    send_ahead(list(asked.values()), plan.client, tools.progress)
