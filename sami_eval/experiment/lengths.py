"""How long and how dressed the responses of both sides are, and the win rate were they alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from sami_eval.core.comparison import Feature, Length, Outcome, Style
from sami_eval.core.types import Response
from sami_eval.data.style import FEATURES, style_of

Turn = tuple[str, int, int]  # prompt id, turn, training seed
Sides = tuple[Sequence[Response], Sequence[Response]]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Turns that were judged and whose answers are known, side by side.

    of_a, of_b: every turn's measures, by name; there may be more turns than were judged.
    """

    outcomes: Sequence[Outcome]
    of_a: Mapping[Turn, Mapping[str, int]]
    of_b: Mapping[Turn, Mapping[str, int]]

    def differences(self, name: str) -> list[int]:
        """a's measure less b's, turn by turn."""
        return [
            self.of_a[in_a][name] - self.of_b[in_b][name]
            for in_a, in_b in map(_turns, self.outcomes)
        ]

    def mean(self, name: str) -> tuple[float | None, float | None]:
        """Of all turns of a, and of b."""
        of_a, of_b = (
            fmean(one[name] for one in side.values()) if side else None
            for side in (self.of_a, self.of_b)
        )
        return of_a, of_b


def length(
    category: Mapping[str, str],
    sides: Sides,
    outcomes: Sequence[Outcome],
    seed: int,
    seed_of: Mapping[str, int],
) -> Length:
    """Mean lengths of a's and b's responses, and the length-controlled win rate.

    category: of each prompt id; other prompts do not count. seed: of the bootstrap.
    seed_of: training seeds by model name, where a side has several.
    """
    from sami_eval.stats.length import is_supported, length_controlled

    rows, unit = _rows(category, sides, outcomes, seed_of, style=False)
    differences = rows.differences("length")
    controlled = length_controlled(
        [outcome.score for outcome in rows.outcomes],
        [outcome.prompt_id for outcome in rows.outcomes],
        differences,
        [category[outcome.prompt_id] for outcome in rows.outcomes],
        seed,
        weights=[outcome.weight for outcome in rows.outcomes],
    )
    return Length(
        *rows.mean("length"),
        unit,
        controlled,
        sum(difference > 0 for difference in differences),
        sum(difference < 0 for difference in differences),
        len(differences),
        is_supported(differences),
    )


def style(
    category: Mapping[str, str],
    sides: Sides,
    outcomes: Sequence[Outcome],
    seed: int,
    seed_of: Mapping[str, int],
) -> Style:
    """The win rate at equal length and style, and how much each of these sways the judge.

    Arguments as `length` has them.
    """
    from sami_eval.stats.length import controlled, is_supported

    rows, _ = _rows(category, sides, outcomes, seed_of, style=True)
    names = ("length", *FEATURES)
    columns = {name: rows.differences(name) for name in names}
    found = controlled(
        [outcome.score for outcome in rows.outcomes],
        [outcome.prompt_id for outcome in rows.outcomes],
        list(columns.values()),
        [category[outcome.prompt_id] for outcome in rows.outcomes],
        seed,
        weights=[outcome.weight for outcome in rows.outcomes],
    )
    features = tuple(
        Feature(name, *rows.mean(name), effect, is_supported(columns[name]))
        for name, effect in zip(names, found.effects, strict=True)
    )
    return Style(found.rate, features)


def _rows(
    category: Mapping[str, str],
    sides: Sides,
    outcomes: Sequence[Outcome],
    seed_of: Mapping[str, int],
    style: bool,
) -> tuple[_Rows, Literal["tokens", "characters"]]:
    kept = [[r for r in side if r.prompt_id in category and r.sample == 0] for side in sides]
    in_tokens = all(_knows_tokens(response) for side in kept for response in side)
    dress: Callable[[str], Mapping[str, int]] = style_of if style else lambda text: {}
    of_a, of_b = (dict(_measured(side, in_tokens, seed_of, dress)) for side in kept)
    judged = [
        outcome
        for outcome in outcomes
        for in_a, in_b in [_turns(outcome)]
        if in_a in of_a and in_b in of_b
    ]
    return _Rows(judged, of_a, of_b), "tokens" if in_tokens else "characters"


def _turns(outcome: Outcome) -> tuple[Turn, Turn]:
    of_a, of_b = ((outcome.prompt_id, outcome.turn, seed) for seed in outcome.seeds)
    return of_a, of_b


def _knows_tokens(response: Response) -> bool:
    return len(response.n_tokens) == len(response.turns) and None not in response.n_tokens


def _measured(
    responses: Iterable[Response],
    in_tokens: bool,
    seed_of: Mapping[str, int],
    dress: Callable[[str], Mapping[str, int]],
) -> Iterator[tuple[Turn, Mapping[str, int]]]:
    for response in responses:
        for turn, text in enumerate(response.turns):
            n_tokens = response.n_tokens[turn] if in_tokens else None
            length = len(text) if n_tokens is None else n_tokens
            place = (response.prompt_id, turn, seed_of.get(response.model, 0))
            yield place, {"length": length, **dress(text)}
