"""Drawing the next token of many rows, each with its own temperature, top_p and random number.

Imports torch: import it only where a model is run.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHORTLIST = 64  # the likeliest tokens looked at before the whole vocabulary is sorted


def next_tokens(logits: Tensor, temperature: Tensor, top_p: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row: the likeliest at temperature 0, else drawn by inverse CDF.

    logits: (B, V). temperature, top_p, uniforms: (B,); uniforms in [0, 1), float64.
    A row's token depends on its own numbers only. The CDF runs in the order of token ids, so that
    rounding cannot swap two tokens of nearly equal probability.
    Returns (B,) token ids.
    """
    greedy = logits.argmax(-1)
    hot = temperature > 0
    if not bool(hot.any()):
        return greedy
    scaled = logits.float() / torch.where(hot, temperature, 1.0)[:, None]
    cdf = truncate(scaled.softmax(-1), top_p).double().cumsum(-1)
    # Held below the total: a target rounded up to it would fall past the last possible token.
    target = uniforms * cdf[:, -1] * (1 - 1e-12)
    drawn = torch.searchsorted(cdf, target[:, None], right=True)[:, 0]
    return torch.where(hot, drawn, greedy)


def truncate(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Zero for all but the smallest set of likeliest tokens that holds top_p of the probability.

    probabilities: (B, V). top_p: (B,). Tokens as likely as the set's last one stay in.
    """
    if bool((top_p >= 1).all()):
        return probabilities
    likeliest = probabilities.topk(min(SHORTLIST, probabilities.shape[-1])).values
    if bool((likeliest.sum(-1) < top_p).any()):
        likeliest = probabilities.sort(-1, descending=True).values
    before = likeliest.cumsum(-1) - likeliest
    kept = (before < top_p[:, None]) | (top_p >= 1)[:, None]
    least = torch.where(kept, likeliest, torch.inf).amin(-1, keepdim=True)
    least = torch.where((top_p >= 1)[:, None], 0.0, least)
    return torch.where(probabilities >= least, probabilities, 0.0)
