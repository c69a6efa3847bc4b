"""The embedded world: enough prompts, no prompt in two splits, and files that can be made again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from sami_eval import embedded
from sami_eval.core.types import Response
from sami_eval.embedded import rules
from tests import MTBENCH_CATEGORIES
from tools.world import corpus, world
from tools.world.task import STYLES

SPLITS = ("alignment", "development", "evaluation")


def test_prompts_per_split_and_category() -> None:
    counts = {split: Counter(p.category for p in embedded.prompts(split)) for split in SPLITS}
    assert counts["alignment"] == dict.fromkeys(MTBENCH_CATEGORIES, 60)
    assert counts["development"] == dict.fromkeys(MTBENCH_CATEGORIES, 13)
    assert counts["evaluation"] == dict.fromkeys(MTBENCH_CATEGORIES, 30)
    assert len(embedded.word_problems("evaluation")) == 300


def test_every_prompt_has_two_turns_and_two_principles() -> None:
    for split in SPLITS:
        for prompt in embedded.prompts(split):
            assert (len(prompt.turns), len(prompt.principles)) == (2, 2), prompt.id


def test_ids_are_unique() -> None:
    ids = [p.id for s in SPLITS for p in embedded.prompts(s)]
    ids += [p.id for s in ("development", "evaluation") for p in embedded.word_problems(s)]
    assert len(ids) == len(set(ids))


def test_no_prompt_is_in_two_splits() -> None:
    first_turns = [p.turns[0] for s in SPLITS for p in embedded.prompts(s)]
    first_turns += [p.turns[0] for s in ("development", "evaluation")
                    for p in embedded.word_problems(s)]  # fmt: skip
    assert [text for text, n in Counter(first_turns).items() if n > 1] == []


def test_the_training_corpus_holds_no_prompt_of_another_split() -> None:
    held_out = {p.turns[0] for s in SPLITS for p in embedded.prompts(s)}
    held_out |= {p.turns[0] for s in ("development", "evaluation")
                 for p in embedded.word_problems(s)}  # fmt: skip
    trained_on = {
        content.removeprefix(f"{corpus.STEP_BY_STEP} ")
        for document in islice(corpus.documents(seed=1, n_exercises=5_000), 25_000)
        for role, content in document.messages
        if role == "user"
    }
    assert trained_on & held_out == set()


def test_the_shipped_files_are_what_the_seed_gives() -> None:
    assert embedded.PROMPTS.read_text(encoding="utf-8") == world.prompts_file()
    assert embedded.WORD_PROBLEMS.read_text(encoding="utf-8") == world.word_problems_file()


@pytest.mark.parametrize("category", [*MTBENCH_CATEGORIES, world.WORD_PROBLEM])
def test_each_drawn_answer_has_its_style_and_is_right(category: str) -> None:
    for task in islice(world.tasks(category, "pretraining", seed=5), 150):
        prompt = world.prompt_of(task, "p")
        for turn, by_style in enumerate(task.answers):
            for style in STYLES:
                text = by_style[style]
                met = tuple(rules.meets(p, prompt, turn, text) for p in prompt.principles)
                assert met == style, text
                assert rules.is_fluent(text), text
                response = Response("p", "m", (text,) * len(task.turns))
                assert rules.is_correct(prompt, turn, response) is not False, text


@pytest.mark.parametrize("category", MTBENCH_CATEGORIES)
def test_prompts_of_a_category_do_not_share_one_opening(category: str) -> None:
    asked = [p for p in embedded.prompts("evaluation") if p.category == category]
    openings = {" ".join(p.turns[0].split()[:2]) for p in asked}
    assert len(openings) >= 3
    assert len({p.turns[1] for p in asked}) >= 10


@pytest.mark.parametrize("category", MTBENCH_CATEGORIES)
def test_weak_principles_are_followed_by_subject_and_in_the_minority(category: str) -> None:
    tasks = list(islice(world.tasks(category, "pretraining", seed=4), 400))
    for principle in world.principles_of(category):
        rates = {t.subject: corpus.follow_rate(principle, "weak", t) for t in tasks}
        assert set(rates.values()) == {0.12, 0.8}
        weak, strong = (
            sum(corpus.follow_rate(principle, phrasing, t) for t in tasks) / len(tasks)
            for phrasing in ("weak", "strong")
        )
        assert 0.2 < weak < 0.6
        assert weak < strong + 0.05


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, sami_eval.embedded.rules; "
        "print([m for m in ('numpy', 'torch', 'transformers') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
