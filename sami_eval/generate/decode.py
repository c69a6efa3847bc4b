"""A decoding loop whose batch stays full: an ended row's place goes to the next request at once.

A row is computed as if it were alone: its keys and values are never shifted, and nothing of its
neighbours or of the batch's width enters a sum of its own. In fp32 on one CPU thread that holds to
the last bit; with more, a product's last bit may depend on which thread takes it. Imports torch and
transformers: import it only where a model is run.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from sami_eval.generate.decoding import Decoding, take_next
from sami_eval.generate.slots import BLOCK, LEAST_ROWS, Slots, in_blocks

RAMP_STEPS = 64

Wanted = Callable[[Decoding], bool]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is decoded at once.

    rows: at most.
    tokens: of rows times the longest of them, prompt and answer, at most.
    prefill: padded prompt tokens that are read in one pass, unless one prompt has more.
    block: prompts are padded to multiples of it.
    first: with how few rows to begin, until one has ended or RAMP_STEPS are made: the first answer
        is seen early. None to begin with all.
    """

    rows: int
    tokens: int
    prefill: int
    block: int = BLOCK
    first: int | None = None


def refills(model: PreTrainedModel) -> bool:
    """Whether a row of this model can be put in place of another.

    Its cache must hold all keys and values, and its positions be ours to name: not so with sliding
    windows, recurrent states, and models that read positions off the padding.
    """
    layers = DynamicCache(config=model.config).layers
    named = inspect.signature(model.forward).parameters
    return "position_ids" in named and all(type(layer) is DynamicLayer for layer in layers)


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    requests: Sequence[Decoding],
    size: Size,
    pad_id: int,
    wanted: Wanted = lambda _: True,
) -> Iterator[list[Decoding]]:
    """Fill `generated` of every request; yields, step by step, those that ended.

    wanted: asked before a request is begun; one that is not wanted any more is left out.
    Raises torch.OutOfMemoryError.
    """
    batch = _Batch(model, size, _Prompts(model, requests, size, pad_id), wanted)
    batch.fill()
    while batch.live:
        ended = batch.step()
        batch.fill()
        yield ended


class _Prompts:
    """What is yet to be begun, and the prompts that were read ahead for it."""

    def __init__(
        self, model: PreTrainedModel, requests: Sequence[Decoding], size: Size, pad_id: int
    ) -> None:
        # The longest come first: whoever runs out of memory learns it at once. Equal ones meet.
        self._waiting = deque(sorted(requests, key=lambda row: (-len(row.prompt), row.prompt)))
        self._waiting.rotate(size.first or 0)  # the shortest are read soonest
        self._model, self._size, self._pad_id = model, size, pad_id
        self._read: deque[tuple[Decoding, int]] = deque()  # with the place in the cache
        self._cache: DynamicCache | None = None

    def next(self) -> Decoding | None:
        """The request that is begun next."""
        if self._read:
            return self._read[0][0]
        return self._waiting[0] if self._waiting else None

    def take(self, n: int) -> tuple[DynamicCache, list[tuple[Decoding, int]]]:
        """At most n requests, each with the place of its prompt in a cache."""
        if not self._read:
            self._read_ahead()
        assert self._cache is not None
        cache, taken = self._cache, [self._read.popleft() for _ in range(min(n, len(self._read)))]
        if not self._read:
            self._cache = None
        return cache, taken

    def _read_ahead(self) -> None:
        """Read the next prompts of about one length, each but once, in one pass.

        All but the last token: the first step of decoding reads that. The padding stands behind
        them, where nothing looks at it; how much it is depends on the prompt's own length alone.
        """
        width = self._width(self._waiting[0])
        prompts: list[Sequence[int]] = []
        while self._waiting and self._width(self._waiting[0]) == width:
            prompt = self._waiting[0].prompt
            if not prompts or prompt != prompts[-1]:
                if prompts and (len(prompts) + 1) * width > self._size.prefill:
                    break
                prompts.append(prompt)
            self._read.append((self._waiting.popleft(), len(prompts) - 1))
        ids = torch.full((len(prompts), width), self._pad_id)
        positions = torch.arange(width).repeat(len(prompts), 1)
        for i, prompt in enumerate(prompts):
            ids[i, : len(prompt) - 1] = torch.tensor(prompt[:-1], dtype=torch.long)
            positions[i].clamp_(max=max(0, len(prompt) - 2))  # a model may have no place for more
        self._cache = DynamicCache(config=self._model.config)
        forward(self._model, ids, positions, torch.ones_like(ids), self._cache)

    def _width(self, row: Decoding) -> int:
        return in_blocks(max(1, len(row.prompt) - 1), self._size.block)


class _Batch:
    """The rows being decoded; live[i] has its keys and values in row i of the slots."""

    def __init__(
        self, model: PreTrainedModel, size: Size, prompts: _Prompts, wanted: Wanted
    ) -> None:
        self.live: list[Decoding] = []
        self._model, self._size, self._prompts, self._wanted = model, size, prompts, wanted
        self._slots = Slots(model)
        self._n_steps_left_of_ramp = RAMP_STEPS if size.first else 0

    def fill(self) -> None:
        """Begin requests while there is room for them."""
        while n := self._room():
            cache, taken = self._prompts.take(n)
            taken = [(row, place) for row, place in taken if self._wanted(row)]
            self._slots.put(len(self.live), cache, [place for _, place in taken])
            self.live += [row for row, _ in taken]

    def _room(self) -> int:
        """How many more requests can be begun now."""
        coming = self._prompts.next()
        if coming is None:
            return 0
        longest = max(row.longest for row in (coming, *self.live))
        rows = max(1, min(self._size.rows, self._size.tokens // longest))
        if self._n_steps_left_of_ramp and self._size.first:
            rows = min(rows, self._size.first)
        return max(0, rows - len(self.live))

    def step(self) -> list[Decoding]:
        """Give every row one token more; those that ended with it have left."""
        spare = [0] * (-len(self.live) % LEAST_ROWS)
        positions = torch.tensor([row.position for row in self.live] + spare)
        ids = torch.tensor([row.newest for row in self.live] + spare)
        mask = self._slots.look(positions)
        logits = forward(self._model, ids[:, None], positions[:, None], mask, self._slots)
        going = set(take_next(self.live, logits[: len(self.live)]))
        ended = [row for i, row in enumerate(self.live) if i not in going]
        self._n_steps_left_of_ramp = 0 if ended else max(0, self._n_steps_left_of_ramp - 1)
        for i in reversed(range(len(self.live))):
            if i not in going:
                self._drop(i)
        return ended

    def _drop(self, i: int) -> None:
        """Take a row out; the last one takes its place."""
        last = self.live.pop()
        if i < len(self.live):
            self._slots.move(len(self.live), i, last.position)
            self.live[i] = last


def forward(
    model: PreTrainedModel, ids: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache
) -> Tensor:
    """Logits (B, V) behind the last token of each row."""
    logits: Tensor = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=positions.to(model.device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    return logits
