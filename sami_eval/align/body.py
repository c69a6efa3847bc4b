"""A network's body under a LoRA on a CPU: the same numbers with less kept and less moved.

PEFT writes a LoRA's part out several times, autograd keeps every step of a gated MLP, and the last
layer's MLP runs where nobody reads it. Here a matrix and its LoRA are one step, an MLP keeps its
two inner projections and no product of them, a norm writes one tensor, and the last MLP runs at the
columns that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional

Forward = Callable[..., Tensor]
PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


def spare(network: nn.Module) -> Callable[[], None]:
    """Have a network computed this way wherever it can be, from now on. Returns what undoes it.

    Each part is asked both ways and left alone where they differ; that nobody reads what the last
    MLP leaves out is for the caller to check.
    """
    own = {module: forward for module in network.modules() if (forward := _forward(module))}
    mlps = [module for name, module in network.named_modules() if name.endswith(".mlp")]
    keep = [0]

    def read(_: nn.Module, __: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep[0] = named.get("logits_to_keep", 0)

    hook = network.register_forward_pre_hook(read, with_kwargs=True)
    if mlps:
        own[mlps[-1]] = _at_the_end(own.get(mlps[-1], mlps[-1].forward), keep)
    before = {module: vars(module).get("forward") for module in own}
    for module, forward in own.items():
        module.forward = forward

    def undo() -> None:
        hook.remove()
        for module, forward in before.items():
            del module.forward
            if forward is not None:
                module.forward = forward

    return undo


def _forward(module: Any) -> Forward | None:
    """What a module computes in place of its own forward; None where that stays."""
    if _is_plain(module):
        forward, width = _projected(module), module.base_layer.in_features
    elif all(_is_plain(getattr(module, name, None)) for name in PROJECTIONS):
        if not callable(getattr(module, "act_fn", None)):
            return None
        forward, width = _gated(module), module.gate_proj.base_layer.in_features
    elif type(module).__name__.endswith("RMSNorm") and _is_frozen(module):
        forward, width = _normed(module), len(module.weight)
    else:
        return None
    return forward if _agree(module, forward, width) else None


def _is_frozen(module: nn.Module) -> bool:
    weights = list(module.parameters())
    return len(weights) == 1 and not weights[0].requires_grad


def _agree(module: Any, forward: Forward, width: int) -> bool:
    matrix = next(module.parameters())
    given = torch.linspace(-2, 3, 2 * width, dtype=matrix.dtype).view(1, 2, width)
    with torch.no_grad():
        return bool(torch.allclose(module(given), forward(given), rtol=1e-4, atol=1e-5))


def _is_plain(module: object) -> bool:
    """Whether a module is a frozen matrix with one LoRA on it, and no more than that."""
    if not isinstance(module, LoraLinear) or type(module.base_layer) is not nn.Linear:
        return False
    matrix, names = module.base_layer.weight, module.active_adapters
    if len(names) != 1 or matrix.requires_grad or names[0] not in module.lora_A:
        return False
    a, b = module.lora_A[names[0]], module.lora_B[names[0]]
    return (
        type(module.lora_dropout[names[0]]) is nn.Identity
        and names[0] not in getattr(module, "lora_variant", {})
        and type(a) is type(b) is nn.Linear
        and a.bias is None
        and b.bias is None
        and matrix.dtype == a.weight.dtype == b.weight.dtype
    )


def _asked_plainly(module: Any, name: str) -> bool:
    """Whether it is this LoRA alone that counts now; a reference asks for another, or none."""
    return not module.disable_adapters and not module.merged and module.active_adapters == [name]


def _at_the_end(forward: Forward, keep: Sequence[int]) -> Forward:
    """At the last columns alone, zeros before: what no later layer and no head reads."""

    def ask(hidden: Tensor) -> Tensor:
        if not keep[0]:
            return forward(hidden)
        ends = forward(hidden[:, -keep[0] :].contiguous())
        return functional.pad(ends, (0, 0, hidden.shape[1] - ends.shape[1], 0))

    return ask


def _parts(module: Any, name: str) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    base = module.base_layer
    return base.weight, base.bias, module.lora_A[name].weight, module.lora_B[name].weight


def _projected(module: Any) -> Forward:
    before, name = module.forward, module.active_adapters[0]
    scale = module.scaling[name]

    def ask(hidden: Tensor, *more: Any, **named: Any) -> Tensor:
        if more or named or not _asked_plainly(module, name):
            result: Tensor = before(hidden, *more, **named)
            return result
        rows = hidden.reshape(-1, hidden.shape[-1])
        result = _Projected.apply(rows, scale, *_parts(module, name))  # type: ignore[no-untyped-call]
        return result.view(*hidden.shape[:-1], -1)

    return ask


def _gated(module: Any) -> Forward:
    before, projections = module.forward, [getattr(module, name) for name in PROJECTIONS]
    name = projections[0].active_adapters[0]
    scales = tuple(one.scaling[name] for one in projections)

    def ask(hidden: Tensor) -> Tensor:
        if not all(_asked_plainly(one, name) for one in projections):
            result: Tensor = before(hidden)
            return result
        rows = hidden.reshape(-1, hidden.shape[-1])
        parts = [part for one in projections for part in _parts(one, name)]
        result = _Gated.apply(rows, module.act_fn, scales, *parts)  # type: ignore[no-untyped-call]
        return result.view(hidden.shape)

    return ask


def _normed(module: Any) -> Forward:
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", 0.0))

    def ask(hidden: Tensor) -> Tensor:
        result: Tensor = _Normed.apply(hidden, module.weight, eps)  # type: ignore[no-untyped-call]
        return result

    return ask


class _Normed(torch.autograd.Function):
    """weight * x / rms(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        squares = torch.linalg.vecdot(x, x).unsqueeze(-1)
        inverse = squares.div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        found: Tensor = (x * inverse).mul_(weight)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        grad = grads[0] * weight
        along = torch.linalg.vecdot(grad, x).unsqueeze(-1) * inverse.square() / x.shape[-1]
        return grad.addcmul_(x, along, value=-1).mul_(inverse), None, None


def _times(
    x: Tensor, scale: float, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """x W' + scale x A' B' + bias, and x A'. x: (tokens, in)."""
    low = x @ a.T
    found = (x @ weight.T).addmm_(low, b.T, alpha=scale)
    return (found if bias is None else found.add_(bias)), low


def _back(
    grad: Tensor,
    x: Tensor,
    low: Tensor,
    scale: float,
    parts: Sequence[Tensor],
    over_x: Tensor | None = None,
) -> tuple[Tensor, tuple[None, None, Tensor, Tensor]]:
    """Gradients of `_times`: over x, added to over_x where given, and over what `_parts` lists."""
    weight, a, b = parts
    grad_low = (grad @ b).mul_(scale)
    over_x = grad @ weight if over_x is None else over_x.addmm_(grad, weight)
    return over_x.addmm_(grad_low, a), (None, None, grad_low.T @ x, (grad.T @ low).mul_(scale))


class _Projected(torch.autograd.Function):
    """A frozen matrix with its LoRA."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: float,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
    ) -> Tensor:
        found, low = _times(x, scale, weight, bias, a, b)
        ctx.save_for_backward(x, low, weight, a, b)
        ctx.scale = scale
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, low, *parts = ctx.saved_tensors
        over_x, over_parts = _back(grads[0], x, low, ctx.scale, parts)
        return over_x, None, *over_parts


class _Gated(torch.autograd.Function):
    """down(act(gate(x)) * up(x)); the product is computed a second time in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, act: Forward, scales: Sequence[float], *parts: Tensor
    ) -> Tensor:
        of_gate, of_up, of_down = parts[:4], parts[4:8], parts[8:]
        gate, low_gate = _times(x, scales[0], *of_gate)
        up, low_up = _times(x, scales[1], *of_up)
        found, low_down = _times(act(gate) * up, scales[2], *of_down)
        trained = [part for own in (of_gate, of_up, of_down) for part in (own[0], *own[2:])]
        ctx.save_for_backward(x, gate, up, low_gate, low_up, low_down, *trained)
        ctx.act, ctx.scales = act, scales
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, gate, up, low_gate, low_up, low_down, *parts = ctx.saved_tensors
        with torch.enable_grad():
            inner = gate.detach().requires_grad_()
            opened = ctx.act(inner)
        shut = opened.detach()
        grad, of_down = _back(grads[0], shut * up, low_down, ctx.scales[2], parts[6:])
        (grad_gate,) = torch.autograd.grad(opened, inner, grad * up)
        over_x, of_up = _back(grad.mul_(shut), x, low_up, ctx.scales[1], parts[3:6])
        over_x, of_gate = _back(grad_gate, x, low_gate, ctx.scales[0], parts[:3], over_x)
        return over_x, None, None, *of_gate, *of_up, *of_down
