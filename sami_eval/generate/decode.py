"""A decoding loop over one batch that stops computing a row once it has ended.

Imports torch and transformers: import it only where a model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from sami_eval.generate.sampling import next_tokens

# Rows are dropped when fewer than this share are alive: copying the cache at every end costs more.
DROP_BELOW = 0.85
ROOM = 64  # tokens by which the cache grows at least


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer with spare room: transformers' own copies everything at every token."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.used = 0
        self.all_keys = key_states[:, :, :0]
        self.all_values = value_states[:, :, :0]

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.used = self.used, self.used + key_states.shape[2]
        self.all_keys = _with_room(self.all_keys, key_states, start)
        self.all_values = _with_room(self.all_values, value_states, start)
        return self._show()

    def batch_select_indices(self, indices: Tensor) -> None:
        self.all_keys = self.all_keys[indices, :, : self.used]
        self.all_values = self.all_values[indices, :, : self.used]
        self._show()

    def _show(self) -> tuple[Tensor, Tensor]:
        self.keys = self.all_keys[:, :, : self.used]
        self.values = self.all_values[:, :, : self.used]
        return self.keys, self.values


def _with_room(stored: Tensor, new: Tensor, start: int) -> Tensor:
    """The store with the new states written behind the old ones, larger where they do not fit."""
    needed = start + new.shape[2]
    if needed > stored.shape[2]:
        size = needed + max(ROOM, needed // 4)
        larger = new.new_empty((*new.shape[:2], size, new.shape[3]))
        larger[:, :, :start] = stored[:, :, :start]
        stored = larger
    stored[:, :, start:needed] = new
    return stored


@dataclass(slots=True)
class Decoding:
    """One request being decoded.

    uniforms: a random number in [0, 1) for every step, so a draw does not depend on the batch.
    has_ended: looks at the ids generated so far.
    n_likeliest: of how many tokens the log-probabilities are noted in `likeliest` at every step,
        as (token id, nats) from the model's own distribution: before temperature and top_p.
    """

    prompt: Sequence[int]
    max_tokens: int
    temperature: float
    top_p: float
    uniforms: Sequence[float]
    has_ended: Callable[[Sequence[int]], bool]
    n_likeliest: int = 0
    generated: list[int] = field(default_factory=list)
    likeliest: list[list[tuple[int, float]]] = field(default_factory=list)

    def take(self, token: int) -> bool:
        """Append a token; true if the row goes on."""
        self.generated.append(token)
        return len(self.generated) < self.max_tokens and not self.has_ended(self.generated)


@dataclass(slots=True)
class _Batch:
    """Tensors of the rows still alive, row for row with `live`."""

    live: list[Decoding]
    mask: Tensor
    positions: Tensor
    temperature: Tensor
    top_p: Tensor
    uniforms: Tensor

    def keep(self, indices: list[int]) -> Tensor:
        """Drop all other rows; returns the indices as a tensor."""
        kept = torch.tensor(indices, device=self.mask.device)
        self.live = [self.live[i] for i in indices]
        for name in ("mask", "positions", "temperature", "top_p", "uniforms"):
            setattr(self, name, getattr(self, name)[kept])
        return kept


@torch.inference_mode()
def decode(model: PreTrainedModel, rows: Sequence[Decoding], pad_id: int) -> None:
    """Generate until every row has ended or reached its token limit; fills `row.generated`."""
    cache = _cache(model)
    ids, batch = _left_padded(rows, pad_id, model.device)
    length = ids.shape[1]
    positions = (batch.mask[:, :length].cumsum(-1) - 1).clamp(min=0)
    step = 0
    alive = list(range(len(rows)))
    while True:
        logits = model(
            input_ids=ids,
            attention_mask=batch.mask[:, : length + step],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        tokens = next_tokens(logits, batch.temperature, batch.top_p, batch.uniforms[:, step])
        values = tokens.tolist()
        _note_likeliest(batch.live, alive, logits, values)
        alive = [i for i in alive if batch.live[i].take(values[i])]
        if not alive:
            return
        if len(alive) <= DROP_BELOW * len(values):
            kept = batch.keep(alive)
            cache.batch_select_indices(kept)
            tokens, alive = tokens[kept], list(range(len(alive)))
        batch.mask[:, length + step] = 1
        ids, positions = tokens[:, None], batch.positions[:, None] + step
        step += 1


def _note_likeliest(
    rows: Sequence[Decoding], alive: Sequence[int], logits: Tensor, values: Sequence[int]
) -> None:
    """Write down what the next token of the rows that want it was drawn from."""
    for i in alive:
        row = rows[i]
        if not row.n_likeliest:
            continue
        logps = logits[i].double().log_softmax(-1)
        ids = logps.topk(min(row.n_likeliest, len(logps))).indices.tolist()
        ids += [values[i]] if values[i] not in ids else []
        row.likeliest.append([(token, float(logps[token])) for token in ids])


def _cache(model: PreTrainedModel) -> DynamicCache:
    cache = DynamicCache(config=model.config)
    cache.layers = [_RoomyLayer() if type(one) is DynamicLayer else one for one in cache.layers]
    return cache


def _left_padded(
    rows: Sequence[Decoding], pad_id: int, device: torch.device
) -> tuple[Tensor, _Batch]:
    """Prompt ids (B, T), padded at the left so that every row's next token has the same column."""
    lengths = [len(row.prompt) for row in rows]
    longest, n_steps = max(lengths), max(row.max_tokens for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros((len(rows), longest + n_steps), dtype=torch.long)
    uniforms = torch.zeros((len(rows), n_steps), dtype=torch.float64)
    for i, row in enumerate(rows):
        ids[i, longest - lengths[i] :] = torch.tensor(row.prompt)
        mask[i, longest - lengths[i] : longest] = 1
        uniforms[i, : len(row.uniforms)] = torch.tensor(row.uniforms, dtype=torch.float64)
    batch = _Batch(
        list(rows),
        mask.to(device),
        torch.tensor(lengths, device=device),
        torch.tensor([row.temperature for row in rows], device=device),
        torch.tensor([row.top_p for row in rows], device=device),
        uniforms.to(device),
    )
    return ids.to(device), batch
