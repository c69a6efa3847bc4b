"""Small literal verdicts, prompts and responses: sami against dpo, judged by quality."""

from __future__ import annotations

from sami_eval.core.types import Order, Prompt, Response, Verdict, Winner


def verdict(
    winner: Winner | None,
    first: Order = "a",
    question: str = "q1",
    turn: int = 0,
    judge: str = "quality",
    repeat: int = 0,
    score: float | None = None,
    text: str = "",
) -> Verdict:
    return Verdict(
        question, turn, judge, "sami", "dpo", first, repeat, winner, score=score, text=text
    )


def both_orders(one: Winner | None, other: Winner | None, question: str = "q1") -> list[Verdict]:
    return [verdict(one, "a", question), verdict(other, "b", question)]


def prompts(*categories: str) -> list[Prompt]:
    return [Prompt(f"q{i}", category, ("?", "?")) for i, category in enumerate(categories, 1)]


def responses(model: str, n: int, words: int = 5, n_tokens: int | None = None) -> list[Response]:
    return [
        Response(f"q{i}", model, ("x" * words, "x" * words), n_tokens=(n_tokens, n_tokens))
        for i in range(1, n + 1)
    ]
