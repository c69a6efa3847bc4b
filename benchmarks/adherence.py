"""Adherence of recipes on the embedded world, with intervals over prompts and training seeds.

    python benchmarks/adherence.py base sft dpo sami base+dpo base+sami --seeds 1,2,3

Responses are greedy, under the bare weak constitution, in both turns. Adapters are trained into a
folder of their own where they are missing. Use --split development for tuning, never evaluation.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sami_eval import embedded
from sami_eval.align import chain, find_methods
from sami_eval.align.adapters import EMBEDDED_SAMPLING, ContrastPlan, contrasts_of
from sami_eval.align.summary import summarize
from sami_eval.core.config import find_config
from sami_eval.core.progress import Progress, terminal
from sami_eval.core.types import Contrast, Model, Prompt, Response
from sami_eval.data.constitutions import read_constitution
from sami_eval.embedded import rules
from sami_eval.generate import EngineChoice, GenerateSettings, recipes, respond
from sami_eval.generate.models import resolve
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger

RESAMPLES = 2000
HF = EngineChoice(name="hf")


@dataclass(frozen=True, slots=True)
class Score:
    """What one prompt's responses scored, both turns together."""

    met: int
    of: int
    right: int
    answerable: int
    rambling: int
    turns: int


def score(prompt: Prompt, response: Response) -> Score:
    """Principles met, right answers and rambling of one response."""
    counts = [rules.adherence(prompt, turn, response) for turn in range(len(response.turns))]
    right = [rules.is_correct(prompt, turn, response) for turn in range(len(response.turns))]
    finished = response.finished or (None,) * len(response.turns)
    fluent = [
        rules.is_fluent(text) and end is not False
        for text, end in zip(response.turns, finished, strict=True)
    ]
    return Score(
        met=sum(met for met, _ in counts),
        of=sum(of for _, of in counts),
        right=sum(one is True for one in right),
        answerable=sum(one is not None for one in right),
        rambling=sum(not one for one in fluent),
        turns=len(response.turns),
    )


def share(scores: Sequence[Score], part: str, whole: str) -> float:
    """A share over all turns of all prompts."""
    return float(
        sum(getattr(s, part) for s in scores) / max(1, sum(getattr(s, whole) for s in scores))
    )


def interval(by_prompt: Mapping[str, Sequence[Score]], rng: random.Random) -> tuple[float, float]:
    """95% bootstrap interval of the adherence; prompts are drawn with all their seeds."""
    clusters = list(by_prompt.values())
    means = sorted(
        share([s for c in rng.choices(clusters, k=len(clusters)) for s in c], "met", "of")
        for _ in range(RESAMPLES)
    )
    return means[int(RESAMPLES * 0.025)], means[int(RESAMPLES * 0.975)]


def trained(
    recipe: str,
    seeds: Sequence[int],
    base: Model,
    contrasts: Sequence[Contrast],
    out: Path,
    progress: Progress,
) -> list[Model]:
    """A recipe's adapter a seed, trained where it is missing."""
    if not recipes.parse(recipe, find_methods()).chain:
        return [base]
    models = []
    for seed in seeds:
        work = chain.Setup(base, out, seed, "embedded", progress)
        start = time.perf_counter()
        models.append(chain.ensure(recipe, lambda: contrasts, work))
        progress.say(f"{recipe}@{seed}: {time.perf_counter() - start:.1f} s")
    return models


def measure(
    recipe: str,
    models: Sequence[Model],
    prompts: Sequence[Prompt],
    ledger: Ledger,
    progress: Progress,
) -> str:
    """One line of the table."""
    by_prompt: defaultdict[str, list[Score]] = defaultdict(list)
    alone = []
    for model in models:
        settings = GenerateSettings(max_tokens=160, temperature=0.0, engine=HF)
        responses = respond(prompts, [model], settings, ledger, progress)[model.name]
        scores = list(map(score, prompts, responses))
        alone.append(f"{share(scores, 'met', 'of'):.3f}")
        for prompt, one in zip(prompts, scores, strict=True):
            by_prompt[prompt.id].append(one)
    scores = [one for several in by_prompt.values() for one in several]
    low, high = interval(by_prompt, random.Random(0))
    return (
        f"{recipe:<14} {share(scores, 'met', 'of'):.3f} [{low:.3f}, {high:.3f}]"
        f"  {share(scores, 'right', 'answerable'):>7.3f}"
        f"  {share(scores, 'rambling', 'turns'):>8.3f}"
        f"  {' '.join(alone)}"
    )


def main() -> None:
    """Train what is missing, answer, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--split", default="development")
    parser.add_argument("--base", default=None)
    parser.add_argument("--work", type=Path, default=Path("build/adherence"))
    flags = parser.parse_args()
    seeds = [int(seed) for seed in flags.seeds.split(",")]
    progress, prompts = terminal(), embedded.prompts(flags.split)
    base = resolve("base", flags.base, config=find_config(Path.cwd()))[0]
    with Ledger(flags.work / "ledger.db") as ledger:
        contrasts = contrasts_of(
            base,
            embedded.prompts("alignment"),
            read_constitution(embedded.CONSTITUTION),
            ContrastPlan(sampling=EMBEDDED_SAMPLING, engine=HF),
            Tools(find_config(Path.cwd()), ledger, progress),
        )
        print(summarize(contrasts))
        print(f"{flags.split}: {len(prompts)} prompts, both turns, seeds {flags.seeds}")
        print(f"{'recipe':<14} adherence [95% CI]       correct  rambling  by seed")
        for recipe in flags.recipes:
            models = trained(recipe, seeds, base, contrasts, flags.work / "adapters", progress)
            print(measure(recipe, models, prompts, ledger, progress), flush=True)


if __name__ == "__main__":
    main()
