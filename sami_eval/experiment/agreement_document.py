"""A judge beside people as one JSON document: what `agreement --json` prints and every view reads.

Schema "sami-eval/agreement/1". Agreement is a share from 0 to 1, intervals [low, high] at 95%, and
null means "not known".
"""

from __future__ import annotations

from typing import Final, Literal, TypedDict

from sami_eval.core.types import Winner
from sami_eval.experiment.agreement import LABELS, Agreement, Figure, Raters, Sides
from sami_eval.experiment.envelope import Kind

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


class AgreementDocument(SidesRow):
    """Everything a table or a reviewer needs. votes, source: where both sides were read from."""

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


KIND: Final = Kind("agreement.json", SCHEMA, AgreementDocument)


def agreement_document(found: Agreement, votes: str, source: str) -> AgreementDocument:
    """Everything in JSON."""
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
    }


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
        "with_ties": {"agreement": raters.with_ties.estimate.value, **_rest(raters.with_ties)},
        "without_ties": {
            "agreement": raters.without_ties.estimate.value,
            **_rest(raters.without_ties),
        },
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
