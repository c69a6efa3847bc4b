"""What a comparison finds: outcomes of turns, tallies, and figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all judgments of one turn add up to: 1 is a win of a, 0 a loss, 0.5 a tie.

    score: in between under the average rule. A turn without a verdict has no outcome.
    seeds: training seeds of a and b, 0 where a side is one model.
    weight: as how many turns it counts: above 1 under the average rule, where verdicts are strong.
    """

    prompt_id: str
    turn: int
    score: float
    seeds: tuple[int, int] = (0, 0)
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval. None where there are no data."""

    value: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Turns counted for a against b, and what they say about the win rate.

    win_rate: mean score; (wins + ties/2) / n_turns under the conservative rule, each turn by its
        weight under the average one. interval and p_value treat the question as the unit.
    p_adjusted: p_value after Holm's correction over the family it was tested in; equals p_value
        for a family of one. significant follows p_adjusted at 5%.
    questions_needed: from which on power stays at 80% if win_rate were the true one; None at 50%
        or without data.
    needed_range: the same at the ends of the interval, the fewer first; the second is None where
        the interval holds 50%: there is no most.
    detectable: the smallest |win rate - 50%| this many questions find with 80% power.
    consistency: share of turns judged in both orders that got the same winner in both.
    first_position_rate: share of decided verdicts won by the response shown first.
    unparsed: judgments without a verdict. too_long: those whose answers are too long for a judge.
    strong: of graded verdicts, how many of them put a, and b, far ahead; None without grades.
    left_out: turns that were judged and have no outcome. win_rate_range: between what the win rate
        would lie had each of them been lost, and had each been won; None where none is left out.
    """

    n_questions: int
    n_turns: int
    wins: int
    ties: int
    losses: int
    win_rate: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    p_adjusted: float | None
    significant: bool
    questions_needed: int | None
    needed_range: tuple[int, int | None] | None
    detectable: float | None
    consistency: Estimate
    first_position_rate: Estimate
    unparsed: int
    n_verdicts: int
    too_long: int = 0
    left_out: int = 0
    win_rate_range: tuple[float, float] | None = None
    strong: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """Mean response length of both sides in tokens, and the win rate at equal length.

    unit: "tokens" where every response's count is known, else "characters".
    controlled: length-controlled win rate; value None where it could not be fitted.
    a_longer, b_longer: of the n_turns it rests on, those where a's or b's response is the longer.
    supported: whether enough turns have the lengths either way round to say anything of equal ones.
    """

    mean_a: float | None
    mean_b: float | None
    unit: Literal["tokens", "characters"]
    controlled: Estimate
    a_longer: int
    b_longer: int
    n_turns: int
    supported: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing a judge may be swayed by besides what an answer says.

    mean_a, mean_b: of it a turn. effect: the log odds of a that a difference far above the usual
        adds; None for both where a and b never differ.
    supported: whether enough turns have it the other way round to speak of equal ones.
    """

    name: str
    mean_a: float | None
    mean_b: float | None
    effect: Estimate
    supported: bool


@dataclass(frozen=True, slots=True)
class Style:
    """The win rate at equal length, headings, lists, bold and code; length is the first feature."""

    controlled: Estimate
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Seeds:
    """The training seeds a comparison covers.

    a, b: of each side; empty where that side is one model.
    paired: seed i of a met seed i of b only; else every seed met every seed.
    win_rates: of each pair of seeds that met, with the interval over questions alone.
    questions_only: the win rate of all, with the interval had these been the only seeds.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    paired: bool
    win_rates: Mapping[tuple[int, int], Estimate]
    questions_only: Estimate


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of judges beyond chance, over the turns that two or more of them have decided."""

    judges: tuple[str, ...]
    estimate: Estimate
    n_questions: int
    n_turns: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """a against b on one task under one judge: the answer to "better, or noise?".

    by_category: the same tally per category, p_adjusted by Holm over categories.
    categories_p_value: permutation test of whether categories differ at all.
    outcomes: one a turn that has one; what the tallies count and a round robin ranks by.
    seeds: None where both sides are one model; else the total's interval and p-value, and the
        categories', cover questions and training seeds.
    self_agreement: share of the judge's repeats that say what most of them say; None for both
        where nothing was asked twice.
    style: where it was asked for.
    judges: of an ensemble, what each judge says alone; kappas: of all of them, then of every two.
    """

    a: str
    b: str
    judge: str
    total: Tally
    by_category: Mapping[str, Tally]
    categories_p_value: float | None
    length: Length
    cost_usd: float | None = None
    outcomes: tuple[Outcome, ...] = ()
    seeds: Seeds | None = None
    self_agreement: Estimate = Estimate(None, None)
    judges: Mapping[str, Tally] = field(default_factory=dict)
    kappas: tuple[Kappa, ...] = ()
    style: Style | None = None
