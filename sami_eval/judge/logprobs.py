"""A verdict from the probabilities of the tokens that could have given it.

One token of output is enough, and it says more than its letter: how sure the judge is. As in
AlpacaEval 2's weighted judging (arXiv 2404.04475): P(A) / (P(A) + P(B)).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sami_eval.core.calls import TokenLogps
from sami_eval.core.types import Judge

MOST = 20  # likeliest tokens that OpenAI's API tells at the most
# Together less likely than this, they are leftovers of an answer about something else: the ratio
# of two leftovers would pass for a verdict.
LEAST = 1e-3
DEFAULT_TOKENS: Mapping[str, tuple[str, ...]] = {"a": ("A",), "b": ("B",)}

_EDGES = re.compile(r"\A[\W_]+|[\W_]+\Z")


def word(token: str) -> str:
    """A token without what frames it: " A", "A." and "[[A" are one word."""
    return token if token.isalnum() else _EDGES.sub("", token)


def folding(tokens: Mapping[str, tuple[str, ...]]) -> Callable[[str], str]:
    """How tokens are compared: in any case, unless verdicts differ in nothing else."""
    folded = [{one.casefold() for one in several} for several in tokens.values()]
    return str if len(folded) == 2 and folded[0] & folded[1] else str.casefold


def winner_of(token: str, judge: Judge) -> str | None:
    """Which verdict a token gives, "a" or "b", if it gives one."""
    same, winners = _winners(tuple(judge.tokens.items()))
    return winners.get(same(word(token)))


@lru_cache(maxsize=64)
def _winners(
    tokens: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[Callable[[str], str], dict[str, str]]:
    same = folding(dict(tokens))
    return same, {same(one): winner for winner, several in tokens for one in several}


def probabilities(token: TokenLogps, judge: Judge) -> tuple[float, float]:
    """P(A) and P(B) at one place, each summed over every token that says it; 0 where none does."""
    found = {"a": 0.0, "b": 0.0}
    for text, logp in token.likeliest:
        winner = winner_of(text, judge)
        if winner is not None:
            found[winner] += math.exp(logp)
    return found["a"], found["b"]


def default_patterns(tokens: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What reads the words of a judge whose server gives no log-probabilities: nothing but it."""
    case = "(?i)" if folding(tokens) is not str else ""
    return {
        winner: tuple(rf"{case}\A[\W_]*{re.escape(one)}[\W_]*\Z" for one in several)
        for winner, several in tokens.items()
    }
