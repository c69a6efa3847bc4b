"""Answers of OpenAI-compatible servers, through the client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sami_eval import client
from sami_eval.calls import Completion, Reply, Request
from sami_eval.errors import SamiEvalError
from sami_eval.generate.engine import Done
from sami_eval.progress import Progress
from sami_eval.types import Model


class ServerEngine:
    """Sends messages; the server renders them and draws its own random numbers."""

    name = "openai"
    batch_rows: int | None = None

    def __init__(self, settings: client.ClientSettings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress

    def serves(self, models: Sequence[Model]) -> bool:
        """Any model of any server."""
        return True

    def close(self) -> None:
        """Nothing is held between calls."""

    def generate(
        self,
        requests: Sequence[Request],
        on_done: Done,
        wanted: Callable[[int], bool] = lambda position: True,
    ) -> None:
        """Ask for every request; what the server never answered is asked again by a rerun.

        wanted: whether one is still to be asked for; looked at before each call.

        A question a server refuses (a content filter) has the empty answer, and that is said.
        Raises SamiEvalError at the end where requests failed.
        """
        failures: Counter[str] = Counter()
        refusals: Counter[str] = Counter()

        def on_reply(position: int, reply: Reply) -> None:
            if reply.failure is None or not client.is_api_failure(reply):
                on_done([(position, _completion(reply))])
                if reply.failure is not None:
                    refusals[f"`{requests[position].model.name}`: {reply.failure}"] += 1
            else:
                failures[reply.failure] += 1

        client.complete_all(requests, self._settings, on_reply, self._progress, wanted)
        for why, n in refusals.items():
            self._progress.say(f"{n} empty answers of {why}")
        if failures:
            why, _ = failures.most_common(1)[0]
            raise SamiEvalError(
                f"{failures.total()} of {len(requests)} requests failed: {why}",
                "run the same command again: it asks only for these",
            )


def _completion(reply: Reply) -> Completion:
    n_tokens = reply.usage.completion_tokens if reply.usage else None
    return Completion(reply.text.strip(), (), reply.finished, n_tokens)
