"""MIPO: DPO of own responses against the model's responses to other prompts (arXiv 2603.19294).

The paper has the better response of a pair written under the right prompt, the worse one under a
random, unrelated prompt or without the context, and trains on them by DPO (abstract and figure 1;
its authors' code calls that beta 0.1). `dpo` is its form for contexts here: the constitution is the
context, and the worse response was written under another one. This is its form for prompts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from sami_eval.align import preference
from sami_eval.align.collate import Encoded, Ids, own_rows
from sami_eval.align.falls import Falls
from sami_eval.align.options import Options
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress
from sami_eval.core.types import Contrast, Model

UNUSED = ("kl", "prefix_sharing", "held_out", "positives_only")
NOTE = (
    "of the paper its abstract, introduction and its authors' commands were at hand; our choice: "
    "the worse response is drawn from those to other prompts, under whatever constitution, once"
)


def other_prompts(encoded: Sequence[Encoded], seed: int) -> list[preference.Pair]:
    """(prompt, own response, a response to another prompt), one for each own response.

    Raises UsageError where all contrasts are of one prompt.
    """
    if len({one.prompt_id for one in encoded}) < 2:
        raise UsageError("`mipo` needs contrasts of two prompts or more", "sami-eval contrast")
    chance = random.Random(seed)
    return [
        (one.prompt_id, prompt, own, _to_another(one.prompt_id, encoded, chance))
        for one in encoded
        for prompt, own in own_rows(one)
    ]


def _to_another(prompt_id: str, encoded: Sequence[Encoded], chance: random.Random) -> Ids:
    while True:
        other = chance.choice(encoded)
        if other.prompt_id != prompt_id:
            return chance.choice(own_rows(other))[1]


def train(
    contrasts: Sequence[Contrast], base: Model, options: Options, out: Path, progress: Progress
) -> Model:
    """Train on (own, response to another prompt) pairs."""
    falls = Falls("MIPO", options, progress, preference.REMEDY, stops=False)
    return preference.train(
        lambda encoded: other_prompts(encoded, options.seed), falls, contrasts, base, out
    )
