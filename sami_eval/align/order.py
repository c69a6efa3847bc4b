"""In which order contrasts, or rows of them, are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class ByStep(Sampler[int]):
    """A new random order every epoch, in which each optimizer step is sorted by length.

    Which contrasts, or rows of them, make a step is chance alone; sorting only decides which of
    them share a batch, so that little is padded. The step's loss is a mean over all of it: the
    order does not depend on how a step is cut into batches or shared among processes.
    """

    def __init__(self, lengths: Sequence[int], a_step: int, seed: int) -> None:
        """lengths: of each contrast or row. a_step: of them an optimizer step, all processes'."""
        self._lengths, self._a_step, self._seed, self._epoch = lengths, a_step, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch's order comes next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self._seed + self._epoch)
        order: list[int] = torch.randperm(len(self), generator=random).tolist()
        for first in range(0, len(order), self._a_step):
            step = order[first : first + self._a_step]
            yield from sorted(step, key=self._lengths.__getitem__)
        self._epoch += 1
