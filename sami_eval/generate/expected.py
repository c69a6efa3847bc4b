"""Answers before they are given: the stored ones, and for the others one as long as any can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sami_eval.core.calls import Completion, Request
from sami_eval.core.progress import silent
from sami_eval.core.types import Model, Prompt, Response
from sami_eval.generate.complete import by_key
from sami_eval.generate.engines import Engines
from sami_eval.generate.kept import stored as stored_of
from sami_eval.generate.respond import GenerateSettings, responses_by
from sami_eval.ledger.store import Ledger, key

# More than the average of long texts in any script: English is written at 4 to 5 bytes a token,
# Russian at up to 6, scripts of three bytes a letter at up to 8.
LONGEST_TOKEN = 8


@dataclass(slots=True)
class Foreseen:
    """What contenders have answered and may yet answer.

    responses: by model name; one that is missing holds a text of its own, as long as the token
        limit allows.
    missing: requests yet to be made, and stored: answers there are, by model name.
    """

    responses: dict[str, list[Response]] = field(default_factory=dict)
    missing: dict[str, list[Request]] = field(default_factory=dict)
    stored: dict[str, list[Completion]] = field(default_factory=dict)


Fill = Callable[[str, Request], Completion]  # an answer that is not there, by its key


def expected(
    prompts: Sequence[Prompt],
    models: Sequence[Model],
    settings: GenerateSettings,
    ledger: Ledger,
    fill: Fill | None = None,
) -> Foreseen:
    """The answers of a run that starts now; no engine is started and nothing is written.

    fill: gives what is missing, texts that differ; by default as long as any can be.
    """
    found = Foreseen(missing={m.name: [] for m in models}, stored={m.name: [] for m in models})
    missing = fill or longest
    engines = Engines(settings.engine, silent())  # for their names

    def ask(requests: Sequence[Request], _: str) -> list[Completion]:
        asked = by_key(requests, engines)
        done = stored_of(dict(asked), ledger)
        for name, request in dict(asked).items():
            if name in done:
                found.stored[request.model.name].append(done[name])
            else:
                found.missing[request.model.name].append(request)
        return [done.get(name) or missing(name, request) for name, request in asked]

    blank = not ledger.has_completions()
    spoken = [_as_served(m) if m.engine == "local" and blank else m for m in models]
    found.responses = responses_by(ask, prompts, spoken, settings, silent())
    return found


def _as_served(model: Model) -> Model:
    """A local model that has answered nothing: no tokenizer is needed to find that out."""
    return replace(model, engine="openai", fingerprint=key("unread", model.fingerprint))


def longest(name: str, request: Request) -> Completion:
    """A text like no other that is as long as the answer can be."""
    return Completion(name + "x" * (LONGEST_TOKEN * request.sampling.max_tokens))
