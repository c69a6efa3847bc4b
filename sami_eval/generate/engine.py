"""What every engine is, what models share one, and the key a completion is stored under."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeGuard

from sami_eval.core.calls import Completion, Request
from sami_eval.core.config import ENGINES, Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import SERVED, Model
from sami_eval.generate.loading import trust
from sami_eval.generate.peft_folder import shares_network
from sami_eval.ledger.store import Opening
from sami_eval.server.batch.vendor import Batch
from sami_eval.server.budget import Purse
from sami_eval.server.client import TIMEOUT_S, ClientSettings
from sami_eval.server.limits import limits_of

Done = Callable[[Sequence[tuple[int, Completion]]], None]

SERVER = "openai"  # what runs the models of any server
# vLLM's own server, started for the run: the same ids by the same sampling as in this process.
SERVE = "serve"
# Arguments of an engine that change what it answers; others change how fast, and in how much room.
WEIGHTY = ("dtype", "quantization", "kv_cache_dtype", "load_format", "hf_overrides")
# Below this width one thread is fastest, and vLLM's start costs more than it saves.
TINY_HIDDEN_SIZE = 512


class Engine(Protocol):
    """Runs requests whose models share a base."""

    name: str

    def generate(self, requests: Sequence[Request], on_done: Done) -> None:
        """Run the requests; on_done(rows) gets (position, completion) the moment they exist."""

    def serves(self, models: Sequence[Model]) -> bool:
        """Whether these models can be run without a restart."""

    def close(self) -> None:
        """Free what the engine holds."""


class OneByOne(Engine, Protocol):
    """An engine that begins requests one by one."""

    def generate(
        self, requests: Sequence[Request], on_done: Done, wanted: Callable[[int], bool] = ...
    ) -> None:
        """As an Engine; a request that is not `wanted` when its turn comes is left out."""


def begins_one_by_one(engine: Engine) -> TypeGuard[OneByOne]:
    """Whether an engine does not begin all that it is given at once."""
    return engine.name not in ("vllm", SERVE)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What `--engine`, `--engine-arg k=v` and the client's flags say."""

    name: str = "auto"
    arguments: Mapping[str, str] = field(default_factory=dict)
    client: ClientSettings = field(default_factory=ClientSettings)

    @property
    def weighty(self) -> Mapping[str, str]:
        """Those of the arguments that change what is answered: part of an answer's key."""
        return {name: text for name, text in self.arguments.items() if name in WEIGHTY}

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UsageError(
                f"unknown engine `{self.name}`",
                f"known: {', '.join(ENGINES)}; a server is a model `openai:NAME`",
            )


class EngineSettings(Protocol):
    """What a command was asked of who generates and of servers, as far as every one is asked it."""

    @property
    def engine(self) -> str | None:
        """Its name, where one is named."""

    @property
    def engine_args(self) -> tuple[str, ...]:
        """KEY=VALUE, passed to it."""

    @property
    def base_url(self) -> str | None:
        """The server that is asked, where one is named."""

    @property
    def concurrency(self) -> int:
        """Requests in flight at once."""

    @property
    def max_cost(self) -> float | None:
        """USD that no call may pass."""

    @property
    def rpm(self) -> float | None:
        """Requests a minute at most."""

    @property
    def tpm(self) -> float | None:
        """Tokens a minute at most."""


class BatchSettings(Protocol):
    """What a command was asked of batch jobs."""

    @property
    def batch(self) -> bool:
        """Whether servers are asked by them."""

    @property
    def batch_file(self) -> bool:
        """Whether they are files that a person runs."""


def batch_of(settings: BatchSettings, config: Config) -> Batch | None:
    """How requests go in batch jobs; None: they do not. Raises UsageError for both ways at once."""
    if settings.batch and settings.batch_file:
        raise UsageError(
            "`--batch` and `--batch-file` are two ways to ask", "a server's jobs, or a file of ours"
        )
    if not (settings.batch or settings.batch_file):
        return None
    return Batch(config.ledger_path, settings.batch_file)


def chosen_engine(
    settings: EngineSettings,
    config: Config,
    purse: Purse | None = None,
    timeout_s: float = TIMEOUT_S,
    batch: Batch | None = None,
) -> EngineChoice:
    """The engine that is asked for, else the config's; its client asks below the limits.

    purse: of runs that stay below one `max_cost` together. timeout_s: for one attempt at a call.
    batch: servers are asked by batch jobs, at what those cost.
    """
    paced = settings.max_cost, settings.rpm, settings.tpm
    in_batch = batch is not None and not batch.to_file
    limits = limits_of(config.prices, *paced, purse, settings.base_url, in_batch)
    at, n = settings.base_url, settings.concurrency
    client = ClientSettings(at, n, timeout_s, limits=limits, batch=batch, ledger=config.ledger_path)
    name = config.choice("engine", settings.engine) or "auto"
    return EngineChoice(name, parse_arguments(settings.engine_args), client)


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


def request_key(
    engine: str,
    request: Request,
    left_out: Sequence[str] = (),
    weighty: Mapping[str, str] | None = None,
) -> str:
    """The ledger key: SHA-256 of all that determines a completion; names do not.

    Greedy local decoding draws nothing, so its seed, top_p and sample index do not count.
    left_out: what the server refused, so that it was asked otherwise.
    weighty: arguments that the engine was given, of those that change an answer.
    """
    return _key_behind(_opening(engine, request), engine, request, left_out, weighty)


def request_keys(
    asked: Iterable[tuple[str, Request]], weighty: Mapping[str, str] | None = None
) -> Iterator[str]:
    """`request_key` of each engine and request; what a prompt's samples share is hashed once."""
    before: tuple[object, ...] = ()
    for engine, request in asked:
        # By identity: 1 and 1.0 are equal, and two keys.
        shared = (engine, request.model, request.token_ids, request.messages, request.sampling)
        if not before or any(one is not other for one, other in zip(shared, before, strict=True)):
            opening, before = _opening(engine, request), shared
        yield _key_behind(opening, engine, request, (), weighty)


def _draws_nothing(engine: str, request: Request) -> bool:
    return engine != SERVER and request.sampling.temperature == 0


def _opening(engine: str, request: Request) -> Opening:
    sampling, name = request.sampling, "vllm" if engine == SERVE else engine
    if _draws_nothing(engine, request):
        sampling = replace(sampling, top_p=1.0, seed=0)
    prompt = request.token_ids or request.messages
    return Opening("completion", name, request.model.fingerprint, prompt, sampling)


def _key_behind(
    opening: Opening,
    engine: str,
    request: Request,
    left_out: Sequence[str],
    weighty: Mapping[str, str] | None,
) -> str:
    sample = 0 if _draws_nothing(engine, request) else request.sample
    wanted = [request.top_logprobs] if request.top_logprobs else []
    given = [dict(weighty)] if weighty and engine != SERVER else []
    return opening.key(sample, *wanted, *([list(left_out)] if left_out else []), *given)
