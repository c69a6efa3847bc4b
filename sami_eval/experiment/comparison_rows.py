"""What a comparison says in JSON: a row a pair, a tally, a standing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from sami_eval.core.comparison import (
    Comparison,
    Estimate,
    Kappa,
    Length,
    Seeds,
    Style,
    Tally,
)
from sami_eval.experiment.stopping import StoppingRow

if TYPE_CHECKING:
    from sami_eval.stats import Standing


class LengthRow(TypedDict):
    """Mean lengths of both sides and the win rate at equal length."""

    a: float | None
    b: float | None
    unit: str
    win_rate: float | None
    interval: list[float] | None
    a_longer: int | None
    b_longer: int | None
    n_turns: int | None
    supported: bool | None


class FeatureRow(TypedDict):
    """`types.Feature` in JSON."""

    name: str
    a: float | None
    b: float | None
    effect: float | None
    interval: list[float] | None
    supported: bool


class StyleRow(TypedDict):
    """The win rate at equal length and style, and what of these sways the judge."""

    win_rate: float | None
    interval: list[float] | None
    features: list[FeatureRow]


class _TallyMore(TypedDict, total=False):
    too_long: int
    left_out: int
    win_rate_range: list[float] | None
    strong: list[int] | None


class TallyRow(_TallyMore):
    """`comparison.Tally` in JSON."""

    n_questions: int
    n_turns: int
    wins: int
    ties: int
    losses: int
    win_rate: float | None
    interval: list[float] | None
    p_value: float | None
    p_adjusted: float | None
    significant: bool
    questions_needed: int | None
    needed_range: list[int | None] | None
    detectable: float | None
    consistency: float | None
    consistency_interval: list[float] | None
    first_position_rate: float | None
    first_position_interval: list[float] | None
    unparsed: int
    n_verdicts: int


class SeedRow(TypedDict):
    """Win rate of one pair of training seeds; null where that side is one model."""

    a: int | None
    b: int | None
    win_rate: float | None
    interval: list[float] | None


class SeedsRow(TypedDict):
    """`comparison.Seeds` in JSON; its intervals cover questions alone."""

    a: list[int]
    b: list[int]
    paired: bool
    win_rates: list[SeedRow]
    questions_interval: list[float] | None


class CorrectedRow(TypedDict):
    """The win rate by people's votes and the judge (stats/ppi.py); people: by votes alone."""

    win_rate: float
    interval: list[float]
    judge_weight: float
    people_win_rate: float
    people_interval: list[float]
    n_votes: int
    n_questions: int
    n_turns: int
    n_other_answers: int | None
    votes: str


class ComparisonRow(TallyRow):
    """One pair; seeds: null where both sides are one model; corrected: null without votes.

    stopping: where it stopped, or goes on where it had stopped before; else null.
    style: null where it was not asked for.
    """

    a: str
    b: str
    length: LengthRow
    style: StyleRow | None
    by_category: dict[str, TallyRow]
    categories_p_value: float | None
    seeds: SeedsRow | None
    self_agreement: float | None
    self_agreement_interval: list[float] | None
    judges: list[JudgedRow]
    kappa: KappaRow | None
    corrected: CorrectedRow | None
    stopping: StoppingRow | None


class JudgedRow(TallyRow):
    """What one judge of an ensemble says alone."""

    judge: str


class AgreementRow(TypedDict):
    """Kappa of some judges, over the turns that two or more of them have decided."""

    judges: list[str]
    value: float | None
    interval: list[float] | None
    n_questions: int
    n_turns: int


class KappaRow(TypedDict):
    """Agreement of an ensemble: of all judges by Fleiss' kappa, of every two by Cohen's."""

    overall: AgreementRow
    pairs: list[AgreementRow]


class RankRow(TypedDict):
    """One contender of a round robin (stats/ranking.py); strength in nats."""

    rank: int
    model: str
    strength: float | None
    interval: list[float] | None
    p_next: float | None
    tied_with_next: bool


def _interval(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [float(interval[0]), float(interval[1])]


def tally_row(tally: Tally) -> TallyRow:
    """A tally in JSON."""
    consistency, first = tally.consistency, tally.first_position_rate
    return {
        "n_questions": tally.n_questions,
        "n_turns": tally.n_turns,
        "wins": tally.wins,
        "ties": tally.ties,
        "losses": tally.losses,
        "win_rate": tally.win_rate,
        "interval": _interval(tally.interval),
        "p_value": tally.p_value,
        "p_adjusted": tally.p_adjusted,
        "significant": tally.significant,
        "questions_needed": tally.questions_needed,
        "needed_range": None if tally.needed_range is None else list(tally.needed_range),
        "detectable": tally.detectable,
        "consistency": consistency.value,
        "consistency_interval": _interval(consistency.interval),
        "first_position_rate": first.value,
        "first_position_interval": _interval(first.interval),
        "unparsed": tally.unparsed,
        "n_verdicts": tally.n_verdicts,
        "too_long": tally.too_long,
        "left_out": tally.left_out,
        "win_rate_range": _interval(tally.win_rate_range),
        "strong": None if tally.strong is None else list(tally.strong),
    }


def _length_row(length: Length) -> LengthRow:
    controlled: Estimate = length.controlled
    return {
        "a": length.mean_a,
        "b": length.mean_b,
        "unit": length.unit,
        "win_rate": controlled.value,
        "interval": _interval(controlled.interval),
        "a_longer": length.a_longer,
        "b_longer": length.b_longer,
        "n_turns": length.n_turns,
        "supported": length.supported,
    }


def _style_row(style: Style) -> StyleRow:
    return {
        "win_rate": style.controlled.value,
        "interval": _interval(style.controlled.interval),
        "features": [
            {
                "name": one.name,
                "a": one.mean_a,
                "b": one.mean_b,
                "effect": one.effect.value,
                "interval": _interval(one.effect.interval),
                "supported": one.supported,
            }
            for one in style.features
        ],
    }


def comparison_row(comparison: Comparison, stopping: StoppingRow | None = None) -> ComparisonRow:
    """One pair in JSON."""
    return {
        **tally_row(comparison.total),
        "a": comparison.a,
        "b": comparison.b,
        "length": _length_row(comparison.length),
        "style": None if comparison.style is None else _style_row(comparison.style),
        "by_category": {name: tally_row(t) for name, t in comparison.by_category.items()},
        "categories_p_value": comparison.categories_p_value,
        "seeds": None if comparison.seeds is None else _seeds_row(comparison.seeds),
        "self_agreement": comparison.self_agreement.value,
        "self_agreement_interval": _interval(comparison.self_agreement.interval),
        "judges": [{**tally_row(t), "judge": name} for name, t in comparison.judges.items()],
        "kappa": _kappa_row(comparison.kappas) if comparison.kappas else None,
        "corrected": None,
        "stopping": stopping,
    }


def _kappa_row(kappas: Sequence[Kappa]) -> KappaRow:
    overall, *pairs = [_agreement_row(kappa) for kappa in kappas]
    return {"overall": overall, "pairs": pairs}


def _agreement_row(kappa: Kappa) -> AgreementRow:
    return {
        "judges": list(kappa.judges),
        "value": kappa.estimate.value,
        "interval": _interval(kappa.estimate.interval),
        "n_questions": kappa.n_questions,
        "n_turns": kappa.n_turns,
    }


def _seeds_row(seeds: Seeds) -> SeedsRow:
    return {
        "a": list(seeds.a),
        "b": list(seeds.b),
        "paired": seeds.paired,
        "win_rates": [
            {
                "a": a if seeds.a else None,
                "b": b if seeds.b else None,
                "win_rate": rate.value,
                "interval": _interval(rate.interval),
            }
            for (a, b), rate in seeds.win_rates.items()
        ],
        "questions_interval": _interval(seeds.questions_only.interval),
    }


def rank_rows(standings: Sequence[Standing]) -> list[RankRow]:
    """A ranking in JSON."""
    return [
        {
            "rank": rank,
            "model": standing.name,
            "strength": standing.strength.value,
            "interval": _interval(standing.strength.interval),
            "p_next": standing.p_next,
            "tied_with_next": standing.tied_with_next,
        }
        for rank, standing in enumerate(standings, 1)
    ]


def caveat(length: LengthRow) -> str:
    """What a length-controlled rate is not, or that the lengths do not support one."""
    if length["supported"] is False:
        return (
            "; too few turns have the lengths the other way round: "
            "an extrapolation, and its interval too"
        )
    return "; a model of ours, not AlpacaEval's figure"
