"""Prompts to responses: every contender, both turns, through one engine a base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model, Prompt, Response
from sami_eval.data import chat
from sami_eval.data.answers import read_answers
from sami_eval.generate.complete import complete
from sami_eval.generate.engine import EngineChoice, base_of
from sami_eval.generate.engines import Engines, Kept
from sami_eval.generate.fingerprints import record_fingerprint
from sami_eval.generate.formats import format_of
from sami_eval.ledger.store import Ledger

# Requests of one turn and what a person is told they are -> their completions, in order.
Ask = Callable[[Sequence[Request], str], list[Completion]]


@dataclass(frozen=True, slots=True)
class GenerateSettings:
    """How contenders answer.

    temperature: overrides the prompts' own and their categories'; None leaves them.
    temperatures: the task's, by category; prompts of others are answered greedily.
    samples: responses a prompt.
    with_principles: show the prompt's principles to the contenders too, as the paper did.
    """

    max_tokens: int = 1024
    temperature: float | None = None
    temperatures: Mapping[str, float] = field(default_factory=dict)
    top_p: float = 1.0
    seed: int = 0
    samples: int = 1
    with_principles: bool = True
    engine: EngineChoice = field(default_factory=EngineChoice)


def respond(
    prompts: Sequence[Prompt],
    models: Sequence[Model],
    settings: GenerateSettings,
    ledger: Ledger,
    progress: Progress,
    kept: Kept | None = None,
) -> dict[str, list[Response]]:
    """Every model's responses by its name, in prompt order, samples of a prompt side by side.

    All first turns of a base's contenders come in one pass, then all second turns, and so on, each
    after the model's own answers. A record may answer fewer turns; that is said.
    kept: where the engine stays for the questions that come next.
    """
    made = partial(Engines, settings.engine, progress)
    with kept.use("answers", made) if kept else made() as engines:
        if len(_groups(models)) > 1:  # else the one group's engine looks before it starts
            engines.check(models)

        def ask(requests: Sequence[Request], title: str) -> list[Completion]:
            return complete(requests, ledger, engines, progress, title)

        return responses_by(ask, prompts, models, settings, progress)


def responses_by(
    ask: Ask,
    prompts: Sequence[Prompt],
    models: Sequence[Model],
    settings: GenerateSettings,
    progress: Progress,
) -> dict[str, list[Response]]:
    """As `respond`, with completions from `ask`, which gets the requests of one turn at a time."""
    by_model: dict[str, list[Response]] = {model.name: [] for model in models}
    if len(by_model) < len(models):
        raise ValueError("two models share a name")
    for group in _groups(models):
        if group[0].engine == "recorded":
            by_model[group[0].name] = _recorded(prompts, group[0], progress)
        else:
            by_model |= _generated(ask, prompts, group, settings)
    return by_model


def _groups(models: Sequence[Model]) -> list[list[Model]]:
    """Models by base, so that each base is loaded once; every record by itself."""
    groups: dict[object, list[Model]] = {}
    for model in models:
        key = model.name if model.engine == "recorded" else base_of(model)
        groups.setdefault(key, []).append(model)
    return list(groups.values())


@dataclass(slots=True)
class _Dialogue:
    """One prompt being answered by one model."""

    prompt: Prompt
    model: Model
    sample: int
    answers: list[Completion] = field(default_factory=list)

    def request(self, settings: GenerateSettings) -> Request:
        """The request for the next turn."""
        system = chat.constitution_text(self.prompt.principles) if settings.with_principles else ""
        said = [answer.text for answer in self.answers]
        messages = chat.conversation(self.prompt.turns, said, system, self.prompt.history)
        local = self.model.engine == "local"
        ids = format_of(self.model).render(messages) if local else ()
        sampling = Sampling(
            temperature_of(self.prompt, settings),
            settings.top_p,
            settings.max_tokens,
            seed=settings.seed,
        )
        return Request(self.model, messages, ids, sampling, self.sample)

    def response(self) -> Response:
        """What was said, all turns."""
        return Response(
            self.prompt.id,
            self.model.name,
            turns=tuple(answer.text for answer in self.answers),
            token_ids=tuple(answer.token_ids for answer in self.answers),
            sample=self.sample,
            finished=tuple(answer.finished for answer in self.answers),
            n_tokens=tuple(answer.n_tokens for answer in self.answers),
            thoughts=_thoughts(self.answers),
        )


def _thoughts(answers: Sequence[Completion]) -> tuple[str, ...]:
    said = tuple(answer.thoughts or "" for answer in answers)
    return said if any(said) else ()


def temperature_of(prompt: Prompt, settings: GenerateSettings) -> float:
    """The setting, else the prompt's own, else its category's in the task."""
    if settings.temperature is not None:
        return settings.temperature
    if prompt.temperature is not None:
        return prompt.temperature
    return settings.temperatures.get(prompt.category, 0.0)


def _generated(
    ask: Ask, prompts: Sequence[Prompt], models: Sequence[Model], settings: GenerateSettings
) -> dict[str, list[Response]]:
    dialogues = [
        _Dialogue(prompt, model, sample)
        for model in models
        for prompt in prompts
        for sample in range(settings.samples)
    ]
    n_turns = max((len(prompt.turns) for prompt in prompts), default=0)
    for turn in range(n_turns):
        open_ones = [one for one in dialogues if len(one.prompt.turns) > turn]
        requests = [dialogue.request(settings) for dialogue in open_ones]
        title = "generating" if n_turns == 1 else f"generating turn {turn + 1}"
        completions = ask(requests, title)
        for dialogue, completion in zip(open_ones, completions, strict=True):
            dialogue.answers.append(completion)
    by_model: dict[str, list[Response]] = {model.name: [] for model in models}
    for dialogue in dialogues:
        by_model[dialogue.model.name].append(dialogue.response())
    return by_model


def _recorded(prompts: Sequence[Prompt], model: Model, progress: Progress) -> list[Response]:
    """The record's responses to the prompts, under the contender's name."""
    answers: dict[str, list[Response]] = {}
    for response in recorded_answers(model):
        answers.setdefault(response.prompt_id, []).append(response)
    missing = [prompt.id for prompt in prompts if prompt.id not in answers]
    if missing:
        raise UsageError(
            f"`{model.base}` answers {len(prompts) - len(missing)} of {len(prompts)} questions; "
            f"the first without an answer is `{missing[0]}`",
            "give the questions it was made from: --prompts FILE, or --limit",
        )
    short = sum(len(answers[prompt.id][0].turns) < len(prompt.turns) for prompt in prompts)
    if short:
        lack = f"{short} of {len(prompts)} records lack a turn"
        progress.say(f"`{model.name}`: {lack}; the turns that all answered are judged")
    return [
        _trimmed(response, model, len(prompt.turns))
        for prompt in prompts
        for response in answers[prompt.id]
    ]


def recorded_answers(model: Model) -> list[Response]:
    """The rows of a record that are this model's: told apart by fingerprint, not by name."""
    path = Path(model.base)
    found = read_answers(path)
    names = {response.model for response in found}
    its = {name for name in names if record_fingerprint(path, name) == model.fingerprint}
    return [response for response in found if response.model in its]


def _trimmed(response: Response, model: Model, n_turns: int) -> Response:
    if response.model == model.name and len(response.turns) <= n_turns:
        return response
    return replace(
        response,
        model=model.name,
        turns=response.turns[:n_turns],
        token_ids=response.token_ids[:n_turns],
        finished=response.finished[:n_turns],
        n_tokens=response.n_tokens[:n_turns],
        thoughts=response.thoughts[:n_turns],
    )
