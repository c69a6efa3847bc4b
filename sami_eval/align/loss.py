"""SAMI's loss and what is read off a contrast matrix. Pure functions of tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100


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
    """Log-probability of each label, zero where it is IGNORED.

    logits: (rows, T, vocabulary), already aligned with labels: (rows, T). Returns (rows, T).
    """
    nats = functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return -nats.view(labels.shape)


def response_logps(logits: Tensor, labels: Tensor, length_normalize: bool = True) -> Tensor:
    """Mean (or summed) token log-probability of each row's response, in nats. Returns (rows,)."""
    total = token_logps(logits, labels).sum(dim=1)
    return total / (labels != IGNORED).sum(dim=1) if length_normalize else total


def divergence(logits: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    """KL(policy || reference) in nats a token, over the tokens that are not IGNORED.

    Each response's mean counts once, however long, so that the value does not depend on how rows
    are split into batches. logits, reference: (rows, T, vocabulary). Returns a scalar.
    """
    counted = labels != IGNORED
    policy, other = logits.float().log_softmax(dim=-1), reference.float().log_softmax(dim=-1)
    nats = (policy.exp() * (policy - other)).sum(dim=-1)
    return ((nats * counted).sum(dim=1) / counted.sum(dim=1)).mean()
