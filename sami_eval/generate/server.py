"""Answers of OpenAI-compatible servers, through the client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from sami_eval.core.calls import Completion, Reply, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model
from sami_eval.generate.engine import SERVER, Done
from sami_eval.generate.kept import apart
from sami_eval.generate.text import first_stop
from sami_eval.server import client
from sami_eval.server.wire import CONTENT_FILTER, ONLY_THOUGHTS


class ServerEngine:
    """Sends messages; the server renders them and draws its own random numbers."""

    name = SERVER

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
        empty: Counter[str] = Counter()

        def on_reply(position: int, reply: Reply) -> None:
            if client.is_api_failure(reply):
                failures[str(reply.failure)] += 1
                return
            completion = _completion(reply, requests[position])
            on_done([(position, completion)])
            if not completion.text:
                why = reply.failure or (ONLY_THOUGHTS if completion.thoughts else "no text")
                empty[f"`{requests[position].model.name}`: {why}"] += 1

        client.complete_all(requests, self._settings, on_reply, self._progress, wanted)
        for why, n in empty.items():
            self._progress.say(f"{n} empty answers of {why}")
        if failures:
            why, _ = failures.most_common(1)[0]
            raise SamiEvalError(
                f"{failures.total()} of {len(requests)} requests failed: {why}",
                "run the same command again: it asks only for these",
            )


def _completion(reply: Reply, request: Request) -> Completion:
    """A reply as an answer. What a filter has cut off is none, whatever there is of it.

    A count that includes thoughts, without saying how many, is not the answer's.
    """
    text = "" if reply.failure == CONTENT_FILTER else reply.text
    at = first_stop(text, request.sampling.stop)  # a server that refuses `stop` goes on
    text = (text if at is None else text[:at]).strip()
    n_tokens = reply.usage.completion_tokens - reply.n_thought if reply.usage else None
    if reply.thoughts and not reply.n_thought:
        n_tokens = None
    finished = True if at is not None else reply.finished
    whole = Completion(text, (), finished, n_tokens, left_out=reply.left_out)
    inside = apart(whole, request)
    thought = "\n\n".join(filter(None, (reply.thoughts, inside.thoughts)))
    return replace(inside, thoughts=thought)
