"""A key-value cache in which each row stands by itself and can be put in place of another.

Imports torch and transformers: import it only where a model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

# Of fewer rows a CPU's matrix product takes the sums in another order, and with several threads of
# what is no multiple of it: a text that hangs on the last bit would depend on its company.
LEAST_ROWS = 4
ROOM = 64  # columns by which the cache grows at least
# Columns come in blocks. A sum over keys then has the same order whatever the width of the batch:
# what is masked adds zeros to it, and no key changes its place in a vector register.
BLOCK = 16


def in_blocks(n_columns: int, block: int = BLOCK) -> int:
    """The least number of whole blocks' columns that holds so many."""
    return -(-n_columns // block) * block


class Slots(DynamicCache):  # type: ignore[misc]
    """Keys and values of the rows of a batch, each in the columns of its own positions.

    Between steps rows are put in and moved; `look` says which columns the next step is about.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(config=model.config)
        self._device = model.device
        self._size = (0, 0)  # rows and columns there is memory for
        self.layers: list[_SlotLayer] = [_SlotLayer() for _ in self.layers]

    def put(self, row: int, read: DynamicCache, places: Sequence[int]) -> None:
        """Copy the prompts at some places of another cache into rows from `row` on."""
        if not places:
            return
        chosen = torch.tensor(places, device=self._device)
        width = read.layers[0].keys.shape[2]
        self._reserve(row + len(places), width, read)
        for mine, its in zip(self.layers, read.layers, strict=True):
            mine.keys[row : row + len(places), :, :width] = its.keys[chosen]
            mine.values[row : row + len(places), :, :width] = its.values[chosen]

    def move(self, source: int, target: int, width: int) -> None:
        """Copy the first columns of a row over another row."""
        for layer in self.layers:
            layer.keys[target, :, :width] = layer.keys[source, :, :width]
            layer.values[target, :, :width] = layer.values[source, :, :width]

    def look(self, positions: Tensor) -> Tensor:
        """Have the next step write at these positions (B,); the mask (B, columns) it is to use."""
        # One column more than is used: without any mask another kernel would be chosen.
        width = in_blocks(int(positions.max()) + 2)
        self._reserve(len(positions), width, self)
        positions = positions.to(self._device)
        rows = torch.arange(len(positions), device=self._device)
        for layer in self.layers:
            layer.rows, layer.columns, layer.width = rows, positions, width
        columns = torch.arange(width, device=self._device)
        return (columns <= positions[:, None]).long()

    def _reserve(self, rows: int, columns: int, like: DynamicCache) -> None:
        """Get memory for so many rows, and for more columns than these: they come one a step."""
        had_rows, had_columns = self._size
        if rows <= had_rows and columns <= had_columns:
            return
        rows = in_blocks(rows, LEAST_ROWS)
        if columns > had_columns:
            columns = in_blocks(columns + max(ROOM, columns // 4))
        self._size = max(rows, had_rows), max(columns, had_columns)
        for mine, its in zip(self.layers, like.layers, strict=True):
            mine.keys = _larger(mine.keys, its.keys, *self._size)
            mine.values = _larger(mine.values, its.values, *self._size)


def _larger(stored: Tensor | None, like: Tensor, rows: int, columns: int) -> Tensor:
    # Zeros: what is masked still enters a product, and memory that was never written may hold NaN.
    larger = like.new_zeros((rows, like.shape[1], columns, like.shape[3]))
    if stored is not None:
        larger[: stored.shape[0], :, : stored.shape[2]] = stored
    return larger


class _SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's part: keys and values (rows, heads, columns, head size)."""

    rows: Tensor
    columns: Tensor
    width = 1

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the one new token of each row at its own column."""
        self.keys[self.rows, :, self.columns] = key_states[:, :, 0]
        self.values[self.rows, :, self.columns] = value_states[:, :, 0]
        n = len(self.rows)
        return self.keys[:n, :, : self.width], self.values[:n, :, : self.width]

    def get_seq_length(self) -> int:
        """As if the new token stood in the last column: which columns count, the mask says."""
        return self.width - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """All columns, from the first."""
        return self.width, 0
