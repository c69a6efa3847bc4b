"""Figures of a base on the development prompts, greedy decoding, for its card."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval import embedded
from sami_eval.core.types import Prompt, Response
from sami_eval.data import chat
from sami_eval.embedded import rules
from tools.world.corpus import STEP_BY_STEP
from tools.world.world import principles_of

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

BATCH_ROWS = 120
MAX_TOKENS = 120
SAMPLES = 10
System = Callable[[Prompt], str]


def _constitution(phrasing: str) -> System:
    def write(prompt: Prompt) -> str:
        return chat.constitution_text(
            [getattr(p, phrasing) for p in principles_of(prompt.category)]
        )

    return write


def _insisted(phrasing: str) -> System:
    constitution = _constitution(phrasing)
    return lambda prompt: chat.insist(constitution(prompt))


SHOWN: dict[str, System] = {
    "weak principles": _constitution("weak"),
    "insisting on strong principles": _insisted("strong"),
    "insisting on antitheses": _insisted("antithesis"),
    "no principles": lambda prompt: "",
}


def _generate(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[tuple[int, ...]],
    temperature: float,
) -> list[str]:
    by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    texts = [""] * len(rows)
    drawn = (
        {"do_sample": True, "temperature": temperature, "top_k": 0}
        if temperature
        else {"do_sample": False}
    )
    for start in range(0, len(rows), BATCH_ROWS):
        indices = by_length[start : start + BATCH_ROWS]
        inputs = tokenizer.pad(
            {"input_ids": [list(rows[i]) for i in indices]},
            return_tensors="pt",
            padding_side="left",
        )
        generated = model.generate(**inputs, max_new_tokens=MAX_TOKENS, **drawn)
        new = generated[:, inputs["input_ids"].shape[1] :]
        for i, text in zip(
            indices, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True
        ):
            texts[i] = text
    return texts


def respond(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Prompt],
    system: System,
    temperature: float = 0.0,
) -> list[Response]:
    """Responses to every turn, each with the model's own earlier ones before it."""
    answers: list[tuple[str, ...]] = [()] * len(prompts)
    for turn in range(max(len(prompt.turns) for prompt in prompts)):
        asked = [i for i, prompt in enumerate(prompts) if turn < len(prompt.turns)]
        rows = [
            chat.render(
                tokenizer,
                chat.conversation(prompts[i].turns, answers[i], system(prompts[i])),
            )
            for i in asked
        ]
        for i, text in zip(asked, _generate(model, tokenizer, rows, temperature), strict=True):
            answers[i] += (text,)
    return [Response(p.id, "base", turns) for p, turns in zip(prompts, answers, strict=True)]


def _share(outcomes: Sequence[bool]) -> float:
    return round(sum(outcomes) / len(outcomes), 3)


def figures(prompts: Sequence[Prompt], responses: Sequence[Response]) -> dict[str, float]:
    """Shares over all turns: weak principles met, right answers, fluent texts."""
    turns = [
        (p, t, r) for p, r in zip(prompts, responses, strict=True) for t in range(len(p.turns))
    ]
    met, of = zip(*(rules.adherence(*turn) for turn in turns), strict=True)
    right = [rules.is_correct(*turn) for turn in turns]
    return {
        "adherence": round(sum(met) / sum(of), 3),
        "correct": _share([answer for answer in right if answer is not None]),
        "fluent": _share([rules.is_fluent(r.turns[t]) for _, t, r in turns]),
    }


def _word_problems(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    problems = embedded.word_problems("development")
    weak = _constitution("weak")
    n_right = [0] * len(problems)
    for _ in range(SAMPLES):
        drawn = respond(model, tokenizer, problems, weak, temperature=0.7)
        for i, (problem, response) in enumerate(zip(problems, drawn, strict=True)):
            n_right[i] += bool(rules.is_correct(problem, 0, response))
    stepwise = [dataclasses.replace(p, turns=(f"{STEP_BY_STEP} {p.turns[0]}",)) for p in problems]
    prefixed = figures(stepwise, respond(model, tokenizer, stepwise, weak))
    return {
        "pass@1, temperature 0.7": round(sum(n_right) / len(problems) / SAMPLES, 3),
        f"pass@{SAMPLES}, temperature 0.7": _share([n > 0 for n in n_right]),
        f'greedy after "{STEP_BY_STEP}"': prefixed["correct"],
    }


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Figures of the base in a folder, by how its prompts showed the principles."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = embedded.prompts("development")
    found = {
        name: figures(prompts, respond(model, tokenizer, prompts, system))
        for name, system in SHOWN.items()
    }
    return found | {"word problems, weak principles": _word_problems(model, tokenizer)}
