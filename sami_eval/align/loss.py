"""The losses of a contrast matrix, and what is read off it. Pure functions of tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100  # the label of a token that is not trained


def _square(logps: Tensor) -> Tensor:
    if logps.dim() not in (2, 3) or logps.shape[-1] != logps.shape[-2]:
        shape = tuple(logps.shape)
        raise ValueError(f"a contrast matrix is (N, N) or (B, N, N), not {shape}")
    return logps if logps.dim() == 3 else logps.unsqueeze(0)


def sami_loss(logps: Tensor) -> Tensor:
    """Mean of the two InfoNCE losses over a contrast matrix (arXiv 2404.14313).

    logps: (C, R) or (B, C, R) in nats; entry [i, j] is the log-probability of response j under
        constitution i. Response i was written under constitution i, so C == R.
    Returns a scalar >= 0 in nats, the mean over B; log(C) when all entries are equal.
        log(C) - loss bounds the mutual information from below.
    Raises ValueError if logps is not square.
    """
    square = _square(logps)
    over_responses = square.log_softmax(dim=2).diagonal(dim1=1, dim2=2)
    over_constitutions = square.log_softmax(dim=1).diagonal(dim1=1, dim2=2)
    return -(over_responses + over_constitutions).mean() / 2


def information_bound(logps: Tensor) -> Tensor:
    """Lower bound, in nats, of the mutual information of constitutions and responses."""
    return math.log(logps.shape[-1]) - sami_loss(logps)


def simpo_loss(logps: Tensor, beta: float, gamma: float) -> Tensor:
    """SimPO's loss, the mean over all (own, other) pairs (arXiv 2405.14734, equation 6).

    logps: (N, N) or (B, N, N), mean token log-probabilities in nats. beta: their weight.
    gamma: by how much an own response has to win, in units of beta times nats.
    Returns a scalar > 0 in nats; log(1 + exp(gamma)) when all entries are equal.
    """
    own, other = _pairs(_square(logps))
    return -functional.logsigmoid(beta * (own - other) - gamma).mean()


def orpo_loss(logps: Tensor, weight: float) -> Tensor:
    """ORPO's loss, the mean over all (own, other) pairs (arXiv 2403.07691, equations 4, 6 and 7).

    logps: as in simpo_loss; a response's likelihood is the exponential of that mean.
    weight: of the odds ratio, lambda. Returns a scalar > 0 in nats.
    """
    own, other = _pairs(_square(logps))
    ratio = (own - other) - (_log_of_rest(own) - _log_of_rest(other))
    return (-own - weight * functional.logsigmoid(ratio)).mean()


def _pairs(square: Tensor) -> tuple[Tensor, Tensor]:
    """(own, other) log-probabilities of every constitution's own and every other response."""
    n = square.shape[-1]
    others = ~torch.eye(n, dtype=torch.bool, device=square.device)
    other = square[:, others]
    own = square.diagonal(dim1=1, dim2=2).repeat_interleave(n - 1, dim=1)
    return own, other


def _log_of_rest(logps: Tensor) -> Tensor:
    """log(1 - exp(logps)), exact near both ends; a likelihood of 1 counts as one just below."""
    below = logps.clamp(max=-1e-6)
    near = (-torch.expm1(below)).log()
    return torch.where(below > -math.log(2), near, torch.log1p(-below.exp()))


def accuracy(logps: Tensor) -> tuple[Tensor, Tensor]:
    """How often the diagonal is the largest entry of its row and of its column.

    By rows: which response belongs to a constitution. By columns: which constitution a response
    was written under. Chance is 1/N.
    """
    square = _square(logps)
    labels = torch.arange(square.shape[-1], device=square.device)
    rows = (square.argmax(dim=2) == labels).float().mean()
    columns = (square.argmax(dim=1) == labels).float().mean()
    return rows, columns


def token_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each label. logits: (tokens, vocabulary), labels: (tokens,)."""
    return -functional.cross_entropy(_wide(logits), labels, reduction="none")


def token_divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(policy || reference) in nats at each token. Both: (tokens, vocabulary)."""
    policy, other = _wide(logits).log_softmax(dim=-1), _wide(reference).log_softmax(dim=-1)
    return (policy.exp() * (policy - other)).sum(dim=-1)


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def by_cell(values: Tensor, cells: Tensor, n_cells: int, mean: bool = True) -> Tensor:
    """Mean (or sum) of the values of each cell, which each response's tokens share.

    A response counts once, however long, so that no result depends on how rows are split into
    batches. values, cells: (tokens,). Returns (n_cells,), 0 where a cell has no token.
    """
    sums = values.new_zeros(n_cells).index_add(0, cells, values)
    return sums / cells.bincount(minlength=n_cells).clamp(min=1) if mean else sums
