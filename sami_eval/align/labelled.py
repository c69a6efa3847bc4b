"""The output layer of TRL's trainers asked at response tokens alone.

On a device without Triton, a CPU for one, TRL 1.16 asks it at every token of a prompt and of the
padding, too, and throws that away (trl/trainer/utils.py, `compact` of `_fused_forward`).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from sami_eval.align.loss import IGNORED
from sami_eval.align.scores import bare


def at_labels(model: Any) -> None:
    """Have a model that TRL gave its fused head, on a CPU, use it where there are labels.

    Losses and gradients are the same but for rounding. None and models on a GPU are left alone.
    """
    if model is None or next(model.parameters()).device.type != "cpu":
        return
    network = bare(model)
    everywhere = network.forward

    def forward(*given: Any, labels: Tensor | None = None, **more: Any) -> Any:
        if labels is None or not more.get("fused_lm_head"):
            return everywhere(*given, labels=labels, **more)
        asked = labels[:, 1:] != IGNORED
        if not asked.any():
            return everywhere(*given, labels=labels, **more)

        def pack(_: Any, __: Any, out: Any) -> Any:
            out.last_hidden_state = out.last_hidden_state[:, :-1][asked][None]
            return out

        hook = network.base_model.register_forward_hook(pack)
        try:
            found = everywhere(*given, shift_labels=labels[:, 1:][asked][None], **more)
        finally:
            hook.remove()
        return replace(found, **_unpacked(found, asked))

    network.forward = forward


def _unpacked(found: Any, asked: Tensor) -> dict[str, Tensor]:
    """What was found at each label, (rows, T - 1); zero where there is none."""
    packed = {field.name: getattr(found, field.name) for field in fields(found)}
    shape = (1, int(asked.sum()))
    return {
        name: torch.zeros(asked.shape, dtype=value.dtype).masked_scatter(asked, value)
        for name, value in packed.items()
        if isinstance(value, Tensor) and value.shape == shape
    }
