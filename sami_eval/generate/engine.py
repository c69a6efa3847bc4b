"""What every engine is, which one is chosen, and the key a completion is stored under."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sami_eval.core import memory
from sami_eval.core.calls import Completion, Request
from sami_eval.core.config import ENGINES
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import SERVED, Model
from sami_eval.generate.fit import check_fit
from sami_eval.generate.loading import trust
from sami_eval.generate.peft_folder import shares_network
from sami_eval.ledger.store import key
from sami_eval.server.client import ClientSettings

Done = Callable[[Sequence[tuple[int, Completion]]], None]

SERVER = "openai"  # what runs the models of any server
# Below this width one thread is fastest, and vLLM's start costs more than it saves.
TINY_HIDDEN_SIZE = 512


class Engine(Protocol):
    """Runs requests whose models share a base.

    batch_rows: requests one `generate` call should get at most; None for all at once.
    """

    name: str
    batch_rows: int | None

    def generate(self, requests: Sequence[Request], on_done: Done) -> None:
        """Run the requests; on_done(rows) gets (position, completion) the moment they exist."""

    def serves(self, models: Sequence[Model]) -> bool:
        """Whether these models can be run without a restart."""

    def close(self) -> None:
        """Free what the engine holds."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What `--engine`, `--engine-arg k=v` and the client's flags say."""

    name: str = "auto"
    arguments: Mapping[str, str] = field(default_factory=dict)
    client: ClientSettings = field(default_factory=ClientSettings)

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UsageError(
                f"unknown engine `{self.name}`",
                f"known: {', '.join(ENGINES)}; a server is a model `openai:NAME`",
            )


def parse_arguments(pairs: Sequence[str]) -> dict[str, str]:
    """`--engine-arg k=v` flags as a mapping; whether a model's own code may run is noted."""
    arguments = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f"`--engine-arg {pair}` is not k=v", "e.g. --engine-arg dtype=float16")
        arguments[name.replace("-", "_")] = value
    trust(arguments)
    return arguments


class Engines:
    """The engine in use; another base's takes its place, and leaving the block frees it."""

    def __init__(self, choice: EngineChoice, progress: Progress) -> None:
        self.choice = choice
        self.progress = progress
        self._base: tuple[str, str | None, str] | None = None
        self._engine: Engine | None = None
        self._said: set[str] = set()

    def __enter__(self) -> Engines:
        """Use as a context manager."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the engine."""
        self.close()

    def close(self) -> None:
        """Free the engine in use."""
        if self._engine is not None:
            self._engine.close()
            self._base = self._engine = None
            memory.release()

    def name_for(self, model: Model) -> str:
        """Which engine runs a model; nothing is started."""
        if model.engine in SERVED:
            return SERVER
        if self.choice.name != "auto":
            return self.choice.name
        has_vllm = importlib.util.find_spec("vllm") is not None
        return "vllm" if has_vllm and not is_tiny(model) else "hf"

    def check(self, models: Sequence[Model]) -> None:
        """Raise for an adapter that its engine would not apply whole; nothing is started."""
        for text in check_fit(models):
            if text not in self._said:
                self._said.add(text)
                self.progress.say(text)
        served = [one for one in models if one.engine == "local" and self.name_for(one) == "vllm"]
        if adapted := [model for model in served if model.adapter is not None]:
            from sami_eval.generate.vllm import check_served

            check_served(adapted)

    def open(self, models: Sequence[Model]) -> Engine:
        """The engine for models that share a base, started if it is not the one in use."""
        self.check(models)
        base = base_of(models[0])
        if self._engine is None or self._base != base or not self._engine.serves(models):
            self.close()
            self._engine = self._start(models)
            self._base = base
        return self._engine

    def _start(self, models: Sequence[Model]) -> Engine:
        name, arguments = self.name_for(models[0]), self.choice.arguments
        if name == SERVER:
            from sami_eval.generate.server import ServerEngine

            return ServerEngine(self.choice.client, self.progress)
        if name == "vllm":
            from sami_eval.generate.vllm import VllmEngine

            return VllmEngine(models, arguments, self.progress)
        from sami_eval.generate.hf import HfEngine

        return HfEngine(models[0], arguments)


def ground_of(model: Model) -> tuple[str, str | None, str]:
    """What a model stands on: its base, or the server that runs any of its models."""
    if model.engine in SERVED:
        return (model.base_url or "", None, model.engine)
    return (model.base, model.revision, "local")


def base_of(model: Model) -> tuple[str, str | None, str]:
    """What models must share to run in one engine.

    An adapter that would change the network for others gets one of its own.
    """
    if (
        model.engine == "local"
        and model.adapter
        and not shares_network(model.adapter, model.fingerprint)
    ):
        return (model.base, model.revision, f"local {model.adapter} {model.fingerprint}")
    return ground_of(model)


def is_tiny(model: Model) -> bool:
    """Whether a local base is narrower than TINY_HIDDEN_SIZE; False where that is not known."""
    path = Path(model.base) / "config.json"
    if not path.is_file():
        return False
    width = json.loads(path.read_text(encoding="utf-8")).get("hidden_size")
    return isinstance(width, int) and width < TINY_HIDDEN_SIZE


def request_key(engine: str, request: Request, left_out: Sequence[str] = ()) -> str:
    """The ledger key: SHA-256 of all that determines a completion; names do not.

    Greedy local decoding draws nothing, so its seed, top_p and sample index do not count.
    left_out: what the server refused, so that it was asked otherwise.
    """
    sampling, sample = request.sampling, request.sample
    if engine != SERVER and sampling.temperature == 0:
        sampling, sample = replace(sampling, top_p=1.0, seed=0), 0
    prompt = request.token_ids or request.messages
    facts = (engine, request.model.fingerprint, prompt, sampling, sample)
    wanted = [request.top_logprobs] if request.top_logprobs else []
    return key("completion", *facts, *wanted, *([list(left_out)] if left_out else []))
