"""Log-probabilities and KL divergence straight from hidden states: no logits are kept.

The vocabulary is walked in tiles. Each token's gradient is known up to one factor, so it is summed
up in the forward pass while the tile is at hand: two matrix products in all and none in the
backward pass, as long as the head itself is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Columns of the vocabulary at a time. On a CPU a tile stays in the cache between the two products;
# on a GPU it is large enough to keep the matrix units busy.
CPU_TILE = 1024
GPU_TILE = 16384


def token_scores(
    hidden: Tensor, head: nn.Linear, labels: Tensor, reference: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability of each label, and the KL divergence from the reference at the first tokens.

    hidden: (tokens, d), what the head reads. labels: (tokens,).
    reference: (k, d), what the same head reads in the reference at the first k tokens.
    Returns nats: the log-probabilities, (tokens,); KL(policy || reference) over the vocabulary,
    (k,); and, without gradient, the reference's log-probabilities of the first k labels.
    Raises ValueError for a reference under a head that is trained: it would move along.
    """
    if reference is not None and head.weight.requires_grad:
        raise ValueError("a reference needs a frozen head")
    given = hidden.new_zeros((0, hidden.shape[1])) if reference is None else reference
    found: tuple[Tensor, Tensor, Tensor] = _Tiled.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight, head.bias, labels, given
    )
    return found


@contextmanager
def answering(head: nn.Module, answer: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """For the block, the head gives `answer(hidden)` where it would give logits.

    What runs inside the head's own call finds its weights gathered, however they are sharded.
    """
    before = head.__dict__.get("forward")
    head.forward = answer
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before


@dataclass(frozen=True, slots=True)
class _Tile:
    """Logits of some columns of the vocabulary, for the policy and the reference."""

    first: int
    weight: Tensor
    policy: Tensor
    reference: Tensor


def _tiles(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, reference: Tensor
) -> Iterator[_Tile]:
    wide = torch.promote_types(hidden.dtype, torch.float32)
    size = CPU_TILE if hidden.device.type == "cpu" else GPU_TILE
    for first in range(0, len(weight), size):
        columns = weight[first : first + size].to(hidden.dtype)
        policy, other = (hidden @ columns.T).to(wide), (reference @ columns.T).to(wide)
        if bias is not None:
            policy += bias[first : first + size]
            other += bias[first : first + size]
        yield _Tile(first, columns, policy, other)


class _Sums:
    """Sums of exp(logit), each kept relative to the largest logit so far."""

    def __init__(self, like: Tensor, rows: int) -> None:
        self.peak = like.new_full((rows, 1), -torch.inf)
        self.total = like.new_zeros((rows, 1))

    def add(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """exp(logits - peak), in place, and what sums kept so far have to be multiplied with."""
        peak = torch.maximum(self.peak, logits.amax(dim=1, keepdim=True))
        shrink = (self.peak - peak).exp_()
        parts = logits.sub_(peak).exp_()
        self.peak, self.total = peak, self.total * shrink + parts.sum(dim=1, keepdim=True)
        return parts, shrink

    def log(self) -> Tensor:
        return self.peak + self.total.log()


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        reference: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        device = hidden.device.type
        mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if mixed else hidden.dtype
        with torch.autocast(device, enabled=False):
            inputs, other = hidden.to(dtype), reference.to(dtype)
            found = _walk(inputs, weight, bias, labels, other, ctx.needs_input_grad[0])
        trained = [inputs, weight, bias, labels, found.log_total]
        trained = trained if ctx.needs_input_grad[1] else []
        ctx.save_for_backward(found.slope, found.kl_slope, *trained)
        ctx.dtype = hidden.dtype
        ctx.mark_non_differentiable(found.reference_logps)
        return found.logps, found.kl, found.reference_logps

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, kl_grad = grads[0][:, None], grads[1][:, None]
        slope, kl_slope, *rest = ctx.saved_tensors
        over_hidden = over_weight = over_bias = None
        if ctx.needs_input_grad[0]:
            over_hidden = slope * grad
            over_hidden[: len(kl_grad)] += kl_slope * kl_grad
            over_hidden = over_hidden.to(ctx.dtype)
        if rest:
            with torch.autocast(slope.device.type, enabled=False):
                over_weight, over_bias = _head_gradients(grad, *rest)
        return over_hidden, over_weight, over_bias, None, None


@dataclass(frozen=True, slots=True)
class _Found:
    """Values of a walk, and their slopes: gradients over the hidden states."""

    logps: Tensor
    kl: Tensor
    reference_logps: Tensor
    slope: Tensor
    kl_slope: Tensor
    log_total: Tensor


def _walk(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    reference: Tensor,
    sloped: bool,
) -> _Found:
    wide = torch.promote_types(hidden.dtype, torch.float32)
    n, k = len(hidden), len(reference)
    like = hidden.new_empty(0, dtype=wide)
    policy, other = _Sums(like, n), _Sums(like, k)
    drawn = like.new_zeros((n if sloped else 0, hidden.shape[1]))  # sum of exp(logit) x weight
    gap_drawn = like.new_zeros((k if sloped else 0, hidden.shape[1]))
    gap_total = like.new_zeros((k, 1))  # sum of exp(logit) x (logit - reference logit)
    for tile in _tiles(hidden, weight, bias, reference):
        gap = tile.policy[:k] - tile.reference
        parts, shrink = policy.add(tile.policy)
        if k:
            other.add(tile.reference)
            gap *= parts[:k]
            gap_total = gap_total * shrink[:k] + gap.sum(dim=1, keepdim=True)
        if sloped:
            _draw(drawn, shrink, parts, tile.weight)
            _draw(gap_drawn, shrink[:k], gap, tile.weight)
    own = weight[labels].to(wide)
    log_total, reference_total = policy.log(), other.log()
    mean_gap = gap_total / policy.total[:k]
    if sloped:
        drawn /= policy.total
        gap_drawn = gap_drawn / policy.total[:k] - mean_gap * drawn[:k]
    return _Found(
        logps=_logits(hidden, own, bias, labels) - log_total[:, 0],
        kl=(mean_gap - log_total[:k] + reference_total)[:, 0],
        reference_logps=_logits(reference, own[:k], bias, labels[:k]) - reference_total[:, 0],
        slope=own - drawn if sloped else drawn,
        kl_slope=gap_drawn,
        log_total=log_total,
    )


def _logits(hidden: Tensor, rows: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """One logit a token: the label's."""
    logits = (hidden.to(rows.dtype) * rows).sum(dim=1)
    return logits if bias is None else logits + bias[labels]


def _draw(sums: Tensor, shrink: Tensor, parts: Tensor, weight: Tensor) -> None:
    sums *= shrink
    if parts.dtype == weight.dtype:
        sums.addmm_(parts, weight)
    else:
        sums += parts.to(weight.dtype) @ weight


def _head_gradients(
    grad: Tensor,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    log_total: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """Gradients over a head that is trained: the logits are computed a second time."""
    over_weight = torch.empty_like(weight)
    over_bias = None if bias is None else torch.empty_like(bias)
    rows = torch.arange(len(labels), device=labels.device)
    for tile in _tiles(hidden, weight, bias, hidden[:0]):
        slopes = tile.policy.sub_(log_total).exp_().mul_(-grad)
        column = labels - tile.first
        inside = (column >= 0) & (column < len(tile.weight))
        slopes[rows[inside], column[inside]] += grad[inside, 0]
        last = tile.first + len(tile.weight)
        over_weight[tile.first : last] = slopes.to(hidden.dtype).T @ hidden
        if over_bias is not None:
            over_bias[tile.first : last] = slopes.sum(dim=0)
    return over_weight, over_bias
