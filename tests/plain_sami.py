"""SAMI's objective the plain way: N x N padded rows, full logits. Slow and obviously right."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from sami_eval.align.loss import sami_loss


def padded_rows(pairs, pad):
    """(input_ids, attention_mask, is_response) of (prompt, response) pairs, padded right."""
    width = max(len(prompt) + len(response) for prompt, response in pairs)
    ids, mask, response_mask = [], [], []
    for prompt, response in pairs:
        n, after = len(prompt) + len(response), width - len(prompt) - len(response)
        ids.append([*prompt, *response] + [pad] * after)
        mask.append([1] * n + [0] * after)
        response_mask.append([0] * len(prompt) + [1] * len(response) + [0] * after)
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(response_mask).bool()


def all_logps(model, ids, mask):
    """Log-probabilities of the whole vocabulary at every position, (rows, T, vocabulary)."""
    logits = model(input_ids=ids, attention_mask=mask).logits
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)


def plain_matrix(model, encoded, pad, length_normalize=True):
    """(B, N, N): mean log-probability of response j under constitution i."""
    n, device = len(encoded[0].prompts), next(model.parameters()).device
    pairs = [(p, r) for one in encoded for p in one.prompts for r in one.responses]
    ids, mask, is_response = (rows.to(device) for rows in padded_rows(pairs, pad))
    logps = all_logps(model, ids, mask)[:, :-1].gather(2, ids[:, 1:, None])[:, :, 0]
    counted = is_response[:, 1:]
    sums = (logps * counted).sum(dim=1)
    means = sums / counted.sum(dim=1) if length_normalize else sums
    return means.view(len(encoded), n, n)


def plain_kl(model, encoded, pad, reference):
    """KL from the reference over own responses: mean over tokens, then over responses."""
    device = next(model.parameters()).device
    pairs = [pair for one in encoded for pair in zip(one.prompts, one.responses, strict=True)]
    ids, mask, is_response = (rows.to(device) for rows in padded_rows(pairs, pad))
    with torch.no_grad(), reference():
        other = all_logps(model, ids, mask)[:, :-1]
    policy = all_logps(model, ids, mask)[:, :-1]
    nats = (policy.exp() * (policy - other)).sum(dim=-1)
    counted = is_response[:, 1:]
    return ((nats * counted).sum(dim=1) / counted.sum(dim=1)).mean()


def plain_objective(model, encoded, pad, kl=0.0, length_normalize=True, reference=nullcontext):
    """SAMI's loss plus `kl` times the KL divergence from the reference."""
    total = sami_loss(plain_matrix(model, encoded, pad, length_normalize))
    return total + kl * plain_kl(model, encoded, pad, reference) if kl else total
