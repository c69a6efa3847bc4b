"""The decoding loop for models whose rows cannot take each other's place: batch after batch.

A row that has ended is not computed any further. Imports torch and transformers: import it only
where a model is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from sami_eval.generate.decode import Size, Wanted, forward
from sami_eval.generate.decoding import Decoding, take_next

# Rows are dropped when fewer than this share are alive: copying the cache at every end costs more.
DROP_BELOW = 0.85


def decode_padded(
    model: PreTrainedModel,
    requests: Sequence[Decoding],
    size: Size,
    pad_id: int,
    wanted: Wanted = lambda _: True,
) -> Iterator[list[Decoding]]:
    """As `decode.decode`, in batches of similar lengths, padded at the left."""
    waiting = sorted(requests, key=lambda row: -len(row.prompt))
    while waiting:
        longest = waiting[0].longest
        n = 0
        while n < len(waiting) and n < size.rows:
            longest = max(longest, waiting[n].longest)
            if n and (n + 1) * longest > size.tokens:
                break
            n += 1
        rows, waiting = [row for row in waiting[:n] if wanted(row)], waiting[n:]
        if rows:
            yield from _batch(model, rows, pad_id)


@torch.inference_mode()
def _batch(model: PreTrainedModel, live: list[Decoding], pad_id: int) -> Iterator[list[Decoding]]:
    cache = DynamicCache(config=model.config)
    ids, mask = _left_padded(live, pad_id, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    alive = list(range(len(live)))  # places in the batch of the rows that go on
    while alive:
        logits = forward(model, ids, positions, mask, cache)
        before = [live[i] for i in alive]
        going = set(take_next(before, logits[alive]))
        yield [row for i, row in enumerate(before) if i not in going]
        alive = [place for i, place in enumerate(alive) if i in going]
        if len(alive) <= DROP_BELOW * len(live):
            kept = torch.tensor(alive, device=model.device, dtype=torch.long)
            cache.batch_select_indices(kept)
            live, mask, alive = [live[i] for i in alive], mask[kept], list(range(len(alive)))
        ids = torch.tensor([[row.newest] for row in live], device=model.device)
        positions = torch.tensor([[row.position] for row in live], device=model.device)
        mask = torch.cat([mask, mask.new_ones((len(live), 1))], dim=1)


def _left_padded(
    rows: Sequence[Decoding], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Prompt ids and mask (B, T), padded at the left: every next token has the same column."""
    longest = max(len(row.prompt) for row in rows)
    padding = [longest - len(row.prompt) for row in rows]
    ids = [[pad_id] * n + list(row.prompt) for n, row in zip(padding, rows, strict=True)]
    mask = [[0] * n + [1] * (longest - n) for n in padding]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
