"""Which engine runs which models, one at a time; started where it is needed, and freed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar, cast

from sami_eval.core import memory
from sami_eval.core.progress import Progress
from sami_eval.core.types import SERVED, Model
from sami_eval.generate.engine import SERVE, SERVER, Engine, EngineChoice, base_of, is_tiny
from sami_eval.generate.fit import check_fit

L = TypeVar("L")


class Engines(AbstractContextManager["Engines"]):
    """The engine in use; another base's takes its place, and leaving the block frees it."""

    def __init__(self, choice: EngineChoice, progress: Progress) -> None:
        self.choice = choice
        self.progress = progress
        self._base: tuple[str, str | None, str] | None = None
        self._engine: Engine | None = None
        self._said: set[str] = set()

    def __exit__(self, *_: object) -> None:
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
        served = [
            one for one in models if one.engine == "local" and self.name_for(one) in ("vllm", SERVE)
        ]
        if any(self.name_for(one) == "vllm" for one in served):
            from sami_eval.generate.vllm import prepare_environment

            prepare_environment(with_room=False)  # torch reads some of it when it is imported
        for text in check_fit(models):
            if text not in self._said:
                self._said.add(text)
                self.progress.say(text)
        if adapted := [model for model in served if model.adapter is not None]:
            from sami_eval.generate.vllm import check_served

            check_served(adapted)

    def open(self, models: Sequence[Model]) -> Engine:
        """The engine for models that share a base, started if it is not the one in use."""
        base = base_of(models[0])
        with memory.uncollected():
            self.check(models)
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
        if name == SERVE:
            from sami_eval.generate.serve import ServeEngine

            return ServeEngine(models, arguments, self.progress)
        from sami_eval.generate.hf import HfEngine

        return HfEngine(models[0], arguments)


class Kept(AbstractContextManager["Kept"]):
    """What is loaded once and stays from one part of a run to the next, by what it is for."""

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}
        self._opened = ExitStack()

    def __exit__(self, *_: object) -> None:
        """Free all of it."""
        self._opened.close()

    @contextmanager
    def use(self, name: str, make: Callable[[], AbstractContextManager[L]]) -> Iterator[L]:
        """What has this name, made where there is none; the end of the block leaves it loaded."""
        if name not in self._kept:
            self._kept[name] = self._opened.enter_context(make())
        yield cast(L, self._kept[name])
