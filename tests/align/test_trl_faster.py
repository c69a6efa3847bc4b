"""What is done for TRL's trainers: the head at labels alone, and batches of like length."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sami_eval.align import preference, training
from sami_eval.align.falls import Falls
from sami_eval.align.labelled import at_labels
from sami_eval.align.loss import IGNORED
from sami_eval.core.progress import silent
from tests.align_models import QUICK


def fused(base):
    """A network under TRL's fused head, which notes how many labels the head was asked."""
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    network = AutoModelForCausalLM.from_pretrained(base.base)
    add_fused_lm_head(network, outputs=("log_probs", "entropy", "is_top1"))
    trls, asked = network.forward, []

    def noting(*given, **more):
        labels = more.get("labels") if more.get("labels") is not None else more["shift_labels"]
        asked.append(labels.numel())
        return trls(*given, **more)

    network.forward = noting
    return network, asked


def test_the_head_is_asked_at_labels_alone_and_says_the_same(base):
    ids = torch.arange(24).reshape(2, 12) + 3
    labels = ids.clone()
    labels[0, :7], labels[1, :9], labels[1, 11] = IGNORED, IGNORED, IGNORED
    given = {"input_ids": ids, "labels": labels, "fused_lm_head": True}
    found = []
    for at in (lambda network: None, at_labels):
        network, asked = fused(base)
        at(network)
        out = network(**given)
        out.log_probs.sum().backward()
        found.append((out, torch.cat([p.grad.flatten() for p in network.parameters()])))
    assert asked == [5 + 2]  # of 24
    (theirs, their_slope), (ours, our_slope) = found
    for name in ("loss", "log_probs", "entropy", "is_top1", "label_mask"):
        assert torch.allclose(getattr(theirs, name).float(), getattr(ours, name).float()), name
    assert torch.allclose(their_slope, our_slope, atol=1e-6)


@pytest.mark.parametrize(("accumulation", "sorted_"), [(1, False), (4, True)])
def test_batches_of_a_step_are_sorted_by_length(accumulation, sorted_, base, tmp_path):
    options = replace(QUICK, batch_size=1, accumulation=accumulation, steps=2)
    pairs = [(str(n), (5,) * (3 + 7 * n % 16), (6,) * 4, (7,) * 2) for n in range(16)]
    with training.session(base, options) as start:
        falls = Falls("DPO", options, silent())
        trainer = preference.pair_trainer(start, pairs, falls, 2, 2, tmp_path)
        widths = [batch["input_ids"].shape[1] for batch in trainer.get_train_dataloader()]
    steps = [widths[i : i + 4] for i in range(0, len(widths), 4)]
    assert len(widths) == 8
    assert all(step == sorted(step) for step in steps) is sorted_
