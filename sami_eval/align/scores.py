"""Log-probabilities of a batch's response tokens, and how they part from the reference."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sami_eval.align import loss
from sami_eval.align.collate import Batch
from sami_eval.align.head import answering, token_scores
from sami_eval.align.options import Options


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Nats of a batch's tokens.

    logps: (tokens,), of the labels. kl: (own tokens,), KL(policy || reference) over the vocabulary.
    reference_logps: (own tokens,), of the labels under the reference; no gradient.
    kl and reference_logps are empty where no reference was given.
    """

    logps: Tensor
    kl: Tensor
    reference_logps: Tensor


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised on a batch, and what it is made of.

    total: a scalar in nats. matrix: (B, N, N) log-probabilities.
    kl: mean KL divergence a token of own responses; fall: mean log-probability that the tokens of
        own responses have lost since the reference. Both None where no reference was given.
    """

    total: Tensor
    matrix: Tensor
    kl: Tensor | None = None
    fall: Tensor | None = None


def objective(
    model: Any,
    batch: Batch,
    reference: Tensor | None,
    options: Options,
    fused: bool,
    of: Callable[[Tensor], Tensor] = loss.sami_loss,
) -> Objective:
    """A loss of contrast matrices plus `options.kl` times the KL divergence from the reference."""
    found = score(model, batch, reference, fused)
    n, n_contrasts = batch.n, len(batch.prompt_ids)
    cells = loss.by_cell(
        found.logps, batch.cells, n_contrasts * n * n, mean=options.length_normalize
    )
    matrix = cells.view(n_contrasts, n, n)
    total = of(matrix)
    if reference is None:
        return Objective(total, matrix)
    own = batch.cells[: batch.n_own] // n
    kl = loss.by_cell(found.kl, own, n_contrasts * n).mean()
    lost = found.reference_logps - found.logps[: batch.n_own]
    fall = loss.by_cell(lost.detach(), own, n_contrasts * n).mean()
    return Objective(total + options.kl * kl, matrix, kl, fall)


def plain_head(model: Any) -> nn.Linear | None:
    """The output layer, where it is one frozen or trained matrix and nothing around it."""
    head = bare(model).get_output_embeddings()
    return head if type(head) is nn.Linear else None


def bare(model: Any) -> Any:
    """The transformers model under whatever wraps it: DDP, PEFT."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def reference_states(model: Any, batch: Batch, fused: bool) -> Tensor:
    """What `score` wants to know of the reference at each token of the batch.

    Returns the head's input, (tokens, d), where fused, else its output, (tokens, vocabulary).
    """
    head = plain_head(model) if fused else None
    if head is None:
        return _at_tokens(_ask(model, batch), batch)
    with answering(head, lambda hidden: _at_tokens(hidden, batch)):
        return _ask(model, batch)


def score(model: Any, batch: Batch, reference: Tensor | None, fused: bool) -> TokenScores:
    """Scores of every token of the batch.

    reference: `reference_states` of the batch's own tokens.
    fused: the head is asked for log-probabilities, so that no logits are kept.
    """
    head = plain_head(model) if fused else None
    if head is None:
        return _score_logits(_at_tokens(_ask(model, batch), batch), batch, reference)
    matrix = head

    def answer(hidden: Tensor) -> Tensor:
        tokens = _at_tokens(hidden, batch)
        return torch.cat(token_scores(tokens, matrix, batch.labels, reference))

    with answering(matrix, answer):
        values = _ask(model, batch)
    n, n_reference = len(batch.labels), 0 if reference is None else batch.n_own
    return TokenScores(values[:n], values[n : n + n_reference], values[n + n_reference :])


def arguments(network: nn.Module) -> frozenset[str]:
    """Names of what a network's forward takes."""
    return frozenset(inspect.signature(network.forward).parameters)


def _ask(model: Any, batch: Batch) -> Tensor:
    taken = arguments(bare(model))
    extra = {"position_ids": batch.position_ids, "logits_to_keep": batch.width, "use_cache": False}
    out = model(
        input_ids=batch.input_ids,
        attention_mask=_mask(model, batch),
        **{name: value for name, value in extra.items() if name in taken},
    )
    logits: Tensor = out.logits
    return logits


def _mask(model: Any, batch: Batch) -> Tensor:
    """The batch's mask, on a CPU as the numbers that each layer would make of True and False."""
    seen = batch.attention_mask()
    if not batch.shared or seen.device.type != "cpu":
        return seen
    dtype = next(model.parameters()).dtype
    return torch.zeros((), dtype=dtype).where(seen, -torch.inf)


def _at_tokens(values: Tensor, batch: Batch) -> Tensor:
    """The batch's tokens of what a model without `logits_to_keep` gives at every position."""
    return values[:, -batch.width :].flatten(0, 1).index_select(0, batch.places)


def _score_logits(logits: Tensor, batch: Batch, reference: Tensor | None) -> TokenScores:
    logps = loss.token_logps(logits, batch.labels)
    if reference is None:
        return TokenScores(logps, logps[:0], logps[:0])
    kl = loss.token_divergence(logits[: batch.n_own], reference)
    return TokenScores(logps, kl, loss.token_logps(reference, batch.labels[: batch.n_own]))
