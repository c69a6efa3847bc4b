"""The vLLM engine: one LLM, a LoRA a request, every request handed over at once."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sami_eval.core.calls import Request
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Model
from sami_eval.generate import peft_folder
from sami_eval.generate.engine import Done, is_tiny, request_key
from sami_eval.generate.fit import replaced_weight
from sami_eval.generate.formats import format_of
from sami_eval.generate.loading import TRUST, first, trusts_code
from sami_eval.generate.text import completion_from_ids
from sami_eval.generate.vllm_here import in_this_process, tiny_room

# The ranks vLLM has kernels for; a smaller adapter runs in the next larger one.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# What vLLM cannot serve: adapter_config field -> what it is called.
UNSUPPORTED = {
    "use_dora": "DoRA",
    "modules_to_save": "modules_to_save",
    "lora_bias": "a LoRA bias",
    "layer_replication": "layer replication",
    "alora_invocation_tokens": "activated LoRA",
    "trainable_token_indices": "trained tokens",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
    "target_parameters": "a LoRA on bare parameters",
}
# How its workers are asked what of an adapter they use; a class of theirs gets it as a method.
WORKER = "sami_eval.generate.vllm_worker.AppliedLoras"
# No usage report, room for the cache on CPU, quiet logs; what the user has set stays.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1"}
ROOM = {"VLLM_CPU_KVCACHE_SPACE": "2"}  # GiB, which vLLM fills with zeros
QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore::FutureWarning",
}
CPUINFO = Path("/proc/cpuinfo")
BFLOAT16_UNITS = frozenset(("avx512_bf16", "amx_bf16", "bf16"))  # of x86, x86 and ARM
CLOSE_WITHIN_S = 10


class VllmEngine:
    """All adapters of a base in one engine, mixed freely in its batches."""

    name = "vllm"

    def __init__(
        self, models: Sequence[Model], arguments: Mapping[str, str], progress: Progress
    ) -> None:
        self._adapters = {
            folder: i
            for i, folder in enumerate(dict.fromkeys(m.adapter for m in models if m.adapter), 1)
        }
        tiny = is_tiny(models[0])
        prepare_environment(with_room=not tiny)
        self._seeded = has_gpu()
        given = parsed(arguments)
        if given.get("data_parallel_size", 1) not in (1, None):
            raise UsageError("vLLM refuses data_parallel_size in one process", "use --engine serve")
        settings = engine_settings(models[0], self._adapters, self._seeded, given, progress)
        with ExitStack() as opened:
            if tiny and not self._seeded:
                settings = {**tiny_room(models[0]), **settings}
                opened.enter_context(in_this_process())
            else:
                progress.say("starting vLLM (its first start takes a minute)")
            self._llm = _start(settings)
            opened.callback(self._end)
            for folder in self._adapters:
                self._load(folder)
            self._opened = opened.pop_all()

    def _load(self, folder: str) -> None:
        """Load an adapter now, and make sure that each of its layers is used."""
        try:
            self._llm.llm_engine.add_lora(self._request(folder))
            unused = self._llm.collective_rpc("unused_loras", args=(self._adapters[folder],))
        except Exception as error:  # noqa: BLE001  # vLLM's workers raise whatever they please
            reason = " ".join(str(error).split())[-300:]
            raise refused(Path(folder), reason) from None
        lost = sorted(set.intersection(*map(set, unused)))  # a worker may hold a part of the layers
        if lost:
            raise refused(Path(folder), f"{len(lost)} layers fit nothing: {first(lost)}")

    def serves(self, models: Sequence[Model]) -> bool:
        """Only the adapters the engine was started with."""
        return all(model.adapter is None or model.adapter in self._adapters for model in models)

    def close(self) -> None:
        """End vLLM's processes and free what they hold."""
        self._opened.close()

    def _end(self) -> None:
        import gc

        core = self._llm.llm_engine.engine_core
        core.shutdown()
        _close_context(core)
        del self._llm, core
        gc.collect()

    def generate(self, requests: Sequence[Request], on_done: Done) -> None:
        """Run the requests together; samples of one prompt are handed over when all have ended."""
        engine = self._llm.llm_engine
        waiting = {str(group[0]): group for group in sample_groups(requests)}
        for name, group in waiting.items():
            first = requests[group[0]]
            engine.add_request(
                name,
                {"prompt_token_ids": list(first.token_ids)},
                self._sampling(first, len(group)),
                lora_request=self._lora(first.model),
            )
        try:
            while engine.has_unfinished_requests():
                ended = [output for output in engine.step() if output.finished]
                rows = [
                    (i, _completion(requests[i], one))
                    for output in ended
                    for i, one in zip(waiting.pop(output.request_id), output.outputs, strict=True)
                ]
                if rows:
                    on_done(rows)
        finally:
            if waiting:
                engine.abort_request(list(waiting), internal=False)

    def _sampling(self, request: Request, n: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        fields = sampling_fields(request, n, self._seeded)
        # Texts are read from the ids, once; vLLM needs its own to see where a stop string begins.
        said = {"output_kind": RequestOutputKind.FINAL_ONLY, "detokenize": bool(fields["stop"])}
        return SamplingParams(**fields, **said)

    def _lora(self, model: Model) -> Any:
        return None if model.adapter is None else self._request(model.adapter)

    def _request(self, folder: str) -> Any:
        from vllm.lora.request import LoRARequest

        number = self._adapters[folder]
        return LoRARequest(f"adapter{number}", number, os.path.abspath(folder))


def sample_groups(requests: Sequence[Request]) -> list[list[int]]:
    """Positions of requests that differ in nothing but neighbouring sample numbers."""
    groups: list[list[int]] = []
    for i, request in enumerate(requests):
        before = requests[i - 1] if i else None
        if before is not None and request == replace(before, sample=before.sample + 1):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def sampling_fields(request: Request, n: int, seeded: bool) -> dict[str, Any]:
    """How n samples of a request are drawn, in the words of vLLM and of its server."""
    form, sampling = format_of(request.model), request.sampling
    room = form.context - len(request.token_ids) if form.context else sampling.max_tokens
    return {
        "n": n,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": min(sampling.max_tokens, room),
        "stop": list(sampling.stop),
        "stop_token_ids": sorted(form.ends),
        "seed": request_seed(request) if seeded and sampling.temperature > 0 else None,
        "skip_special_tokens": True,
        "logprobs": request.top_logprobs or None,
    }


def request_seed(request: Request) -> int:
    """The seed of a sample: the prompt's own, and the sample's number added.

    vLLM seeds sample i of a group with the group's seed + i, so a sample is the same in any group.
    """
    whole = request_key(VllmEngine.name, replace(request, sample=0))
    return int(whole[:15], 16) + request.sample


def max_rank(adapters: Sequence[Path]) -> int:
    """The rank an engine for these adapters needs, among those vLLM has.

    Raises SamiEvalError for an adapter vLLM cannot serve.
    """
    needed = 1
    for folder in adapters:
        config = peft_folder.read_adapter_config(folder)
        if config.get("peft_type", "LORA") != "LORA":
            raise refused(folder, f"{config['peft_type']}, no LoRA")
        for field, meaning in UNSUPPORTED.items():
            if config.get(field):
                raise refused(folder, meaning)
        if config.get("bias", "none") != "none":
            raise refused(folder, "trained biases")
        if others := peft_folder.unusual(config):
            raise refused(folder, f"`{others[0]}`, which vLLM passes over")
        rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
        if rank > RANKS[-1]:
            raise refused(folder, f"rank {rank} (at most {RANKS[-1]})")
        needed = max(needed, rank)
    return next(rank for rank in RANKS if rank >= needed)


def check_served(models: Sequence[Model]) -> None:
    """Raise for an adapter of which vLLM would apply a part alone; nothing is started."""
    max_rank([Path(str(model.adapter)) for model in models])
    for model in models:
        if name := replaced_weight(model):
            raise refused(Path(str(model.adapter)), f"its own `{name}`, which is not its base's")


def refused(folder: Path, what: str) -> SamiEvalError:
    """That vLLM does not apply an adapter, or not all of it."""
    return SamiEvalError(
        f"vLLM cannot serve adapter `{folder}`: {what}",
        "use --engine hf, or merge the adapter into its base",
    )


def prepare_environment(with_room: bool = True) -> None:
    """Tell vLLM in this process by its variables what it takes no arguments for.

    with_room: for its cache on CPU, too.
    """
    said = ENVIRONMENT | QUIET | (ROOM if with_room else {})
    for name, value in said.items():
        os.environ.setdefault(name, value)


def has_gpu() -> bool:
    """Whether vLLM runs on one here. Raises UsageError where it cannot be imported."""
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise UsageError(
            f"vLLM cannot be imported: {error}", "pip install 'sami-eval[vllm]', or --engine hf"
        ) from None
    return not current_platform.is_cpu()


def parsed(arguments: Mapping[str, str]) -> dict[str, Any]:
    """Engine arguments as JSON values where they are such, else as texts."""
    values: dict[str, Any] = {}
    for name, text in arguments.items():
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            # Python's own words, as lm-eval hands them on: a text "False" would count as true.
            values[name] = {"True": True, "False": False, "None": None}.get(text, text)
    return values


def _cpu_dtype(model: Model, progress: Progress) -> str:
    """What a CPU calculates in, where the user does not say: as the hf engine, where it must.

    "auto" is bfloat16 even for a float32 model, and where no unit has it, six times as slow.
    """
    if is_tiny(model):
        return "float32"
    if has_bfloat16(CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""):
        return "auto"
    progress.say("vLLM runs in float32, this processor has no bfloat16: --engine-arg dtype=...")
    return "float32"


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether a processor has units for bfloat16, as Linux describes it."""
    return not BFLOAT16_UNITS.isdisjoint(cpuinfo.split())


def engine_settings(
    base: Model,
    adapters: Collection[str],
    on_gpu: bool,
    given: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """What vLLM is told of a base and its adapters, in this process and as a server.

    given: what the user says, which wins. Raises SamiEvalError for an adapter vLLM cannot serve.
    """
    settings: dict[str, Any] = {
        "model": base.base,
        "revision": base.revision,
        "tokenizer": base.tokenizer,
        # Compiling a tiny model takes longer than running it.
        "enforce_eager": is_tiny(base),
    }
    if not on_gpu:
        progress.say("vLLM on CPU draws without a seed: answers at temperature > 0 vary")
        # Its own is 0 at every start: samples that a later run adds would be those it has already.
        settings["seed"] = secrets.randbits(31)
        if "dtype" not in given:
            settings["dtype"] = _cpu_dtype(base, progress)
    if adapters:
        # vLLM's CPU kernels give a row without an adapter the one in the last slot (index -1 of
        # the stacked weights; vLLM 0.32, lora/ops/torch_ops/lora_ops.py): one more stays zero.
        settings |= {"enable_lora": True, "max_loras": len(adapters) + (not on_gpu)}
        settings["max_lora_rank"] = max_rank(list(map(Path, adapters)))
    return {**settings, **given, TRUST: trusts_code()}


def _start(settings: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():  # in this process, where PYTHONWARNINGS comes too late
            warnings.simplefilter("ignore", FutureWarning)
            from vllm import LLM

            return LLM(**settings, use_tqdm_on_load=False, worker_extension_cls=WORKER)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise SamiEvalError(
            f"vLLM does not start: {str(error).strip().splitlines()[-1]}",
            "see its log with VLLM_LOGGING_LEVEL=INFO, or use --engine hf",
        ) from None


def _close_context(core: Any) -> None:
    """Close the sockets' context, which vLLM 0.32 leaves to whoever drops its last reference."""
    context = getattr(core, "ctx", None)
    if context is None:  # an engine in this process has no sockets
        return
    if (reader := getattr(core, "output_queue_thread", None)) is not None:
        reader.join(CLOSE_WITHIN_S)
        if reader.is_alive():  # it still polls a socket of the context
            return
    context.destroy(linger=0)


def _completion(request: Request, said: Any) -> Any:
    form = format_of(request.model)
    likeliest = [[(i, one.logprob) for i, one in at.items()] for at in said.logprobs or ()]
    ids = list(said.token_ids)
    return completion_from_ids(form.tokenizer, ids, form.ends, request.sampling.stop, likeliest)
