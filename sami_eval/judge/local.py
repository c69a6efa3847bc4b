"""Judges that run in this process: `vllm:ID` and `hf:ID`, spoken to by their own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sami_eval.core.calls import Completion, Reply, Request
from sami_eval.core.progress import Progress
from sami_eval.core.types import Usage
from sami_eval.ledger.store import Ledger
from sami_eval.server import wire

if TYPE_CHECKING:
    from sami_eval.generate import Engines

ENGINES = ("hf", "vllm")


def complete_here(
    requests: Sequence[Request], engines: Engines, ledger: Ledger, progress: Progress
) -> list[Reply]:
    """A reply to every request, in order; one that is too long for the model is a failure.

    engines: those of the judge; the model is loaded where it is not loaded yet, and stays.
    What was generated before a kill is in the ledger as completions, so it is not done again.
    """
    from sami_eval.generate import complete, format_of

    form = format_of(requests[0].model)
    asked = [
        replace(request, token_ids=form.render(request.messages, literal=True))
        for request in requests
    ]
    fitting = [r for r in asked if form.context is None or len(r.token_ids) < form.context]
    done: dict[Request, Completion] = {}
    if fitting:
        completions = complete(fitting, ledger, engines, progress, "judging")
        done = dict(zip(fitting, completions, strict=True))
    return [_reply(request, done.get(request)) for request in asked]


def _reply(request: Request, completion: Completion | None) -> Reply:
    if completion is None:
        return Reply("", failure=wire.TOO_LONG)
    usage = Usage(len(request.token_ids), completion.n_tokens or 0)
    return Reply(
        completion.text,
        request.model.named,
        usage,
        completion.finished,
        token_logps=completion.token_logps,
        thoughts=completion.thoughts or "",
    )
