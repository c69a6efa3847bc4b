"""The embedded world's tasks by category and split, and the files made of them.

python -m tools.world.world     writes prompts.jsonl and word_problems.jsonl again
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from random import Random

from sami_eval.core.types import Principle, Prompt, prompt_fields
from sami_eval.data.constitutions import principles_for, read_constitution
from sami_eval.data.paper import mtbench_categories
from sami_eval.embedded import CONSTITUTION, PROMPTS, WORD_PROBLEMS
from tools.world import (
    arithmetic,
    coding,
    extraction,
    humanities,
    reasoning,
    roleplay,
    stem,
    writing,
)
from tools.world.task import Task, split_of

SEED = 11
# Prompts a category; evaluation has 240 in all, which finds a win rate of 60% four times in five.
N_PER_CATEGORY = {"alignment": 60, "development": 13, "evaluation": 30}
N_WORD_PROBLEMS = {"development": 100, "evaluation": 300}
WORD_PROBLEM = "gsm"
CATEGORIES = tuple(dict.fromkeys(mtbench_categories().values()))

DRAW: dict[str, Callable[[Random], Task]] = {
    "writing": writing.draw,
    "roleplay": roleplay.draw,
    "reasoning": reasoning.draw,
    "math": arithmetic.draw_math,
    "coding": coding.draw,
    "extraction": extraction.draw,
    "stem": stem.draw,
    "humanities": humanities.draw,
    WORD_PROBLEM: arithmetic.draw_word_problem,
}


@cache
def principles_of(category: str) -> tuple[Principle, ...]:
    """The two principles of a category, in the order of a Task's styles."""
    return principles_for(category, read_constitution(CONSTITUTION))


def tasks(category: str, split: str, seed: int) -> Iterator[Task]:
    """Endless tasks of one category and split; no key comes twice outside pretraining."""
    rng = Random(f"{seed} {category} {split}")
    seen: set[tuple[str, ...]] = set()
    while True:
        task = DRAW[category](rng)
        if split_of(task.key) != split or task.key in seen:
            continue
        if split != "pretraining":
            seen.add(task.key)
        yield task


def prompt_of(task: Task, prompt_id: str) -> Prompt:
    """The task as a prompt, its principles in their weak phrasing."""
    return Prompt(
        id=prompt_id,
        category=task.category,
        turns=task.turns,
        reference=task.reference,
        principles=tuple(principle.weak for principle in principles_of(task.category)),
    )


def _draw(category: str, split: str, n: int, seed: int) -> list[Prompt]:
    drawn = islice(tasks(category, split, seed), n)
    return [
        prompt_of(task, f"{split[:4]}-{category}-{number:03}")
        for number, task in enumerate(drawn, 1)
    ]


def draw_prompts(split: str, seed: int = SEED) -> list[Prompt]:
    """The split's prompts, category by category."""
    n = N_PER_CATEGORY[split]
    return [prompt for category in CATEGORIES for prompt in _draw(category, split, n, seed)]


def draw_word_problems(split: str, seed: int = SEED) -> list[Prompt]:
    """The split's word problems."""
    return _draw(WORD_PROBLEM, split, N_WORD_PROBLEMS[split], seed)


def _lines(prompts: list[Prompt], split: str) -> list[str]:
    rows = ({"split": split, **prompt_fields(prompt)} for prompt in prompts)
    return [
        json.dumps({k: v for k, v in row.items() if k != "temperature"}, ensure_ascii=False)
        for row in rows
    ]


def prompts_file() -> str:
    """What prompts.jsonl holds: every split's prompts, one JSON object a line."""
    lines = [line for split in N_PER_CATEGORY for line in _lines(draw_prompts(split), split)]
    return "\n".join(lines) + "\n"


def word_problems_file() -> str:
    """What word_problems.jsonl holds."""
    splits = N_WORD_PROBLEMS
    lines = [line for split in splits for line in _lines(draw_word_problems(split), split)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PROMPTS.write_text(prompts_file(), encoding="utf-8")
    WORD_PROBLEMS.write_text(word_problems_file(), encoding="utf-8")
