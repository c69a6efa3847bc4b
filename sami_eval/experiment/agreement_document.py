"""A judge beside people as one JSON document: what `agreement --json` prints and every view reads.

Schema "sami-eval/agreement/1". Agreement is a share from 0 to 1, intervals [low, high] at 95%, and
null means "not known".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypedDict

from sami_eval.core.types import Winner
from sami_eval.experiment.agreement import LABELS, Agreement, Figure, Raters, Sides
from sami_eval.experiment.envelope import Kind
from sami_eval.experiment.recommend import Ranked, recommended

SCHEMA: Final = "sami-eval/agreement/1"


class RatedRow(TypedDict):
    """The interval of a figure, and its n."""

    interval: list[float] | None
    n: int
    n_questions: int


class AgreedRow(RatedRow):
    """A share of what two raters say alike."""

    agreement: float | None


class BeyondChanceRow(RatedRow):
    """Their kappa."""

    kappa: float | None


class RatersRow(TypedDict):
    """`agreement.Raters` in JSON."""

    with_ties: AgreedRow
    without_ties: AgreedRow
    kappa: BeyondChanceRow
    kappa_both_ways: BeyondChanceRow


class SidesRow(TypedDict):
    """`agreement.Sides` in JSON."""

    judge_with_people: RatersRow
    people: RatersRow
    judge_there: RatersRow


class SaidRow(TypedDict):
    """Votes of people, by what they say."""

    a: int
    tie: int
    b: int


class ConfusionRow(TypedDict):
    """Votes by what the judge says, and then by what people do."""

    a: SaidRow
    tie: SaidRow
    b: SaidRow


class CandidateRow(TypedDict):
    """A judge at hand, on the votes that all of them have an outcome for, the best first.

    usd_per_1000: of turns judged in all orders. agreed_per_usd: turns on which it says what people
        say, for a dollar. ahead: of the best over it: 0.5 where they are even; null for the best.
    worse: whether these votes tell it from the best.
    """

    judge: str
    source: str
    with_ties: AgreedRow
    without_ties: AgreedRow
    usd_per_1000: float | None
    agreed_per_usd: float | None
    ahead: float | None
    ahead_interval: list[float] | None
    worse: bool


class AgreementDocument(SidesRow):
    """Everything a table or a reviewer needs. votes, source: where both sides were read from.

    judges: those at hand, where there are several. recommended: the cheapest of them that is not
        worse than the best; null where that is not known.
    """

    schema: Literal["sami-eval/agreement/1"]
    judge: str
    source: str
    votes: str
    a: str | None
    b: str | None
    n_pairs: int
    n_voters: int
    n_votes: int
    n_questions: int
    n_votes_left_out: int
    by_category: dict[str, SidesRow]
    by_turn: dict[str, SidesRow]
    by_kind: dict[str, dict[str, SidesRow]]
    n_scores_unused: int
    confusion: ConfusionRow
    judges: list[CandidateRow]
    recommended: str | None


def _fill(document: dict[str, Any]) -> None:
    """What documents of earlier versions lack."""
    document.setdefault("judges", [])
    document.setdefault("recommended", None)


KIND: Final = Kind("agreement.json", SCHEMA, AgreementDocument, _fill)


def agreement_document(
    found: Agreement, votes: str, source: str, judges: Sequence[Ranked] = ()
) -> AgreementDocument:
    """Everything in JSON. judges: those at hand, the best first."""
    best = recommended(judges)
    return {
        "schema": SCHEMA,
        "judge": found.judge,
        "source": source,
        "votes": votes,
        "a": found.a,
        "b": found.b,
        "n_pairs": found.n_pairs,
        "n_voters": found.n_voters,
        "n_votes": found.total.judge.with_ties.n,
        "n_questions": found.total.judge.with_ties.n_questions,
        "n_votes_left_out": found.left_out,
        **_sides(found.total),
        "by_category": {name: _sides(row) for name, row in found.by_category.items()},
        "by_turn": {turn: _sides(row) for turn, row in found.by_turn.items()},
        "by_kind": {
            kind: {turn: _sides(row) for turn, row in rows.items()}
            for kind, rows in found.by_kind.items()
        },
        "n_scores_unused": found.scores_unused,
        "confusion": {"a": _said(found, "a"), "tie": _said(found, "tie"), "b": _said(found, "b")},
        "judges": [_candidate(one) for one in judges],
        "recommended": None if best is None else best.candidate.name,
    }


def _candidate(one: Ranked) -> CandidateRow:
    usd = one.candidate.usd_a_turn
    interval = None if one.behind is None else one.behind.interval
    return {
        "judge": one.candidate.name,
        "source": one.candidate.source,
        "with_ties": _agreed(one.raters.with_ties),
        "without_ties": _agreed(one.raters.without_ties),
        "usd_per_1000": None if usd is None else 1000 * usd,
        "agreed_per_usd": one.agreed_per_usd,
        "ahead": None if one.behind is None else one.behind.value,
        "ahead_interval": None if interval is None else list(interval),
        "worse": one.is_worse,
    }


def _agreed(figure: Figure) -> AgreedRow:
    return {"agreement": figure.estimate.value, **_rest(figure)}


def _said(found: Agreement, judge: Winner) -> SaidRow:
    a, tie, b = (found.confusion.get((judge, person), 0) for person in LABELS)
    return {"a": a, "tie": tie, "b": b}


def _sides(row: Sides) -> SidesRow:
    return {
        "judge_with_people": _raters(row.judge),
        "people": _raters(row.people),
        "judge_there": _raters(row.there),
    }


def _raters(raters: Raters) -> RatersRow:
    return {
        "with_ties": _agreed(raters.with_ties),
        "without_ties": _agreed(raters.without_ties),
        "kappa": {"kappa": raters.kappa.estimate.value, **_rest(raters.kappa)},
        "kappa_both_ways": {"kappa": raters.both_ways.estimate.value, **_rest(raters.both_ways)},
    }


def _rest(figure: Figure) -> RatedRow:
    interval = figure.estimate.interval
    return {
        "interval": None if interval is None else list(interval),
        "n": figure.n,
        "n_questions": figure.n_questions,
    }
