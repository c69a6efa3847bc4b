"""One request while it is decoded, and the next token of many.

Imports torch: import it only where a model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sami_eval.generate.sampling import next_tokens


@dataclass(slots=True, eq=False)
class Decoding:
    """One request being decoded.

    seed: of the random numbers in [0, 1), one a step, so that a draw does not depend on the batch.
    has_ended: looks at the ids generated so far.
    n_likeliest: of how many tokens the log-probabilities are noted in `likeliest` at every step,
        as (token id, nats) from the model's own distribution: before temperature and top_p.
    """

    prompt: Sequence[int]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    has_ended: Callable[[Sequence[int]], bool]
    n_likeliest: int = 0
    generated: list[int] = field(default_factory=list)
    likeliest: list[list[tuple[int, float]]] = field(default_factory=list)
    _random: np.random.Generator | None = None

    @property
    def longest(self) -> int:
        """Tokens of the prompt and of the longest answer it can get."""
        return len(self.prompt) + self.max_tokens

    @property
    def newest(self) -> int:
        """The last token that is known."""
        return self.generated[-1] if self.generated else self.prompt[-1]

    @property
    def position(self) -> int:
        """Where the newest token stands."""
        return len(self.prompt) + len(self.generated) - 1

    def draw(self) -> float:
        """The random number of this step; greedy decoding needs none."""
        if not self.temperature:
            return 0.0
        if self._random is None:
            self._random = np.random.default_rng(self.seed)
        return self._random.random()

    def take(self, token: int) -> bool:
        """Append a token; true if the row goes on."""
        self.generated.append(token)
        return len(self.generated) < self.max_tokens and not self.has_ended(self.generated)


def take_next(rows: Sequence[Decoding], logits: Tensor) -> list[int]:
    """Draw every row's next token from its logits (B, V); the places of the rows that go on."""
    tokens = next_tokens(
        logits,
        torch.tensor([row.temperature for row in rows], device=logits.device),
        torch.tensor([row.top_p for row in rows], device=logits.device),
        torch.tensor([row.draw() for row in rows], device=logits.device, dtype=torch.float64),
    ).tolist()
    for row, own, token in zip(rows, logits, tokens, strict=True):
        if row.n_likeliest:
            _note_likeliest(row, own, token)
    return [i for i, row in enumerate(rows) if row.take(tokens[i])]


def _note_likeliest(row: Decoding, logits: Tensor, token: int) -> None:
    """Write down what the row's next token was drawn from."""
    logps = logits.double().log_softmax(-1)
    ids = logps.topk(min(row.n_likeliest, len(logps))).indices.tolist()
    ids += [token] if token not in ids else []
    row.likeliest.append([(one, float(logps[one])) for one in ids])
