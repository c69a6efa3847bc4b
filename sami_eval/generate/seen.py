"""Which prompts of an evaluation a contender was trained on: those figures say little about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sami_eval.core.types import Model, Prompt
from sami_eval.data.contrasts import prompt_hash
from sami_eval.generate import card


def trained_on(model: Model, prompts: Sequence[Prompt]) -> list[str] | None:
    """Ids of the prompts whose words the model was trained on; None where no card tells."""
    known = card.prompts_seen(model)
    if known is None:
        return None
    return [prompt.id for prompt in prompts if prompt_hash(prompt) in known]


def warnings(models: Sequence[Model], prompts: Sequence[Prompt]) -> Iterator[str]:
    """A line for every model that was trained on some of the prompts."""
    for model in models:
        ids = trained_on(model, prompts)
        if ids:
            yield (
                f"warning: `{model.name}` was trained on {len(ids)} of these {len(prompts)} "
                f"prompts, e.g. `{ids[0]}` (adapter `{model.adapter or model.named}`)"
            )
