"""Drawing the next token of many rows, each with its own temperature, top_p and random number.

Imports torch: import it only where a model is run.
"""

from __future__ import annotations

import torch
from torch import Tensor

# The likeliest tokens looked at, more where these do not hold top_p: sorting a vocabulary of 49k
# costs more than the rest of a step.
SHORTLIST, GROWTH = 64, 16


def next_tokens(logits: Tensor, temperature: Tensor, top_p: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row: the likeliest at temperature 0, else drawn by inverse CDF.

    logits: (B, V). temperature, top_p, uniforms: (B,); uniforms in [0, 1), float64.
    A row's token depends on its own numbers only. The CDF runs in the order of token ids, so that
    rounding cannot swap two tokens of nearly equal probability.
    Returns (B,) token ids.
    """
    tokens = logits.argmax(-1)
    hot = (temperature > 0).nonzero()[:, 0]
    if not len(hot):
        return tokens
    scaled = logits[hot].float() / temperature[hot, None]
    cdf = truncate(scaled.softmax(-1), top_p[hot]).double().cumsum(-1)
    # Held below the total: a target rounded up to it would fall past the last possible token.
    target = uniforms[hot] * cdf[:, -1] * (1 - 1e-12)
    tokens[hot] = torch.searchsorted(cdf, target[:, None], right=True)[:, 0]
    return tokens


def truncate(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Zero for all but the smallest set of likeliest tokens that holds top_p of the probability.

    probabilities: (B, V). top_p: (B,). Tokens as likely as the set's last one stay in.
    """
    if bool((top_p >= 1).all()):
        return probabilities
    least = torch.zeros_like(top_p, dtype=probabilities.dtype)
    left, n = (top_p < 1).nonzero()[:, 0], SHORTLIST
    while len(left):
        n = min(n, probabilities.shape[-1])
        likeliest = probabilities[left].topk(n).values
        before = likeliest.cumsum(-1) - likeliest
        kept = before < top_p[left, None]
        least[left] = torch.where(kept, likeliest, torch.inf).amin(-1)
        # Where the last one looked at is kept, less likely ones may have to be.
        left = left[kept[:, -1]] if n < probabilities.shape[-1] else left[:0]
        n *= GROWTH
    return torch.where(probabilities >= least[:, None], probabilities, 0.0)
