"""Whether responses may share a row, whether the head may be fused and the body be spared.

All are exact for most models and silently wrong for some: what a model's configuration tells is
checked first, then the first contrast is scored both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sami_eval.align.body import spare
from sami_eval.align.collate import Encoded, collate
from sami_eval.align.options import Options
from sami_eval.align.scores import arguments, bare, plain_head, score
from sami_eval.core.errors import UsageError

ATTENTION = {"full_attention", "sliding_attention"}
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
# Mean nats a token by which two ways of computing may differ: rounding, not another result.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
COARSE_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """How a model is asked.

    share: one row a constitution holds all responses. fused: the head gives log-probabilities.
    window: tokens its attention reaches back, None where it sees the whole row.
    """

    share: bool
    fused: bool
    window: int | None = None

    def shares(self, encoded: Sequence[Encoded]) -> bool:
        """Whether these contrasts get shared rows."""
        return self.share and all(_fits(one, self.window) for one in encoded)


def shortcuts(
    model: Any, encoded: Sequence[Encoded], options: Options, pad: int, say: Callable[[str], None]
) -> Shortcuts:
    """The fastest way of asking that gives what plain rows and full logits give.

    On a CPU the network itself is changed (`align/body.py`), for good.

    Raises UsageError where `options.prefix_sharing` is "on" and sharing is unsafe.
    """
    head = plain_head(model)
    # A chunked head compares its states with the reference's: the head itself may not move.
    fused = head is not None and not (options.kl > 0 and head.weight.requires_grad)
    window = attention_window(model)
    fitting = [one for one in encoded if _fits(one, window)]
    reason = None
    if options.prefix_sharing != "off":
        reason = unsafe(model) or _too_long(len(encoded) - len(fitting), len(encoded), window)
    share = options.prefix_sharing != "off" and unsafe(model) is None and bool(fitting)
    first = fitting[0] if fitting else encoded[0]
    plain = _logps(model, first, pad, share=False, fused=False)
    if next(model.parameters()).device.type == "cpu":
        undo = spare(bare(model))
        if not _same(plain, _tried(model, first, pad, share=False, fused=False), model):
            undo()
    if fused:
        fused = _same(plain, _logps(model, first, pad, share=False, fused=True), model)
    if share and not _same(plain, _tried(model, first, pad, True, fused), model):
        share, reason = False, "shared rows give this model other log-probabilities"
    if reason is not None:
        if options.prefix_sharing == "on":
            raise UsageError(f"prefix sharing is unsafe: {reason}", "use --prefix-sharing auto")
        say(f"prefix sharing is {'partly ' * share}off: {reason}")
    return Shortcuts(share, fused, window)


def unsafe(model: Any) -> str | None:
    """Why this model may not be given shared rows, or None."""
    network = bare(model)
    config = network.config.get_text_config()
    if "position_ids" not in arguments(network):
        return "the model takes no position ids"
    attention = getattr(config, "_attn_implementation", None)
    if attention != "sdpa":
        return f"attention is `{attention}`, not `sdpa`"
    kinds = set(getattr(config, "layer_types", None) or ()) - ATTENTION
    if kinds:
        return f"layers of kind `{', '.join(sorted(kinds))}` do not read a mask"
    if getattr(config, "alibi", False):
        return "ALiBi reads positions off the row"
    return None


def attention_window(model: Any) -> int | None:
    """Tokens the narrowest layer reaches back, None without a limit."""
    config = bare(model).config.get_text_config()
    if getattr(config, "use_sliding_window", True) is False:
        return None
    widths = [getattr(config, name, None) for name in WINDOWS]
    return min((width for width in widths if isinstance(width, int) and width > 0), default=None)


def _fits(one: Encoded, window: int | None) -> bool:
    # The last token of a response is predicted, never read.
    return window is None or one.longest - 1 <= window


def _too_long(n_long: int, n: int, window: int | None) -> str | None:
    if not n_long:
        return None
    return f"{n_long} of {n} contrasts are longer than the attention window of {window} tokens"


def _logps(model: Any, one: Encoded, pad: int, share: bool, fused: bool) -> Tensor:
    batch = collate([one], pad, share).to(next(model.parameters()).device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return score(model, batch, None, fused).logps
    finally:
        model.train(training)


def _tried(model: Any, one: Encoded, pad: int, share: bool, fused: bool) -> Tensor | None:
    """None where the model cannot be asked this way."""
    try:
        return _logps(model, one, pad, share, fused)
    except (RuntimeError, ValueError, TypeError):
        return None


def _same(plain: Tensor, other: Tensor | None, model: Any) -> bool:
    if other is None:
        return False
    # What is no number either way is for the training to report.
    gap = (plain - other).abs().nan_to_num(0).mean().item()
    return gap <= TOLERANCE.get(next(model.parameters()).dtype, COARSE_TOLERANCE)
