"""How long the responses of both sides are, and the win rate at equal length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from sami_eval.core.types import Length, Outcome, Response

Turn = tuple[str, int, int]  # prompt id, turn, training seed


def length(
    category: Mapping[str, str],
    sides: tuple[Sequence[Response], Sequence[Response]],
    outcomes: Sequence[Outcome],
    seed: int,
    seed_of: Mapping[str, int],
) -> Length:
    """Mean lengths of a's and b's responses, and the length-controlled win rate.

    category: of each prompt id; other prompts do not count. seed: of the bootstrap.
    seed_of: training seeds by model name, where a side has several.
    """
    from sami_eval.stats.length import is_supported, length_controlled

    kept = [[r for r in side if r.prompt_id in category and r.sample == 0] for side in sides]
    in_tokens = all(_knows_tokens(response) for side in kept for response in side)
    of_a, of_b = (_turn_lengths(side, in_tokens, seed_of) for side in kept)
    rows = [
        (outcome, of_a[in_a] - of_b[in_b])
        for outcome in outcomes
        for in_a, in_b in [_turns(outcome)]
        if in_a in of_a and in_b in of_b
    ]
    differences = [difference for _, difference in rows]
    controlled = length_controlled(
        [outcome.score for outcome, _ in rows],
        [outcome.prompt_id for outcome, _ in rows],
        differences,
        [category[outcome.prompt_id] for outcome, _ in rows],
        seed,
        weights=[outcome.weight for outcome, _ in rows],
    )
    mean_a, mean_b = (fmean(side.values()) if side else None for side in (of_a, of_b))
    return Length(
        mean_a,
        mean_b,
        "tokens" if in_tokens else "characters",
        controlled,
        sum(difference > 0 for difference in differences),
        sum(difference < 0 for difference in differences),
        len(differences),
        is_supported(differences),
    )


def _turns(outcome: Outcome) -> tuple[Turn, Turn]:
    of_a, of_b = ((outcome.prompt_id, outcome.turn, seed) for seed in outcome.seeds)
    return of_a, of_b


def _knows_tokens(response: Response) -> bool:
    return len(response.n_tokens) == len(response.turns) and None not in response.n_tokens


def _turn_lengths(
    responses: Iterable[Response], in_tokens: bool, seed_of: Mapping[str, int]
) -> dict[Turn, int]:
    lengths: dict[Turn, int] = {}
    for response in responses:
        for turn, text in enumerate(response.turns):
            n_tokens = response.n_tokens[turn] if in_tokens else None
            key = (response.prompt_id, turn, seed_of.get(response.model, 0))
            lengths[key] = len(text) if n_tokens is None else n_tokens
    return lengths
