"""The transformers engine: one loaded base, its adapters switched batch by batch.

Imports torch and transformers: import it only where a model is run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from sami_eval.core.calls import Completion, Request
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.types import Model
from sami_eval.generate.attention import group_queries
from sami_eval.generate.decode import Size, decode, refills
from sami_eval.generate.decoding import Decoding
from sami_eval.generate.engine import TINY_HIDDEN_SIZE, Done, request_key
from sami_eval.generate.formats import Format, format_of, is_quantised
from sami_eval.generate.loading import TRUST, add_adapter, load_network
from sami_eval.generate.padded import decode_padded
from sami_eval.generate.slots import LEAST_ROWS
from sami_eval.generate.text import completion_from_ids, first_stop

if TYPE_CHECKING:
    from peft import PeftModel

# On one CPU thread 64 rows give more tokens a second than 256: less padding, a warmer cache.
CPU_ROWS, CUDA_ROWS = 64, 256
CPU_PREFILL, CUDA_PREFILL = 512, 8192  # tokens of a pass; more are no faster each
CUDA_BLOCK = 64  # coarser: there a pass costs more than its padding
# Prompt and answer tokens of all rows, padding included: the key-value cache of an 8B model takes
# some 17 GB at this size.
PADDED_TOKENS = 131_072
ARGUMENTS = ("batch_rows", "device", "dtype", "threads", TRUST)


def check_arguments(arguments: Mapping[str, str]) -> None:
    """Raise UsageError for an argument that there is not."""
    for name in arguments:
        if name not in ARGUMENTS:
            known = ", ".join(ARGUMENTS)
            raise UsageError(f"the hf engine has no argument `{name}`", f"known: {known}")


class HfEngine:
    """Runs requests in batches that stay full; equal requests give equal text in any company."""

    name = "hf"

    def __init__(self, model: Model, arguments: Mapping[str, str]) -> None:
        check_arguments(arguments)
        self._device = arguments.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
        rows = CPU_ROWS if self._device == "cpu" else CUDA_ROWS
        self._rows = number(arguments, "batch_rows", rows)
        self._network = _load_base(model, self._device, arguments.get("dtype"))
        self._decode = decode if refills(self._network) else decode_padded
        self._tiny = self._network.config.get_text_config().hidden_size < TINY_HIDDEN_SIZE
        self._threads = number(arguments, "threads", 1 if self._tiny else torch.get_num_threads())
        self._shown = False  # whether an answer was handed over
        self._peft: PeftModel | None = None
        self._adapters: dict[tuple[str, str], str] = {}

    def serves(self, models: Sequence[Model]) -> bool:
        """Any adapter of the base."""
        return True

    def close(self) -> None:
        """Drop the weights."""
        del self._network, self._peft

    def generate(
        self,
        requests: Sequence[Request],
        on_done: Done,
        wanted: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """Run the requests, adapter by adapter, each handed over as it ends.

        wanted: asked for the position of a request before it is begun; if not, it is left out.
        """
        places: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(request.model.fingerprint, []).append(place)
        for _, mine in sorted(places.items()):
            with fixed_threads(self._threads), self._switched_to(requests[mine[0]].model):
                self._run({place: requests[place] for place in mine}, on_done, wanted)

    def _run(
        self, requests: Mapping[int, Request], on_done: Done, wanted: Callable[[int], bool]
    ) -> None:
        """Run the requests of one model, which is switched to."""
        form = format_of(next(iter(requests.values())).model)
        rows = {place: _row(request, form) for place, request in requests.items()}
        place_of = {id(row): place for place, row in rows.items()}
        decoding = self._decode(
            self._network,
            list(rows.values()),
            self._size(),
            form.pad_id,
            lambda row: wanted(place_of[id(row)]),
        )
        try:
            for ended in filter(None, decoding):
                done = [(place_of[id(row)], row) for row in ended]
                on_done([(place, _completion(row, form, requests[place])) for place, row in done])
                self._shown = True
        except torch.OutOfMemoryError:
            raise SamiEvalError(
                f"{self._rows} requests at once do not fit the GPU's memory",
                f"run again with --engine-arg batch_rows={max(1, self._rows // 4)}: it resumes",
            ) from None

    def _size(self) -> Size:
        """How much fits and is fastest here; a network that takes seconds begins with a few."""
        if self._device != "cpu":
            return Size(self._rows, PADDED_TOKENS, CUDA_PREFILL, CUDA_BLOCK)
        first = None if self._tiny or self._shown else LEAST_ROWS
        return Size(self._rows, PADDED_TOKENS, CPU_PREFILL, first=first)

    @contextlib.contextmanager
    def _switched_to(self, model: Model) -> Iterator[None]:
        if model.adapter is None:
            with self._peft.disable_adapter() if self._peft else contextlib.nullcontext():
                yield
            return
        peft = self._with_adapter(model)
        peft.set_adapter(self._adapters[model.adapter, model.fingerprint])
        yield

    def _with_adapter(self, model: Model) -> PeftModel:
        """The PEFT model with the adapter loaded; its layers lie inside the one network."""
        folder, which = str(model.adapter), (str(model.adapter), model.fingerprint)
        if self._peft is not None and which in self._adapters:
            return self._peft
        name = f"adapter{len(self._adapters)}"
        onto = self._network if self._peft is None else self._peft
        hint = "name the base it was trained on with --base, or save the adapter again"
        self._peft = add_adapter(onto, folder, name, hint)
        self._peft.eval()
        self._adapters[which] = name
        return self._peft


def _load_base(model: Model, device: str, dtype: str | None) -> PreTrainedModel:
    kind = dtype or ("float32" if device == "cpu" else "bfloat16")
    try:
        network = load_network(model, dtype=kind)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason, hint = str(error).strip().splitlines()[0], "sami-eval doctor"
        if is_quantised(model):
            hint = "its weights are quantised: install what it asks for, or name the base it is of"
        raise SamiEvalError(f"cannot load `{model.base}`: {reason}", hint) from None
    if device == "cpu":
        group_queries(network)
    return network.to(device).eval()


def _row(request: Request, form: Format) -> Decoding:
    sampling = request.sampling
    room = form.context - len(request.token_ids) if form.context else sampling.max_tokens
    n_tokens = min(sampling.max_tokens, room)
    seed = int(request_key(HfEngine.name, request), 16)
    longest = max(map(len, sampling.stop), default=0)

    def has_ended(ids: Sequence[int]) -> bool:
        if ids[-1] in form.ends:
            return True
        # A token is rarely shorter than a character, so this tail holds the longest stop string.
        tail = form.tokenizer.decode(ids[-(longest + 4) :]) if longest else ""
        return first_stop(tail, sampling.stop) is not None

    return Decoding(
        prompt=request.token_ids,
        max_tokens=n_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=seed,
        has_ended=has_ended,
        n_likeliest=request.top_logprobs,
    )


def _completion(row: Decoding, form: Format, request: Request) -> Completion:
    stop = request.sampling.stop
    return completion_from_ids(form.tokenizer, row.generated, form.ends, stop, row.likeliest)


@contextlib.contextmanager
def fixed_threads(n: int) -> Iterator[None]:
    """A fixed thread count, so that sums are taken in the same order on every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def number(arguments: Mapping[str, str], name: str, default: int) -> int:
    """An engine argument that is a whole number above 0."""
    text = arguments.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"`{name}={text}` is not a whole number above 0", "--engine-arg k=v")
    return int(text)
