"""Graded verdicts: how far ahead, and how often that counts.

A judge file names its patterns "A>>B", "A>B", "A=B", "B>A" and "B>>A", and may weigh the signs:

    [weights]
    ">>" = 3

which is the default and Arena-Hard's: there a strong verdict is three games, any other one, and the
rate is the mean of all games (lmarena/arena-hard-auto, show_result.py, `load_judgments`). Winners
and losers weigh alike by the form of the table.
"""

from __future__ import annotations

from collections.abc import Mapping

from sami_eval.core.errors import shown
from sami_eval.core.files import Toml
from sami_eval.core.types import MOST_WEIGHT, Winner

GRADED: Mapping[str, Winner] = {"A>>B": "a", "A>B": "a", "A=B": "tie", "B>A": "b", "B>>A": "b"}
WEIGHTS: Mapping[str, int] = {">>": 3, ">": 1, "=": 1}
HINT = 'grades are patterns named "A>>B", "A>B", "A=B", "B>A" and "B>>A", all of them'


def are_in(file: Toml, patterns: Mapping[str, object], by_tokens: bool) -> bool:
    """Whether a judge's patterns are grades. Raises UsageError beside `logprobs`."""
    graded = [name for name in patterns if name in GRADED]
    if graded and by_tokens:
        said = f"`patterns.{graded[0]}` beside `logprobs`"
        file.bad(("patterns", graded[0]), said, "a verdict is a grade or a probability: leave one")
    return bool(graded)


def weights(file: Toml, patterns: Mapping[str, object]) -> dict[str, int]:
    """How often each grade counts; empty for a judge without grades."""
    graded = all(name in patterns for name in GRADED)
    table = file.data.get("weights", {})
    if not graded and "weights" in file.data:
        file.bad(("weights",), "`[weights]` without grades", HINT)
    if not isinstance(table, dict):
        file.bad(("weights",), "`weights` is no table", 'write [weights] and under it ">>" = 3')
    for sign, weight in table.items():
        if sign not in WEIGHTS:
            known = ", ".join(f'"{one}"' for one in WEIGHTS)
            file.bad(("weights", sign), f"unknown field `weights.{sign}`", f"known: {known}")
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 < weight <= MOST_WEIGHT:
            said = f"`weights.{sign}` is {shown(weight)}"
            file.bad(("weights", sign), said, f"a whole number from 1 to {MOST_WEIGHT}")
    return {name: {**WEIGHTS, **table}[name.strip("AB")] for name in GRADED} if graded else {}
