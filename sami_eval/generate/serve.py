"""The engine `serve`: vLLM's own server, started for the run; a node of several GPUs.

What it answers is what the engine `vllm` answers: the same token ids, sampled in the same way, so
both keep their answers under the same keys.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sami_eval.core.calls import Completion, Drawn, Reply, Request
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import Progress, silent
from sami_eval.core.types import Model
from sami_eval.generate.engine import SERVE, Done
from sami_eval.generate.formats import format_of
from sami_eval.generate.loading import first
from sami_eval.generate.text import completion_from_ids
from sami_eval.generate.vllm import (
    engine_settings,
    has_gpu,
    parsed,
    refused,
    sample_groups,
    sampling_fields,
)
from sami_eval.generate.vllm_server import OURS, VllmServer
from sami_eval.server import client

# Calls in flight: below the files that a process may usually have open. vLLM queues what is more
# than it runs at once.
AT_ONCE = 800
DAY_S = 86_400.0  # for one call: it may wait for all others


class ServeEngine:
    """All adapters of a base in one server, whatever the number of GPUs it is spread over."""

    name = SERVE

    def __init__(
        self, models: Sequence[Model], arguments: Mapping[str, str], progress: Progress
    ) -> None:
        for name in sorted(OURS & arguments.keys()):
            raise UsageError(
                f"`--engine-arg {name}=...`: `--engine serve` says that itself",
                "leave it out, or start the server yourself and name it: openai:MODEL --base-url",
            )
        adapters = list(dict.fromkeys(model.adapter for model in models if model.adapter))
        self._seeded = _has_gpu()
        settings = engine_settings(models[0], adapters, self._seeded, parsed(arguments), progress)
        # What a model recommends beside the temperature is not asked for in this process either.
        fixed = {"generation_config": "vllm", "uvicorn_log_level": "warning"}
        self.server = VllmServer({**settings, **fixed}, adapters, progress)
        self._names = dict(zip([None, *adapters], self.server.names, strict=True))
        with ExitStack() as opened:
            opened.callback(self.close)
            for i, layers in self.server.unused():
                if layers:
                    what = f"{len(layers)} layers fit nothing: {first(layers)}"
                    raise refused(Path(adapters[i]), what)
            opened.pop_all()

    def serves(self, models: Sequence[Model]) -> bool:
        """Only the adapters that the server was started with."""
        return all(model.adapter in self._names for model in models)

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def generate(self, requests: Sequence[Request], on_done: Done) -> None:
        """Ask for every prompt, its samples as one call; they are handed over when all have ended.

        Raises SamiEvalError where the server ends meanwhile, or refuses a prompt.
        """
        groups = sample_groups(requests)
        failures: Counter[str] = Counter()

        def on_reply(position: int, reply: Reply) -> None:
            group = groups[position]
            if len(reply.drawn) != len(group):
                failures[reply.failure or f"{len(reply.drawn)} of {len(group)} samples came"] += 1
                return
            drawn = zip(group, reply.drawn, strict=True)
            on_done([(i, _completion(requests[i], one)) for i, one in drawn])

        calls = [self._call(requests[group[0]], len(group)) for group in groups]
        settings = client.ClientSettings(self.server.url, AT_ONCE, DAY_S)
        try:
            # One that is gone is not asked again; that is then said with its last words.
            client.complete_all(calls, settings, on_reply, silent(), lambda _: self.server.is_alive)
        except SamiEvalError:
            self.server.check()
            raise
        self.server.check()
        if failures:
            why, _ = failures.most_common(1)[0]
            raise SamiEvalError(
                f"{failures.total()} of {len(calls)} calls failed: {why}",
                "run the same command again: it asks only for these",
            )

    def _call(self, request: Request, n: int) -> Request:
        """The request as it is sent: the token ids, and how n samples are drawn."""
        model, ids = request.model, request.token_ids
        name = self._names[model.adapter]
        fields: dict[str, Any] = sampling_fields(request, n, self._seeded)
        room = self.server.context - len(ids)
        if room < 1:
            raise SamiEvalError(
                f"a prompt of `{model.name}` is {len(ids)} tokens long; max_model_len is "
                f"{self.server.context}",
                "--engine-arg max_model_len=... with room for an answer",
            )
        fields["max_tokens"] = min(fields["max_tokens"], room)
        fields |= {"model": name, "prompt": list(ids)}
        fields |= {"return_token_ids": True, "return_tokens_as_token_ids": True}
        served = Model(name, name, engine="openai", base_url=self.server.url)
        return Request(served, (), (), request.sampling, as_sent=json.dumps(fields))


def _has_gpu() -> bool:
    """As vLLM says where it can be imported; it may stand in an environment of its own."""
    if find_spec("vllm") is not None:
        return has_gpu()
    import torch

    return bool(torch.cuda.is_available())


def _completion(request: Request, drawn: Drawn) -> Completion:
    form = format_of(request.model)
    return completion_from_ids(
        form.tokenizer, drawn.token_ids, form.ends, request.sampling.stop, drawn.likeliest
    )
